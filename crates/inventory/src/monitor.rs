//! Tells that links changed, as the kernel announces it. Events are hints to look again with
//! [`observe`](crate::observe()); they are no record of what exists.

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::link::Link;
use crate::rtnetlink::{DELETE_LINK, LinkSocket, NEW_LINK, messages};

/// `RTNLGRP_LINK` of linux/rtnetlink.h: links themselves, and bridges' words on their ports.
const LINK_GROUP: u32 = 1;

/// Why links cannot be watched.
#[derive(Debug, thiserror::Error)]
pub enum MonitorError {
    /// The subscription could not be made.
    #[error(
        "cannot subscribe to the kernel's link events (route netlink): {0}; \
         check that the process may open AF_NETLINK sockets"
    )]
    Subscribe(#[source] io::Error),
    /// The subscription broke. Make a new monitor, then observe.
    #[error("cannot receive the kernel's link events: {0}")]
    Receive(#[source] io::Error),
    /// The kernel's event has another shape than its interface description says.
    #[error("the kernel announced an interface in a way that moat does not understand: {0}")]
    Malformed(String),
}

/// What a monitor has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkNotice {
    Link(LinkEvent),
    /// The kernel had more events than the queue took, and some are lost: observe everything again.
    Overrun,
}

/// Something happened to a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkEvent {
    pub ifindex: u32,
    /// Its name after the event.
    pub name: String,
    pub change: LinkChange,
}

/// What happened to a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkChange {
    /// It is new, or some setting of it is: name, MAC, state, master.
    Present {
        /// Index of the link that it is in now: a bridge, bond or VRF.
        master: Option<u32>,
    },
    /// Its bridge reports on it: it joined, or its VLANs or its port state changed.
    BridgePort { bridge: Option<u32> },
    /// It is no longer in its bridge. The link itself may go on.
    LeftBridge,
    /// It does not exist any more, or not in this network namespace.
    Gone,
}

/// A subscription to link events of one network namespace: that of the thread that made it.
///
/// Make the monitor first and observe then, so that no change falls between the two.
pub struct LinkMonitor {
    socket: LinkSocket,
    pending: VecDeque<LinkEvent>,
}

impl LinkMonitor {
    /// Starts to watch.
    ///
    /// # Errors
    /// [`MonitorError::Subscribe`].
    pub fn new() -> Result<Self, MonitorError> {
        let mut socket = LinkSocket::open().map_err(MonitorError::Subscribe)?;
        socket
            .subscribe(LINK_GROUP)
            .map_err(MonitorError::Subscribe)?;
        Ok(Self {
            socket,
            pending: VecDeque::new(),
        })
    }

    /// The next notice, in the kernel's order; `None` when `timeout` passes without one.
    /// A timeout of zero asks without waiting.
    ///
    /// # Errors
    /// [`MonitorError`]. After an error that is not [`MonitorError::Malformed`] the monitor is of no use.
    pub fn next(&mut self, timeout: Duration) -> Result<Option<LinkNotice>, MonitorError> {
        // A timeout too long for the clock is one without end.
        let deadline = Instant::now().checked_add(timeout);
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Ok(Some(LinkNotice::Link(event)));
            }
            if !self.wait(deadline).map_err(MonitorError::Receive)? {
                return Ok(None);
            }
            match self.socket.receive() {
                Ok(datagram) => read_events(datagram.unwrap_or_default(), &mut self.pending)?,
                Err(error) if error.raw_os_error() == Some(Errno::NOBUFS.raw_os_error()) => {
                    return Ok(Some(LinkNotice::Overrun));
                }
                Err(error) => return Err(MonitorError::Receive(error)),
            }
        }
    }

    /// Whether there is something to receive before the deadline.
    fn wait(&self, deadline: Option<Instant>) -> io::Result<bool> {
        loop {
            let timeout = deadline
                .map(|deadline| deadline.saturating_duration_since(Instant::now()))
                .and_then(|left| Timespec::try_from(left).ok());
            let mut descriptors = [PollFd::new(self.socket.socket(), PollFlags::IN)];
            match poll(&mut descriptors, timeout.as_ref()) {
                Ok(ready) => return Ok(ready > 0),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Adds the events of a datagram to the queue.
fn read_events(datagram: &[u8], events: &mut VecDeque<LinkEvent>) -> Result<(), MonitorError> {
    let malformed =
        |error: netlink_packet_core::DecodeError| MonitorError::Malformed(error.to_string());
    for message in messages(datagram) {
        let message = message.map_err(malformed)?;
        let kind = message.message_type();
        if kind != NEW_LINK && kind != DELETE_LINK {
            continue;
        }
        let link = Link::parse(message.payload()).map_err(malformed)?;
        let change = match (kind, link.from_bridge) {
            (NEW_LINK, false) => LinkChange::Present {
                master: link.master,
            },
            (NEW_LINK, true) => LinkChange::BridgePort {
                bridge: link.master,
            },
            // The bridge forgets its port with a DELLINK of its own family.
            (_, true) => LinkChange::LeftBridge,
            (_, false) => LinkChange::Gone,
        };
        events.push_back(LinkEvent {
            ifindex: link.ifindex,
            name: link.name,
            change,
        });
    }
    Ok(())
}
