//! The socket towards the kernel's links: sends dump requests, hands out received messages.
//! Knows the framing of netlink; what a message says is left to `link`.

use std::io;

use netlink_packet_core::{
    DecodeError, DoneBuffer, ErrorBuffer, NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST,
    NLMSG_DONE, NLMSG_ERROR, NetlinkBuffer, NetlinkMessage,
};
use netlink_packet_route::link::{LinkAttribute, LinkExtentMask, LinkMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use rustix::io::Errno;
use rustix::net::sockopt;

use crate::link::Link;

/// `RTM_NEWLINK` of linux/rtnetlink.h.
pub(crate) const NEW_LINK: u16 = 16;
/// `RTM_DELLINK`.
pub(crate) const DELETE_LINK: u16 = 17;
/// `MSG_TRUNC` of linux/socket.h: `recv` returns the true length of a message that did not fit.
const TRUNCATE: i32 = 0x20;

/// The kernel fills a dump's messages up to the size of the reader's buffer, but never beyond 32 KiB;
/// the rest is room for one link that alone is larger.
const MESSAGE_CAPACITY: usize = 64 * 1024;
/// Room for some ten thousand link notices before the kernel drops one.
const QUEUE_CAPACITY: usize = 16 * 1024 * 1024;
/// Without `CAP_NET_ADMIN` the kernel grants no more than `net.core.rmem_max`; it clamps what is asked.
const MODEST_QUEUE_CAPACITY: usize = 4 * 1024 * 1024;

/// What can go wrong between us and the kernel.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExchangeError {
    #[error(transparent)]
    Socket(#[from] io::Error),
    #[error(transparent)]
    Malformed(#[from] DecodeError),
    /// The kernel answered the request with an error.
    #[error("the kernel refused: {0}")]
    Refused(io::Error),
}

/// How a dump ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DumpEnd {
    /// It shows the links at one moment.
    Consistent,
    /// Links came or went meanwhile (`NLM_F_DUMP_INTR`): some may be missing or shown twice.
    Interrupted,
}

/// A request for all links.
#[derive(Clone, Copy, Debug)]
pub(crate) enum LinkDump {
    /// Every link, without its statistics.
    All,
    /// What each bridge knows of its ports, with their VLANs in ranges.
    BridgeVlans,
}

impl LinkDump {
    fn message(self) -> LinkMessage {
        let (family, mask) = match self {
            Self::All => (AddressFamily::Unspec, LinkExtentMask::SkipStats),
            // In ranges: 4,094 single VLANs would take 32 KiB for each port.
            Self::BridgeVlans => (AddressFamily::Bridge, LinkExtentMask::BrvlanCompressed),
        };
        let mut message = LinkMessage::default();
        message.header.interface_family = family;
        message.attributes = vec![LinkAttribute::ExtMask(vec![mask])];
        message
    }
}

/// How a single link is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum LinkName<'a> {
    Name(&'a str),
    Index(u32),
}

/// A socket for links, and the one buffer that it receives into.
pub(crate) struct LinkSocket {
    socket: Socket,
    buffer: Vec<u8>,
    sequence: u32,
}

impl LinkSocket {
    /// Opens a socket in the calling thread's network namespace, where it stays.
    pub(crate) fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        Ok(Self {
            socket,
            buffer: Vec::with_capacity(MESSAGE_CAPACITY),
            sequence: 0,
        })
    }

    /// Joins a multicast group, with a queue that takes a burst.
    pub(crate) fn subscribe(&mut self, group: u32) -> io::Result<()> {
        if sockopt::set_socket_recv_buffer_size_force(&self.socket, QUEUE_CAPACITY).is_err() {
            sockopt::set_socket_recv_buffer_size(&self.socket, MODEST_QUEUE_CAPACITY)?;
        }
        self.socket.add_membership(group)
    }

    pub(crate) fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Asks for all links and shows every `RTM_NEWLINK` body to `each`.
    pub(crate) fn dump(
        &mut self,
        what: LinkDump,
        mut each: impl FnMut(&[u8]) -> Result<(), DecodeError>,
    ) -> Result<DumpEnd, ExchangeError> {
        let request = RouteNetlinkMessage::GetLink(what.message());
        let sequence = self.send(request, NLM_F_REQUEST | NLM_F_DUMP)?;
        let mut end = DumpEnd::Consistent;
        loop {
            for message in messages(self.receive()?.unwrap_or_default()) {
                let message = message?;
                if message.sequence_number() != sequence {
                    continue; // what an abandoned dump left in the queue
                }
                if message.flags() & NLM_F_DUMP_INTR != 0 {
                    end = DumpEnd::Interrupted;
                }
                match message.message_type() {
                    NEW_LINK => each(message.payload())?,
                    NLMSG_DONE => {
                        // A dump that fails on the way says so only here.
                        let code = DoneBuffer::new_checked(message.payload())?.code();
                        return if code < 0 {
                            Err(refused(code))
                        } else {
                            Ok(end)
                        };
                    }
                    NLMSG_ERROR => {
                        let error = ErrorBuffer::new_checked(message.payload())?;
                        let code = error.code().map_or(0, |code| code.get());
                        return Err(refused(code));
                    }
                    _ => {}
                }
            }
        }
    }

    /// Asks for one link, by name or by index. `None`: there is no such link.
    pub(crate) fn find(&mut self, which: &LinkName) -> Result<Option<Link>, ExchangeError> {
        let mut message = LinkMessage::default();
        message.attributes = vec![LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats])];
        match which {
            LinkName::Name(name) => message
                .attributes
                .push(LinkAttribute::IfName((*name).to_owned())),
            LinkName::Index(ifindex) => message.header.index = *ifindex,
        }
        let sequence = self.send(RouteNetlinkMessage::GetLink(message), NLM_F_REQUEST)?;
        loop {
            for message in messages(self.receive()?.unwrap_or_default()) {
                let message = message?;
                if message.sequence_number() != sequence {
                    continue;
                }
                match message.message_type() {
                    NEW_LINK => return Ok(Some(Link::parse(message.payload())?)),
                    NLMSG_ERROR => {
                        let error = ErrorBuffer::new_checked(message.payload())?;
                        let code = error.code().map_or(0, |code| code.get());
                        return match refused(code) {
                            ExchangeError::Refused(error) if is_absence(&error) => Ok(None),
                            error => Err(error),
                        };
                    }
                    _ => {}
                }
            }
        }
    }

    /// Asks for a change of a link, and waits until it is done.
    pub(crate) fn change(&mut self, change: RouteNetlinkMessage) -> Result<(), ExchangeError> {
        let sequence = self.send(change, NLM_F_REQUEST | NLM_F_ACK)?;
        loop {
            for message in messages(self.receive()?.unwrap_or_default()) {
                let message = message?;
                if message.sequence_number() != sequence || message.message_type() != NLMSG_ERROR {
                    continue;
                }
                let error = ErrorBuffer::new_checked(message.payload())?;
                return match error.code() {
                    // No error: it is done.
                    None => Ok(()),
                    Some(code) => Err(refused(code.get())),
                };
            }
        }
    }

    /// Sends a request; gives the number that its answers bear.
    fn send(&mut self, request: RouteNetlinkMessage, flags: u16) -> io::Result<u32> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut request = NetlinkMessage::from(request);
        request.header.flags = flags;
        request.header.sequence_number = self.sequence;
        request.finalize();
        let mut bytes = vec![0; request.buffer_len()];
        request.serialize(&mut bytes);
        self.socket.send_to(&bytes, &SocketAddr::new(0, 0), 0)?;
        Ok(self.sequence)
    }

    /// Waits for one datagram from the kernel; it may hold several messages. `None` where it came from
    /// another process: those may send to our port too, and only port 0 is the kernel.
    pub(crate) fn receive(&mut self) -> io::Result<Option<&[u8]>> {
        self.buffer.clear();
        let (length, sender) = loop {
            match self.socket.recv_from(&mut self.buffer, TRUNCATE) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        if sender.port_number() != 0 {
            return Ok(None);
        }
        if length > self.buffer.len() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!(
                    "a link message of {length} bytes, more than the {MESSAGE_CAPACITY} expected"
                ),
            ));
        }
        Ok(Some(&self.buffer))
    }
}

/// `ENODEV` for a name or an index that no link has; a name that no link can have is `ERANGE`.
fn is_absence(error: &io::Error) -> bool {
    let number = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(number, Some(Errno::NODEV | Errno::RANGE))
}

fn refused(code: i32) -> ExchangeError {
    ExchangeError::Refused(io::Error::from_raw_os_error(code.saturating_neg()))
}

/// The messages of a datagram, each checked to lie within it.
pub(crate) fn messages(
    mut datagram: &[u8],
) -> impl Iterator<Item = Result<NetlinkBuffer<&[u8]>, DecodeError>> {
    std::iter::from_fn(move || {
        if datagram.is_empty() {
            return None;
        }
        let message = NetlinkBuffer::new_checked(datagram);
        let length = message.as_ref().map_or(datagram.len(), |message| {
            (message.length() as usize).next_multiple_of(4)
        });
        datagram = datagram.get(length..).unwrap_or_default();
        Some(message)
    })
}
