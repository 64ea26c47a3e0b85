//! Packets that rules log to a netlink group: binds a group and reads what comes. Knows nothing of who logged.

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, SystemTime};

use crate::message::{ACKNOWLEDGE, Answer, ERROR, REQUEST, SUBSYSTEM_LOG};
use crate::socket::{Socket, Wait};
use crate::wire::{
    Attributes, Message, MessageHeader, Messages, Writer, known_fields, read_name, read_u16,
    read_u32, read_u64,
};

const PACKET: u16 = SUBSYSTEM_LOG << 8;
const CONFIGURE: u16 = SUBSYSTEM_LOG << 8 | 1;
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// How packets are to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Options {
    /// Bytes of each packet to copy, from the network header on; 0 for all. A rule's own length goes before this.
    pub copy_length: u32,
    /// Packets the kernel gathers before it sends them; `None` for 1, so that none waits.
    pub queue_threshold: Option<u32>,
    /// How long the kernel gathers at most, rounded to 10 ms; `None` for 1 second.
    pub flush_timeout: Option<Duration>,
    /// Bytes the kernel keeps for gathering, at most 131,072; `None` for a page or two.
    pub kernel_buffer: Option<u32>,
    /// Bytes of unread packets the socket holds before the kernel drops them.
    pub receive_buffer: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            copy_length: 0,
            queue_threshold: None,
            flush_timeout: None,
            kernel_buffer: None,
            receive_buffer: 2 << 20,
        }
    }
}

/// Listens to one log group of the network namespace it was bound in. Only one process can.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    waiting: VecDeque<Packet>,
}

/// What came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A packet.
    Packet(Packet),
    /// Packets came faster than they were read: some are missing.
    Lost,
}

/// A logged packet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Packet {
    /// Family of the chain that logged it, as the kernel numbers it (7: bridge).
    pub family: u8,
    /// The group.
    pub group: u16,
    /// The log expression's text.
    pub prefix: String,
    /// The hook, as the kernel numbers it: 0 prerouting, 1 input, 2 forward, 3 output, 4 postrouting.
    pub hook: u8,
    /// Ethertype.
    pub protocol: u16,
    /// Index of the device it came in by: in the bridge family the bridge. 0 if it came from this host, and at
    /// the bridge's postrouting hook, which is not told.
    pub input: u32,
    /// Index of the device it goes out by: in the bridge family the bridge, and 0 if that is not decided.
    pub output: u32,
    /// Index of the bridge's port it came in by; 0 outside bridges, and where `input` is 0.
    pub input_port: u32,
    /// Index of the bridge's port it goes out by; 0 if that is not decided.
    pub output_port: u32,
    /// Packet mark.
    pub mark: u32,
    /// When the kernel received it; `None` for most packets that this host sends.
    pub time: Option<SystemTime>,
    /// Source address of its link header.
    pub hardware_address: Vec<u8>,
    /// Link header without an accelerated VLAN tag; empty if it has none.
    pub link_header: Vec<u8>,
    /// VLAN tag that stands beside the packet: ethertype of the tag (0x8100, 0x88a8) and tag control information.
    pub vlan: Option<(u16, u16)>,
    /// The packet from the network header on, cut to the length to copy.
    pub payload: Vec<u8>,
}

impl Packet {
    /// The frame as it stood on the wire: link header with its VLAN tag, and payload. `None` without a link header.
    #[must_use]
    pub fn frame(&self) -> Option<Vec<u8>> {
        const ADDRESSES: usize = 12;
        let (addresses, ether_type) = self.link_header.split_at_checked(ADDRESSES)?;
        let mut frame = addresses.to_vec();
        if let Some((protocol, control)) = self.vlan {
            frame.extend_from_slice(&protocol.to_be_bytes());
            frame.extend_from_slice(&control.to_be_bytes());
        }
        frame.extend_from_slice(ether_type);
        frame.extend_from_slice(&self.payload);
        Some(frame)
    }
}

/// Why a group could not be bound.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another socket listens to it, or this process lacks CAP_NET_ADMIN: the kernel says EPERM for both.
    #[error(
        "log group {0} has a listener already (see /proc/net/netfilter/nfnetlink_log), or this process lacks \
         CAP_NET_ADMIN in this network namespace"
    )]
    Denied(u16),
    /// The kernel does not log to netlink.
    #[error("the kernel does not answer: is nfnetlink_log loaded?")]
    NoAnswer,
    /// The kernel refused.
    #[error("the kernel refused to bind log group {group}: {}", io::Error::from_raw_os_error(*.errno))]
    Refused {
        /// The group.
        group: u16,
        /// The kernel's error number.
        errno: i32,
    },
    /// The socket failed.
    #[error("netlink socket: {0}")]
    Socket(#[from] io::Error),
}

const CONFIGURE_COMMAND: u16 = 1;
const CONFIGURE_MODE: u16 = 2;
const CONFIGURE_BUFFER: u16 = 3;
const CONFIGURE_TIMEOUT: u16 = 4;
const CONFIGURE_THRESHOLD: u16 = 5;
const COMMAND_BIND: u8 = 1;
const MODE_PACKET: u8 = 2;

impl Listener {
    /// Binds the group in the calling thread's network namespace.
    ///
    /// # Errors
    /// See [`BindError`].
    pub fn bind(group: u16, options: &Options) -> Result<Self, BindError> {
        let socket = Socket::open()?;
        socket.reserve_receive(options.receive_buffer);
        let mut listener = Self {
            socket,
            waiting: VecDeque::new(),
        };
        listener.socket.send(&configuration(group, options))?;
        listener.await_answer(group)?;
        Ok(listener)
    }

