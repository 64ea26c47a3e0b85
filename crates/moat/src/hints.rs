//! What the kernel tells by itself: changes in our table and by whom, and interfaces that come and
//! go. Knows how to listen; what to do about it is left to the commands that stay.

use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use inventory::{LinkMonitor, LinkNotice};
use nftables::{Event, Monitor};

use crate::fault::Failure;

/// The threads that listen ask now and then whether they are still wanted.
const PATIENCE: Duration = Duration::from_secs(3600);

/// Why the switch is looked at again.
pub(crate) enum Hint {
    /// Something in our table changed. Who did it follows.
    Table,
    /// News was lost: anything may have changed.
    Lost,
    /// Who committed the change that came before.
    By {
        process: u32,
        name: String,
        /// The ruleset's generation since then.
        generation: u32,
    },
    Interface {
        name: String,
    },
    /// Nothing can be heard any more, for this reason.
    Deaf(String),
}

/// Begins to listen, in the network namespace of the calling thread.
///
/// # Errors
/// Where the kernel gives no socket.
pub(crate) fn listen() -> Result<Receiver<Hint>, Failure> {
    let (sender, hints) = mpsc::channel();
    let monitor = Monitor::open()
        .map_err(|error| Failure::system(format!("cannot listen to nf_tables: {error}")))?;
    let links = LinkMonitor::new().map_err(|error| Failure::system(error.to_string()))?;
    let for_links = sender.clone();
    std::thread::spawn(move || listen_to_tables(monitor, &sender));
    std::thread::spawn(move || listen_to_links(links, &for_links));
    Ok(hints)
}

fn listen_to_tables(mut monitor: Monitor, hints: &Sender<Hint>) {
    let own = datapath_nftables::table();
    let mut ours = false;
    loop {
        let hint = match monitor.next_event(PATIENCE) {
            Ok(None) => continue,
            Ok(Some(Event::Changed { table, .. })) if table == own => {
                ours = true;
                Hint::Table
            }
            Ok(Some(Event::Changed { .. })) => continue,
            Ok(Some(Event::Generation { id, process, name })) if std::mem::take(&mut ours) => {
                Hint::By {
                    generation: id,
                    process: process.unwrap_or_default(),
                    name: name.unwrap_or_else(|| "somebody".to_owned()),
                }
            }
            Ok(Some(Event::Generation { .. })) => continue,
            Ok(Some(Event::Unknown(_) | Event::Lost)) => Hint::Lost,
            Err(error) => Hint::Deaf(format!("cannot listen to nf_tables any more: {error}")),
        };
        let deaf = matches!(hint, Hint::Deaf(_));
        if hints.send(hint).is_err() || deaf {
            return;
        }
    }
}

fn listen_to_links(mut links: LinkMonitor, hints: &Sender<Hint>) {
    loop {
        let hint = match links.next(PATIENCE) {
            Ok(None) => continue,
            Ok(Some(LinkNotice::Link(event))) => Hint::Interface { name: event.name },
            Ok(Some(LinkNotice::Overrun)) => Hint::Lost,
            Err(error) => Hint::Deaf(error.to_string()),
        };
        let deaf = matches!(hint, Hint::Deaf(_));
        if hints.send(hint).is_err() || deaf {
            return;
        }
    }
}
