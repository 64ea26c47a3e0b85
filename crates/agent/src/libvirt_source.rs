//! Follows libvirt by its socket: everything when the connection is made, and what changes after it.
//! Knows when to ask and when to begin anew; what is told means what `import` says.

use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Duration;

use import::libvirt::{Asked, Follow, follow};
use libvirt::call::{
    DomainEventKind, GetDomainXml, GetNetworkXml, ListDomains, ListNetworks, RegisterDomainEvent,
    RegisterNetworkEvent,
};
use libvirt::event::Event as LibvirtEvent;
use libvirt::xml::{Domain, Network};
use libvirt::{
    Access, Connection, ConnectionError, DomainRef, Endpoints, ErrorCode, NetworkRef, Timeouts,
};
use thiserror::Error;
use tracing::{debug, info, warn};

use crate::event::{Event, Told};
use crate::libvirt_writer;
use crate::service::Handle;

const NAME: &str = "libvirt";
/// How long to wait for a daemon that is not there, or has gone.
const PAUSE: Duration = Duration::from_secs(1);
/// How long one connection is listened to before the other is looked at.
const TURN: Duration = Duration::from_millis(500);
/// How often something is asked again because a hook came meanwhile.
const ATTEMPTS: u32 = 20;

/// Why libvirt is not followed at the moment.
#[derive(Debug, Error)]
enum Interruption {
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    #[error("what changes while libvirt is asked does not end")]
    Unsettled,
    /// Nothing is wrong: the agent ends.
    #[error("the agent ends")]
    Ends,
}

/// Follows libvirt until the agent ends, in a thread of its own. A daemon that is not installed is
/// waited for.
///
/// # Errors
/// Where there can be no thread.
pub fn follow_libvirt(endpoints: Endpoints, handle: Handle) -> std::io::Result<()> {
    let body = move || {
        let mut known = false;
        let mut told = false;
        let mut carries = false;
        loop {
            if !endpoints.qemu.exists() && !known {
                let paths = endpoints.qemu.candidates.iter();
                let paths: Vec<String> =
                    paths.map(|(path, _)| path.display().to_string()).collect();
                let absent = Event::SourceAbsent {
                    name: NAME,
                    detail: format!("there is no socket at {}", paths.join(" or ")),
                };
                if !std::mem::replace(&mut told, true) && !handle.send(absent) {
                    return;
                }
                thread::sleep(PAUSE);
                continue;
            }
            known = true;
            let problem = match session(&endpoints, &handle, &mut carries) {
                Err(Interruption::Ends) => return,
                Err(interruption) => interruption.to_string(),
                Ok(()) => "it asked to be asked anew".to_owned(),
            };
            let state = Event::SourceState {
                name: NAME,
                problem: Some(problem),
            };
            if !handle.send(state) {
                return;
            }
            thread::sleep(PAUSE);
        }
    };
    thread::Builder::new().name(NAME.to_owned()).spawn(body)?;
    Ok(())
}

/// One connection to each driver, from its beginning to its end.
struct Session<'a> {
    qemu: Connection,
    /// `None`: the daemon has no networks, or the same daemon has them.
    network: Option<Connection>,
    handle: &'a Handle,
}

fn session(endpoints: &Endpoints, handle: &Handle, carries: &mut bool) -> Result<(), Interruption> {
    let mut qemu = Connection::open(&endpoints.qemu, Access::ReadOnly, Timeouts::default())?;
    // Registered first, asked then: nothing falls between the two.
    for kind in DomainEventKind::OF_PORTS {
        qemu.call(&RegisterDomainEvent { kind: *kind })?;
    }
    let mut network = None;
    match Connection::open(&endpoints.network, Access::ReadOnly, Timeouts::default()) {
        Ok(mut other) => {
            other.call(&RegisterNetworkEvent)?;
            network = Some(other);
        }
        // A host may do without networks of libvirt's.
        Err(error) => debug!("libvirt's networks are not followed: {error}"),
    }
    let path = qemu.path().display().to_string();
    let mut session = Session {
        qemu,
        network,
        handle,
    };
    session.everything()?;
    info!(socket = path, "libvirt is followed");
    session.send(Event::SourceState {
        name: NAME,
        problem: None,
    })?;
    // After everything was told: what domains carry already is then known, and not written again.
    if !*carries {
        let (sender, luggage) = mpsc::channel();
        let endpoint = endpoints.qemu.clone();
        let body = move || libvirt_writer::write(&endpoint, &luggage);
        match thread::Builder::new()
            .name("carrier".to_owned())
            .spawn(body)
        {
            Ok(_) => {
                session.send(Event::Libvirt(Told::Carrier(sender)))?;
                *carries = true;
            }
            Err(error) => warn!("what ports learn will not travel: no thread: {error}"),
        }
    }
    loop {
        if let Some(event) = session.qemu.next_event(TURN)? {
            session.take(&event)?;
        }
        while let Some(event) = session.next_of_network()? {
            session.take(&event)?;
        }
    }
}

