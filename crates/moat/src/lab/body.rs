//! What a machine of the lab is made of, a namespace or a guest of QEMU: how it is asked, and its end of its wire.
//! Knows how each does the same; what is asked and sent is left to others.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::anyhow;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use testbed::libvirtd::{Question, Remote};
use testbed::{Machine, Namespace, RawPort, Reach};

use super::services::Service;

/// What machines are made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Material {
    /// Namespaces with an interface each, and moat's documents applied as by `moat apply`
    #[default]
    Namespaces,
    /// Guests of QEMU that a real libvirtd starts, under moat's agent; needs libvirt, and minutes
    Qemu,
}

/// One machine.
pub(super) enum Body {
    Namespace(Machine),
    Guest(Guest),
}

/// A guest that does what it is told.
pub(super) struct Guest {
    pub(super) remote: Mutex<Remote>,
    /// Where its tap is.
    pub(super) host: Namespace,
    /// Name and index of its tap.
    pub(super) tap: (String, u32),
}

impl Guest {
    fn remote(&self) -> MutexGuard<'_, Remote> {
        // Answers carry numbers: what a thread that panicked has left is passed over.
        self.remote.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Body {
    /// Asks everything at once and waits that long for each answer; whether there was one, in order.
    pub(super) fn ask(
        &self,
        questions: &[(Service, IpAddr)],
        patience: Duration,
    ) -> anyhow::Result<Vec<bool>> {
        match self {
            Self::Namespace(machine) => thread::scope(|scope| {
                let threads: Vec<_> = questions
                    .iter()
                    .map(|(service, to)| scope.spawn(move || ask(machine, *service, *to, patience)))
                    .collect();
                let joined = threads.into_iter().map(|thread| thread.join());
                joined
                    .map(|ended| {
                        ended.unwrap_or_else(|_| Err(anyhow!("a machine's thread panicked")))
                    })
                    .collect()
            }),
            Self::Guest(guest) => {
                let questions: Vec<Question> = questions
                    .iter()
                    .map(|(service, to)| match service.port {
                        None => Question::Ping(*to),
                        Some(port) => Question::Tcp(SocketAddr::new(*to, port)),
                    })
                    .collect();
                Ok(guest.remote().ask(&questions, patience)?)
            }
        }
    }

    /// Takes hold of its end of its wire; it hears everything from now on.
    pub(super) fn end(&self) -> anyhow::Result<End<'_>> {
        match self {
            Self::Namespace(machine) => Ok(End::Raw(machine.port().open()?)),
            Self::Guest(guest) => {
                let (device, index) = &guest.tap;
                let tap = RawPort::open(&guest.host, device, *index)?;
                guest.remote().listen()?;
                Ok(End::Guest(guest, tap))
            }
        }
    }
}

fn ask(
    machine: &Machine,
    service: Service,
    to: IpAddr,
    patience: Duration,
) -> anyhow::Result<bool> {
    let reach = match service.port {
        None => machine.ping(to, patience)?,
        Some(port) => machine.reach_tcp(SocketAddr::new(to, port), patience)?,
    };
    Ok(reach == Reach::Answered)
}

/// An end of a wire.
pub(super) enum End<'a> {
    Raw(RawPort),
    /// With its tap, as the host sees it.
    Guest(&'a Guest, RawPort),
}

impl End<'_> {
    /// Sends frames as they are; when it returns, the switch has them.
    pub(super) fn send(&mut self, frames: &[Vec<u8>]) -> anyhow::Result<()> {
        match self {
            Self::Raw(port) => frames.iter().try_for_each(|frame| Ok(port.send(frame)?)),
            Self::Guest(guest, tap) => Ok(guest.remote().send(frames, tap)?),
        }
    }

    /// What the switch has sent here since the last time.
    pub(super) fn heard(&mut self) -> anyhow::Result<Vec<Vec<u8>>> {
        match self {
            Self::Raw(port) => Ok(port.drain()?),
            Self::Guest(guest, tap) => Ok(guest.remote().hear(tap)?),
        }
    }
}
