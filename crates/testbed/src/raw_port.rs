//! The virtual machine's end of a port as a wire: frames in and out, byte for byte, and exact counts.
//! Leaves to [`crate::settle`] how to know that everything sent has arrived.

use crate::forged::Kind;
use crate::kernel::packet::{PacketSocket, ReceivedFrame};
use crate::kernel::socket::{deadline_after, wait_readable};
use crate::marked_frame::MAGIC;
use crate::namespace::Namespace;
use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

/// Room for about 30,000 small frames per port before the kernel drops any.
const RECEIVE_BUFFER: i32 = 32 << 20;

/// Why a port could not be used.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// No socket on that device.
    #[error(
        "cannot open a packet socket on {device}: {source}; run as root, and name a device that exists"
    )]
    Open {
        /// The device.
        device: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// A frame was refused.
    #[error(
        "{device} refused a frame of {length} bytes: {source}; the limits are 14 bytes and the device's MTU"
    )]
    Send {
        /// The device.
        device: String,
        /// Length of the frame in bytes.
        length: usize,
        /// What the kernel said.
        source: io::Error,
    },
    /// The socket broke.
    #[error("cannot receive on {device}: {source}")]
    Receive {
        /// The device.
        device: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// The test read too late and lost frames.
    #[error("{device} lost {lost} frames because nobody read them; drain the port more often")]
    Overrun {
        /// The device.
        device: String,
        /// Frames lost since the last read.
        lost: u64,
    },
}

/// A raw socket on one device, which sees every frame that arrives there and none that it sends itself.
pub struct RawPort {
    device: String,
    socket: PacketSocket,
}

impl RawPort {
    /// Opens one on `device`, whose index is `index`, in `namespace`.
    pub fn open(namespace: &Namespace, device: &str, index: u32) -> Result<Self, PortError> {
        let socket = open(namespace, device, index, RECEIVE_BUFFER, &[])?;
        let device = device.to_owned();
        Ok(Self { device, socket })
    }

    /// Sends one frame exactly as given, VLAN tags included.
    pub fn send(&self, frame: &[u8]) -> Result<(), PortError> {
        self.socket
            .send(frame)
            .map_err(|source| self.send_error(frame.len(), source))
    }

    /// Sends frames in order with few system calls and returns how many were sent: fewer than given when the
    /// device refused one for want of memory, an error when it refused the first.
    pub fn send_batch(&self, frames: &[&[u8]]) -> Result<usize, PortError> {
        let length = frames.first().map_or(0, |frame| frame.len());
        self.socket
            .send_batch(frames)
            .map_err(|source| self.send_error(length, source))
    }

    /// The next frame, waiting for at most `timeout`.
    pub fn receive(&mut self, timeout: Duration) -> Result<Option<Vec<u8>>, PortError> {
        let deadline = deadline_after(timeout);
        loop {
            if let Some(frame) = receive(&mut self.socket, &self.device)? {
                return Ok(Some(frame.bytes));
            }
            let ready = wait_readable(&[self.socket.descriptor().as_fd()], Some(deadline))
                .map_err(|source| receive_error(&self.device, source))?;
            if !ready.contains(&true) {
                return Ok(None);
            }
        }
    }

    /// Every frame that has arrived and was not read yet, without waiting; an error if any was lost.
    pub fn drain(&mut self) -> Result<Vec<Vec<u8>>, PortError> {
        let mut frames = Vec::new();
        while let Some(frame) = receive(&mut self.socket, &self.device)? {
            frames.push(frame.bytes);
        }
        overrun(&self.socket, &self.device)?;
        Ok(frames)
    }

    /// The device's name.
    pub fn device(&self) -> &str {
        &self.device
    }

    fn send_error(&self, length: usize, source: io::Error) -> PortError {
        PortError::Send {
            device: self.device.clone(),
            length,
            source,
        }
    }
}

/// A frame and where it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// Index of the device, in the listener's namespace.
    pub index: u32,
    /// The frame as it was on the wire.
    pub frame: Vec<u8>,
}

/// One socket that hears every device of a namespace: cheaper than a thousand ports when a test asks who received
/// a frame.
pub struct Listener {
    socket: PacketSocket,
}

impl Listener {
    /// Opens one in `namespace`, for devices that exist and those to come.
    pub fn open(namespace: &Namespace) -> Result<Self, PortError> {
        let socket = open(namespace, "all devices", 0, RECEIVE_BUFFER, &[])?;
        Ok(Self { socket })
    }

    /// Every frame that has arrived anywhere and was not read yet, without waiting.
    pub fn drain(&mut self) -> Result<Vec<Heard>, PortError> {
        let mut heard = Vec::new();
        while let Some(frame) = receive(&mut self.socket, "all devices")? {
            heard.push(Heard {
                index: frame.interface,
                frame: frame.bytes,
            });
        }
        overrun(&self.socket, "all devices")?;
        Ok(heard)
    }
}

/// Counts marked frames that arrive at a device, inside the kernel: exact under any load, nothing to drain.
pub struct MarkerCounter {
    device: String,
    socket: PacketSocket,
    total: u64,
}

