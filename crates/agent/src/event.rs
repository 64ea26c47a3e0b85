//! What wakes the agent. Knows what can happen; what follows from it is left to the loop.

use std::sync::mpsc::Sender;

use import::libvirt::Resync;
use libvirt::Uuid;
use libvirt::xml::{Domain, Network};

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
    /// libvirt tells by its socket.
    Libvirt(Told),
    /// A source cannot be heard any more, or again. Its claims stay.
    SourceState {
        name: &'static str,
        problem: Option<String>,
    },
    /// The process is asked to end; nothing is changed by that.
    Stop,
}

/// What libvirt tells by its socket.
#[derive(Debug)]
pub enum Told {
    /// A domain as it is now.
    Domain(Box<Domain>),
    /// The domain does not run here any more.
    Released(Uuid),
    /// A network as it is now.
    Network(Box<Network>),
    /// Everything is about to be asked.
    Begins(Sender<Resync>),
    /// Everything that was asked for; the answer is whether it was taken. It is not where a hook or
    /// an event came meanwhile, which may be newer.
    Everything {
        begun: Resync,
        networks: Vec<Network>,
        domains: Vec<Domain>,
        taken: Sender<bool>,
    },
}