    fn await_answer(&mut self, group: u16) -> Result<(), BindError> {
        let Some(datagram) = self.socket.receive(Wait::For(ANSWER_TIMEOUT))? else {
            return Err(BindError::NoAnswer);
        };
        // The group is bound before the answer is sent: packets may come before it.
        let mut answer = None;
        for message in Messages::new(datagram) {
            match message.kind {
                ERROR => answer = Answer::read(&message),
                PACKET => self.waiting.extend(read_packet(&message)),
                _ => {}
            }
        }
        match answer.map(|answer| answer.errno) {
            Some(0) => Ok(()),
            Some(libc::EPERM | libc::EBUSY) => Err(BindError::Denied(group)),
            Some(errno) => Err(BindError::Refused { group, errno }),
            None => self.await_answer(group),
        }
    }

    /// The packets in a datagram, whoever it came from: pure, for replay and fuzzing.
    #[must_use]
    pub fn read_datagram(datagram: &[u8]) -> Vec<Packet> {
        Messages::new(datagram)
            .filter(|message| message.kind == PACKET)
            .filter_map(|message| read_packet(&message))
            .collect()
    }

    /// The next packet; `None` if none came in time.
    ///
    /// # Errors
    /// As recv(2), but for overrun, which is [`Event::Lost`].
    pub fn next_event(&mut self, timeout: Duration) -> io::Result<Option<Event>> {
        if let Some(packet) = self.waiting.pop_front() {
            return Ok(Some(Event::Packet(packet)));
        }
        match self.socket.receive(Wait::For(timeout)) {
            Ok(Some(datagram)) => {
                self.waiting.extend(Self::read_datagram(datagram));
                Ok(self.waiting.pop_front().map(Event::Packet))
            }
            Ok(None) => Ok(None),
            Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => Ok(Some(Event::Lost)),
            Err(error) => Err(error),
        }
    }
}

impl std::os::fd::AsFd for Listener {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn configuration(group: u16, options: &Options) -> Vec<u8> {
    let mut writer = Writer::default();
    let header = MessageHeader {
        kind: CONFIGURE,
        flags: REQUEST | ACKNOWLEDGE,
        sequence: 1,
        family: 0,
        resource: group,
    };
    writer.message(header, |writer| {
        writer.u8(CONFIGURE_COMMAND, COMMAND_BIND);
        let [a, b, c, d] = options.copy_length.to_be_bytes();
        writer.attribute(CONFIGURE_MODE, &[a, b, c, d, MODE_PACKET, 0]);
        if let Some(bytes) = options.kernel_buffer {
            writer.u32(CONFIGURE_BUFFER, bytes);
        }
        if let Some(timeout) = options.flush_timeout {
            let hundredths = u32::try_from(timeout.as_millis() / 10).unwrap_or(u32::MAX);
            writer.u32(CONFIGURE_TIMEOUT, hundredths);
        }
        writer.u32(CONFIGURE_THRESHOLD, options.queue_threshold.unwrap_or(1));
    });
    writer.into_bytes()
}

pub(crate) fn read_packet(message: &Message<'_>) -> Option<Packet> {
    let (&[family, _, g0, g1], attributes) = message.payload.split_first_chunk::<4>()?;
    let mut packet = Packet {
        family,
        group: u16::from_be_bytes([g0, g1]),
        ..Packet::default()
    };
    let mut hardware_header = None;
    for attribute in Attributes::new(attributes) {
        let (kind, value) = attribute.ok()?;
        match kind {
            1 => {
                let &[p0, p1, hook, _] = value.first_chunk::<4>()?;
                packet.protocol = u16::from_be_bytes([p0, p1]);
                packet.hook = hook;
            }
            2 => packet.mark = read_u32(value)?,
            3 => packet.time = read_time(value),
            4 => packet.input = read_u32(value)?,
            5 => packet.output = read_u32(value)?,
            6 => packet.input_port = read_u32(value)?,
            7 => packet.output_port = read_u32(value)?,
            8 => packet.hardware_address = read_address(value)?.to_vec(),
            9 => packet.payload = value.to_vec(),
            10 => packet.prefix = read_name(value),
            16 => hardware_header = Some(value),
            20 => packet.vlan = read_vlan(value),
            21 => packet.link_header = value.to_vec(),
            _ => {}
        }
    }
    if packet.link_header.is_empty() {
        packet.link_header = hardware_header.unwrap_or_default().to_vec();
    }
    Some(packet)
}

fn read_time(value: &[u8]) -> Option<SystemTime> {
    let (seconds, microseconds) = value.split_at_checked(8)?;
    let since = Duration::from_secs(read_u64(seconds)?)
        .checked_add(Duration::from_micros(read_u64(microseconds)?))?;
    SystemTime::UNIX_EPOCH.checked_add(since)
}

fn read_address(value: &[u8]) -> Option<&[u8]> {
    let (&[l0, l1, _, _], address) = value.split_first_chunk::<4>()?;
    address.get(..usize::from(u16::from_be_bytes([l0, l1])))
}

fn read_vlan(value: &[u8]) -> Option<(u16, u16)> {
    let [_, protocol, control] = known_fields::<3>(value)?;
    Some((read_u16(protocol?)?, read_u16(control?)?))
}
