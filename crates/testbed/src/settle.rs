//! Knowing without sleeping that every frame sent so far was delivered or dropped.
//!
//! A frame that crosses a veth is put into a queue of the CPU that sent it (`netif_rx`, one FIFO per CPU, shared by
//! all namespaces), and a bridge that forwards it through another veth puts it at the end of the same queue. So a
//! sentinel sent later on the same CPU arrives after everything before it has moved one hop further. Sentinels travel
//! in a namespace of their own: they tell nothing of, and depend on nothing in, the switch under test. This holds
//! for veth devices without receive packet steering, which is Linux's default; a switch in user space needs a
//! sentinel along its own path instead.

use crate::kernel::packet::PacketSocket;
use crate::kernel::socket::wait_readable;
use crate::kernel::task::{CpuSet, current_cpu};
use crate::link::{LinkError, Links, VethEnd};
use crate::namespace::{Namespace, NamespaceError};
use std::io;
use std::os::fd::AsFd;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Hops between two raw ports that a settled frame has completed: veth, bridge, uplink veth, bridge, veth are three;
/// a refusal sent back doubles them.
const HOPS: u32 = 8;
/// A sentinel can be lost only when the CPU's queue (1,000 frames) is full; then another is sent.
const SENTINEL_PATIENCE: Duration = Duration::from_millis(10);
/// After this long something is broken.
const GIVE_UP: Duration = Duration::from_secs(10);

/// Why settling was not possible.
#[derive(Debug, thiserror::Error)]
pub enum SettleError {
    /// The namespace for sentinels could not be made.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// The devices for sentinels could not be made.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// A system call failed.
    #[error("cannot send sentinel frames: {0}; run as root")]
    System(#[from] io::Error),
    /// No sentinel came back.
    #[error(
        "no sentinel frame came back within ten seconds: the kernel's receive queue is stuck or overloaded"
    )]
    Lost,
}

/// Keeps the calling thread on the CPU where it is, until dropped; settling is then several times faster.
#[derive(Debug)]
pub struct PinnedThread {
    before: Vec<usize>,
    // Dropping it on another thread would confine that one.
    _stays: std::marker::PhantomData<*const ()>,
}

impl PinnedThread {
    /// Pins the calling thread.
    pub fn here() -> io::Result<Self> {
        let before = CpuSet::of_this_thread()?.numbers();
        CpuSet::only(&[current_cpu()?]).confine_this_thread()?;
        Ok(Self {
            before,
            _stays: std::marker::PhantomData,
        })
    }
}

impl Drop for PinnedThread {
    fn drop(&mut self) {
        // Nothing to do about a CPU that was taken away meanwhile: the kernel picks others itself.
        let _ = CpuSet::only(&self.before).confine_this_thread();
    }
}

/// Sends sentinels.
pub struct Settler {
    path: Mutex<SentinelPath>,
}

struct SentinelPath {
    sender: PacketSocket,
    receiver: PacketSocket,
    number: u64,
}

impl Settler {
    /// Makes the sentinels' own namespace.
    pub fn new() -> Result<Self, SettleError> {
        let namespace = Namespace::new()?;
        let links = Links::open(&namespace)?;
        let end = |name, last| VethEnd {
            namespace: None,
            name,
            mac: [0x02, 0, 0, 0, 0, last],
            upper: None,
        };
        links.add_veths(&[(end("left", 1), end("right", 2))])?;
        let open = |name| -> Result<PacketSocket, SettleError> {
            let index = links.find(name)?.index;
            Ok(namespace.run(|| PacketSocket::open(index, 1 << 20, &[]))?)
        };
        Ok(Self {
            path: Mutex::new(SentinelPath {
                sender: open("left")?,
                receiver: open("right")?,
                number: 0,
            }),
        })
    }

    /// Returns when every frame that the calling thread sent before was delivered or dropped, and so was what the
    /// switch sent in answer. For a thread confined to one CPU (see [`PinnedThread`]) only that CPU's queue is
    /// waited for, for others every CPU's on which the thread may have run.
    pub fn settle(&self) -> Result<(), SettleError> {
        let mut path = match self.path.lock() {
            Ok(path) => path,
            // Another thread panicked between two sentinels; the path itself is always usable.
            Err(poisoned) => poisoned.into_inner(),
        };
        let allowed = CpuSet::of_this_thread()?;
        let numbers = allowed.numbers();
        if numbers.len() == 1 {
            return path.cross();
        }
        let swept = numbers.iter().try_for_each(|&cpu| {
            CpuSet::only(&[cpu]).confine_this_thread()?;
            path.cross()
        });
        allowed.confine_this_thread()?;
        swept
    }
}

impl SentinelPath {
    fn cross(&mut self) -> Result<(), SettleError> {
        (0..HOPS).try_for_each(|_| self.hop())
    }

    fn hop(&mut self) -> Result<(), SettleError> {
        let first = self.number.wrapping_add(1);
        let start = Instant::now();
        while start.elapsed() < GIVE_UP {
            self.number = self.number.wrapping_add(1);
            // An ethertype for local experiments, then the number.
            let mut sentinel = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x88, 0xb5].to_vec();
            sentinel.extend(self.number.to_be_bytes());
            match self.sender.send(&sentinel) {
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {}
                sent => sent?,
            }
            let patience = Instant::now().checked_add(SENTINEL_PATIENCE);
            loop {
                while let Some(frame) = self.receiver.receive_waiting()? {
                    let number = frame.bytes.last_chunk().copied().map(u64::from_be_bytes);
                    if number.is_some_and(|number| number >= first) {
                        return Ok(());
                    }
                }
                let receiver = self.receiver.descriptor().as_fd();
                if !wait_readable(&[receiver], patience)?.contains(&true) {
                    break;
                }
            }
        }
        Err(SettleError::Lost)
    }
}
