//! What wakes the agent. Knows what can happen; what follows from it is left to the loop.

use std::sync::mpsc::Sender;

use policy::claim::ClaimChange;

use crate::protocol::{Reply, Request};

/// Something happened. Hints say only that it is time to look; what is, is read.
#[derive(Debug)]
pub enum Event {
    /// A client of the socket asks; it waits for the answer.
    Asked {
        request: Request,
        answer: Sender<Reply>,
    },
    /// Documents may have changed.
    Documents,
    /// Interfaces or bridge ports may have changed.
    Links,
    /// An interface does not exist any more.
    LinkGone { ifindex: u32 },
    /// Somebody changed what is ours in the switch, as far as it is known who.
    Switch { by: Option<String> },
    /// A source speaks by itself, of what it was at the moment `asked`
    /// ([`Handle::now`](crate::Handle::now)).
    Source {
        name: &'static str,
        change: ClaimChange,
        asked: u64,
    },
    /// A source cannot be heard any more, or again. Its claims stay.
    SourceState {
        name: &'static str,
        problem: Option<String>,
    },
    /// The process is asked to end; nothing is changed by that.
    Stop,
}
