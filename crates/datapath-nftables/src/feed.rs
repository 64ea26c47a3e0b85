//! The frames from which addresses of ports are learned, as the kernel reports them. Knows the log
//! group and where a report says which port it is about; what a frame tells is left to `learning`.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nftables::nflog::{BindError, Event, Listener, Options, Packet};
use policy::program::Direction;

use crate::lower::LEARN_GROUP;

/// What came from the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// A frame of a port that learns, cut behind what tells something.
    Frame(ReportedFrame),
    /// Reports came faster than they were read: some are missing. Hosts ask and servers answer again.
    Lost,
}

/// A frame and its port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportedFrame {
    /// Interface index of the port.
    pub ifindex: u32,
    pub direction: Direction,
    /// From the Ethernet header on.
    pub bytes: Vec<u8>,
}

/// Reports of one network namespace. There can be one feed at a time.
#[derive(Debug)]
pub struct LearningFeed {
    listener: Listener,
}

/// Unread reports the kernel keeps: some thousand of them, for a learner that is held up.
const RECEIVE_BUFFER: usize = 4 << 20;

impl LearningFeed {
    /// Begins to listen in the calling thread's network namespace.
    ///
    /// # Errors
    /// [`BindError`]: who else listens, or what the kernel lacks.
    pub fn open() -> Result<Self, BindError> {
        let options = Options {
            receive_buffer: RECEIVE_BUFFER,
            ..Options::default()
        };
        let listener = Listener::bind(LEARN_GROUP, &options)?;
        Ok(Self { listener })
    }

    /// The next report; `None` if none came in time.
    ///
    /// # Errors
    /// As recv(2): the feed is at its end then.
    pub fn next_report(&mut self, timeout: Duration) -> io::Result<Option<Report>> {
        Ok(match self.listener.next_event(timeout)? {
            None => None,
            Some(Event::Lost) => Some(Report::Lost),
            // A report without a link header is none of ours.
            Some(Event::Packet(packet)) => reported(&packet).map(Report::Frame),
        })
    }
}

impl AsFd for LearningFeed {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

/// `NF_BR_POST_ROUTING`.
const POSTROUTING: u8 = 4;

fn reported(packet: &Packet) -> Option<ReportedFrame> {
    // With br_netfilter in the kernel the device is the bridge and its port stands beside it;
    // without, the device is the port.
    let (port, device, direction) = if packet.hook == POSTROUTING {
        (packet.output_port, packet.output, Direction::In)
    } else {
        (packet.input_port, packet.input, Direction::Out)
    };
    Some(ReportedFrame {
        ifindex: if port == 0 { device } else { port },
        direction,
        bytes: packet.frame()?,
    })
}