impl MarkerCounter {
    /// Counts frames with this `marker`, or with any for `None`, that arrive at `device` from now on; an index
    /// of 0 means all devices of the namespace.
    pub fn open(
        namespace: &Namespace,
        device: &str,
        index: u32,
        marker: Option<u32>,
    ) -> Result<Self, PortError> {
        Self::with(namespace, device, index, &marker_filter(marker))
    }

    /// Counts frames of these kinds, whatever their numbers, that arrive at `device` from now on; at a tap, that is
    /// what its guest sends, whether or not the switch then carries it.
    pub fn of_kinds(
        namespace: &Namespace,
        device: &str,
        index: u32,
        kinds: &[Kind],
    ) -> Result<Self, PortError> {
        Self::with(namespace, device, index, &kinds_filter(kinds))
    }

    fn with(
        namespace: &Namespace,
        device: &str,
        index: u32,
        filter: &[libc::sock_filter],
    ) -> Result<Self, PortError> {
        // The smallest buffer: a frame that finds it full still counts (packet_rcv, drop_n_acct).
        let socket = open(namespace, device, index, 0, filter)?;
        Ok(Self {
            device: device.to_owned(),
            socket,
            total: 0,
        })
    }

    /// How many have arrived since the counter was opened.
    pub fn count(&mut self) -> Result<u64, PortError> {
        let (matched, _) = self
            .socket
            .take_counts()
            .map_err(|source| receive_error(&self.device, source))?;
        self.total = self.total.saturating_add(matched);
        Ok(self.total)
    }
}

fn open(
    namespace: &Namespace,
    device: &str,
    index: u32,
    receive_buffer: i32,
    filter: &[libc::sock_filter],
) -> Result<PacketSocket, PortError> {
    namespace
        .run(|| PacketSocket::open(index, receive_buffer, filter))
        .map_err(|source| PortError::Open {
            device: device.to_owned(),
            source,
        })
}

fn receive(socket: &mut PacketSocket, device: &str) -> Result<Option<ReceivedFrame>, PortError> {
    socket
        .receive_waiting()
        .map_err(|source| receive_error(device, source))
}

fn receive_error(device: &str, source: io::Error) -> PortError {
    PortError::Receive {
        device: device.to_owned(),
        source,
    }
}

fn overrun(socket: &PacketSocket, device: &str) -> Result<(), PortError> {
    match socket.take_counts() {
        Ok((_, 0)) => Ok(()),
        Ok((_, lost)) => Err(PortError::Overrun {
            device: device.to_owned(),
            lost,
        }),
        Err(source) => Err(receive_error(device, source)),
    }
}

/// A classic BPF program that passes frames whose last eight bytes are the magic and the marker.
fn marker_filter(marker: Option<u32>) -> Vec<libc::sock_filter> {
    marker.map_or_else(
        || marked_filter(libc::BPF_W, &[]),
        |marker| marked_filter(libc::BPF_W, &[marker]),
    )
}

/// The same for markers whose first byte is that of a kind.
fn kinds_filter(kinds: &[Kind]) -> Vec<libc::sock_filter> {
    let numbers: Vec<u32> = kinds.iter().map(|kind| kind.number().into()).collect();
    marked_filter(libc::BPF_B, &numbers)
}

/// Passes frames that end in the magic and a marker whose first byte or whole word is one of `wanted`, or any for none.
fn marked_filter(size: u32, wanted: &[u32]) -> Vec<libc::sock_filter> {
    let step = |code: u32, jump_true: usize, jump_false: usize, k| libc::sock_filter {
        code: code as u16,
        // Jumps reach 255 steps, and there are fewer kinds.
        jt: u8::try_from(jump_true).unwrap_or(u8::MAX),
        jf: u8::try_from(jump_false).unwrap_or(u8::MAX),
        k,
    };
    let load_relative = libc::BPF_LD | libc::BPF_IND;
    let equal = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    // After the magic: nothing, or a load and a comparison for each; then the step that passes, then the one that drops.
    let comparisons = if wanted.is_empty() {
        0
    } else {
        wanted.len().saturating_add(1)
    };
    let mut program = vec![
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_LEN, 0, 0, 0),
        step(libc::BPF_ALU | libc::BPF_SUB | libc::BPF_K, 0, 0, 8),
        step(libc::BPF_MISC | libc::BPF_TAX, 0, 0, 0),
        step(load_relative | libc::BPF_W, 0, 0, 0),
        step(
            equal,
            0,
            comparisons.saturating_add(1),
            u32::from_be_bytes(MAGIC),
        ),
    ];
    if !wanted.is_empty() {
        program.push(step(load_relative | size, 0, 0, 4));
    }
    for (place, &value) in wanted.iter().enumerate() {
        let left = wanted.len().saturating_sub(place).saturating_sub(1);
        let last = usize::from(left == 0);
        program.push(step(equal, left, last, value));
    }
    program.push(step(libc::BPF_RET | libc::BPF_K, 0, 0, 1));
    program.push(step(libc::BPF_RET | libc::BPF_K, 0, 0, 0));
    program
}
