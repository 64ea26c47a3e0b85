//! What wakes the agent. Knows what can happen; what follows from it is left to the loop.

use std::sync::mpsc::Sender;

use import::libvirt::Asked;
use libvirt::DomainRef;
use libvirt::xml::{Domain, Network};
use policy::claim::ClaimChange;
use policy::program::Direction;

use crate::protocol::{Reply, Request};
use crate::travel::Luggage;

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
    /// The switch reports a frame of a port that learns addresses.
    Report {
        ifindex: u32,
        direction: Direction,
        frame: Vec<u8>,
    },
    /// Somebody, or this process itself, changed what is ours in the switch.
    Switch {
        /// As far as it is known who.
        by: Option<String>,
        /// What the switch calls its state since then; `None`: it may have changed more than once.
        generation: Option<u32>,
    },
    /// A source says what there is, by itself.
    Said {
        source: &'static str,
        change: ClaimChange,
    },
    /// libvirt tells by its socket.
    Libvirt(Told),
    /// A source cannot be heard any more, or again. Its claims stay.
    SourceState {
        name: &'static str,
        problem: Option<String>,
    },
    /// A source was never there to be heard: nothing is wrong where it has nothing to say.
    SourceAbsent { name: &'static str, detail: String },
    /// The process is asked to end; nothing is changed by that.
    Stop,
}

/// What libvirt tells by its socket.
#[derive(Debug)]
pub enum Told {
    /// It is about to be asked for something.
    Ask(Sender<Asked>),
    /// A domain as it is now. The answer is whether it was taken: it is not where a hook or an event
    /// came since it was asked, which may be newer.
    Domain {
        asked: Asked,
        domain: Box<Domain>,
        taken: Sender<bool>,
    },
    /// This life of the domain is over, or goes on elsewhere.
    Ended(DomainRef),
    /// Somebody writes what ports learn into their domains, so that it travels with them.
    Carrier(Sender<Luggage>),
    /// libvirt knows no such domain.
    Unknown(DomainRef),
    /// A network as it is now.
    Network(Box<Network>),
    /// All networks and all domains that run; the answer as with a domain.
    Everything {
        asked: Asked,
        networks: Vec<Network>,
        domains: Vec<Domain>,
        taken: Sender<bool>,
    },
}