impl Session<'_> {
    fn next_of_network(&mut self) -> Result<Option<LibvirtEvent>, Interruption> {
        match &mut self.network {
            Some(network) => Ok(network.next_event(Duration::ZERO)?),
            None => Ok(None),
        }
    }

    fn take(&mut self, event: &LibvirtEvent) -> Result<(), Interruption> {
        match follow(event) {
            Follow::AskDomain(domain) => self.domain(&domain),
            Follow::Ended(domain) => self.send(Event::Libvirt(Told::Ended(domain))),
            Follow::AskNetwork(network) => match self.network(&network)? {
                Some(network) => self.send(Event::Libvirt(Told::Network(Box::new(network)))),
                None => Ok(()),
            },
            Follow::Resync => self.everything(),
            Follow::Nothing => Ok(()),
        }
    }

    fn send(&self, event: Event) -> Result<(), Interruption> {
        match self.handle.send(event) {
            true => Ok(()),
            false => Err(Interruption::Ends),
        }
    }

    fn ask(&self) -> Result<Asked, Interruption> {
        let (sender, answer) = mpsc::channel();
        self.send(Event::Libvirt(Told::Ask(sender)))?;
        answer.recv().map_err(|_| Interruption::Ends)
    }

    /// Tells it, and gives back whether it was taken.
    fn tell(&self, told: impl FnOnce(Sender<bool>) -> Told) -> Result<bool, Interruption> {
        let (sender, answer) = mpsc::channel();
        self.send(Event::Libvirt(told(sender)))?;
        answer.recv().map_err(|_| Interruption::Ends)
    }

    fn domain(&mut self, known: &DomainRef) -> Result<(), Interruption> {
        for _ in 0..ATTEMPTS {
            let asked = self.ask()?;
            let Some(domain) = domain_of(&mut self.qemu, known)? else {
                return self.send(Event::Libvirt(Told::Unknown(known.clone())));
            };
            let Some(domain) = domain else {
                return Ok(());
            };
            let told = |taken| Told::Domain {
                asked,
                domain: Box::new(domain),
                taken,
            };
            if self.tell(told)? {
                return Ok(());
            }
        }
        Err(Interruption::Unsettled)
    }

    fn network(&mut self, known: &NetworkRef) -> Result<Option<Network>, Interruption> {
        let Some(connection) = &mut self.network else {
            return Ok(None);
        };
        let call = GetNetworkXml {
            network: known.clone(),
        };
        match connection.call(&call) {
            Ok(text) => match Network::parse(&text) {
                Ok(network) => Ok(Some(network)),
                Err(error) => {
                    warn!(network = known.name, "is not understood: {error}");
                    Ok(None)
                }
            },
            // It ended meanwhile.
            Err(ConnectionError::Refused(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn everything(&mut self) -> Result<(), Interruption> {
        for _ in 0..ATTEMPTS {
            let asked = self.ask()?;
            let mut domains = Vec::new();
            for known in self.qemu.call(&ListDomains { running_only: true })? {
                domains.extend(domain_of(&mut self.qemu, &known)?.flatten());
            }
            let mut networks = Vec::new();
            let list = match &mut self.network {
                Some(connection) => connection.call(&ListNetworks { active_only: true })?,
                None => Vec::new(),
            };
            for known in list {
                networks.extend(self.network(&known)?);
            }
            let told = |taken| Told::Everything {
                asked,
                networks,
                domains,
                taken,
            };
            if self.tell(told)? {
                return Ok(());
            }
        }
        Err(Interruption::Unsettled)
    }
}

/// The domain as it is; `None`: libvirt knows none of this id any more. One whose XML is not
/// understood has no claims, and that is told.
#[allow(clippy::option_option)]
fn domain_of(
    connection: &mut Connection,
    known: &DomainRef,
) -> Result<Option<Option<Domain>>, Interruption> {
    let call = GetDomainXml {
        domain: known.clone(),
    };
    match connection.call(&call) {
        Ok(text) => Ok(Some(match Domain::parse(&text) {
            Ok(domain) => Some(domain),
            Err(error) => {
                warn!(domain = known.name, "is not understood: {error}");
                None
            }
        })),
        Err(ConnectionError::Refused(error)) if error.code == ErrorCode::NO_DOMAIN => Ok(None),
        Err(error) => Err(error.into()),
    }
}
