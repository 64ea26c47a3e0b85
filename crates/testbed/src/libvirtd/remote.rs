//! A guest that does what it is told over a channel of virtio-serial: has addresses, asks, sends and hears frames. Knows the
//! orders of `guest-program obey`; leaves what to ask and send to its user.
//!
//! A frame's way is followed from both ends, so that nobody sleeps: one that a guest has sent is on its bridge when the
//! host has seen it at the guest's tap, and everything that a tap had for its guest has reached it when the guest has
//! heard the numbered frame that the host put into the tap last.

use super::{Libvirtd, domain};
use crate::guest::GuestSpec;
use crate::kernel::socket::deadline_after;
use crate::machine::MachineAddress;
use crate::raw_port::{PortError, RawPort};
use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long a guest may take to boot and answer; four of them on a busy machine take half a minute.
const BOOT: Duration = Duration::from_secs(90);
/// How long an order may take, beside the time that it is given itself.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often a guest that may not listen yet is spoken to.
const SPEAK_AGAIN: Duration = Duration::from_millis(250);
/// A frame has this long from a guest's socket to its tap.
const ON_ITS_WAY: Duration = Duration::from_secs(10);

/// Why a guest did not do what it was told.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// Its line could not be used.
    #[error("cannot talk to the guest {guest}: {source}")]
    Line {
        /// The guest.
        guest: String,
        /// What the system said.
        source: io::Error,
    },
    /// It did not answer in time.
    #[error("the guest {guest} has not answered \"{order}\" within {patience:?}")]
    Silent {
        /// The guest.
        guest: String,
        /// The order's first word.
        order: String,
        /// How long it had.
        patience: Duration,
    },
    /// It could not do it.
    #[error("the guest {guest} could not do \"{order}\": {message}")]
    Failed {
        /// The guest.
        guest: String,
        /// The order's first word.
        order: String,
        /// What it said.
        message: String,
    },
    /// Its tap could not be watched.
    #[error(transparent)]
    Tap(#[from] PortError),
    /// A frame that it was told to send never came to its tap.
    #[error("a frame that the guest {0} was told to send did not leave it within {ON_ITS_WAY:?}")]
    Lost(String),
}

/// One question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// An echo request.
    Ping(IpAddr),
    /// A TCP connection.
    Tcp(SocketAddr),
}

/// A guest that listens to orders.
pub struct Remote {
    guest: String,
    line: BufReader<UnixStream>,
    number: u64,
}

impl GuestSpec {
    /// A guest for [`Libvirtd::remote`]: it has no addresses until it is told, sends nothing of its own but what belongs
    /// to IPv6 link-local addresses, and echoes TCP connections to `ports`.
    pub fn obeying(ports: &[u16]) -> Self {
        let mut answering = String::new();
        for port in ports {
            // Writing to a string cannot fail.
            let _ = write!(answering, " {port}");
        }
        // As namespaces are made quiet: see the module of the same name.
        let script = format!(
            "for scope in all default eth0; do
    cd /proc/sys/net/ipv6/conf/$scope
    for name in accept_dad dad_transmits accept_ra autoconf router_solicitations; do echo 0 >$name; done
done
echo '0 0' >/proc/sys/net/ipv4/ping_group_range
ip link set eth0 up
# The device tells of its ports when its driver has asked.
until line=$(ls {line}); do usleep 20000; done 2>/dev/null
exec guest-program obey $line{answering}",
            line = domain::CONTROL_DEVICE,
        );
        Self {
            optional_modules: ["virtio_pci", "virtio_console", "virtio_net"]
                .map(str::to_owned)
                .to_vec(),
            command: ["sh", "-c", &script].map(str::to_owned).to_vec(),
            ..Self::network(&[])
        }
    }
}

impl Libvirtd {
    /// Waits until a running guest that was made with [`GuestSpec::obeying`] and [`super::Domain::control`] listens.
    pub fn remote(&self, name: &str) -> Result<Remote, RemoteError> {
        let failed = |source| RemoteError::Line {
            guest: name.to_owned(),
            source,
        };
        let stream = connect(&self.path(&domain::control_path(name))).map_err(failed)?;
        stream.set_read_timeout(Some(SPEAK_AGAIN)).map_err(failed)?;
        let mut remote = Remote {
            guest: name.to_owned(),
            line: BufReader::new(stream),
            number: 0,
        };
        let deadline = deadline_after(BOOT);
        while Instant::now() < deadline {
            match remote.try_order("hello", SPEAK_AGAIN) {
                Err(RemoteError::Silent { .. }) => {}
                answered => return answered.map(|_| remote),
            }
        }
        Err(remote.silent("hello", BOOT))
    }
}

/// libvirt has made the socket before it says that the guest runs, but QEMU may need a moment to accept.
fn connect(path: &Path) -> io::Result<UnixStream> {
    let deadline = deadline_after(PATIENCE);
    loop {
        match UnixStream::connect(path) {
            Err(_) if Instant::now() < deadline => std::thread::sleep(super::LOOK_AGAIN),
            connected => return connected,
        }
    }
}

impl Remote {
    /// Gives it addresses.
    pub fn add_addresses(&mut self, addresses: &[MachineAddress]) -> Result<(), RemoteError> {
        let mut order = "addresses".to_owned();
        for (address, length) in addresses {
            // Writing to a string cannot fail.
            let _ = write!(order, " {address}/{length}");
        }
        self.try_order(&order, PATIENCE).map(drop)
    }

    /// Asks everything at once and waits at most `patience` for each answer: whether there was one, in order.
    pub fn ask(
        &mut self,
        questions: &[Question],
        patience: Duration,
    ) -> Result<Vec<bool>, RemoteError> {
        if questions.is_empty() {
            return Ok(Vec::new());
        }
        let mut order = format!("ask {}", patience.as_millis());
        for question in questions {
            let _ = match question {
                Question::Ping(address) => write!(order, " ping={address}"),
                Question::Tcp(address) => write!(order, " tcp={address}"),
            };
        }
        let answers = self.try_order(&order, patience.saturating_add(PATIENCE))?;
        let answers: Vec<bool> = answers.chars().map(|answer| answer == '1').collect();
        if answers.len() == questions.len() {
            return Ok(answers);
        }
        Err(self.misunderstood("ask", "there are more questions than answers"))
    }

    /// Begins to hear everything that arrives, also what is meant for others.
    pub fn listen(&mut self) -> Result<(), RemoteError> {
        self.try_order("listen", PATIENCE).map(drop)
    }

    /// Sends frames; when it returns, the host has seen them arrive at the guest's `tap`, where nothing else may read.
    pub fn send(&mut self, frames: &[Vec<u8>], tap: &mut RawPort) -> Result<(), RemoteError> {
        let mut order = "send".to_owned();
        for frame in frames {
            order.push(' ');
            frame.iter().for_each(|byte| {
                let _ = write!(order, "{byte:02x}");
            });
        }
        tap.drain()?;
        self.try_order(&order, PATIENCE)?;
        let mut missing: Vec<&Vec<u8>> = frames.iter().collect();
        let deadline = deadline_after(ON_ITS_WAY);
        while !missing.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            let Some(seen) = tap.receive(left)? else {
                return Err(RemoteError::Lost(self.guest.clone()));
            };
            if let Some(place) = missing.iter().position(|frame| **frame == seen) {
                missing.remove(place);
            }
        }
        Ok(())
    }

    /// Everything that has come through `tap` since it was told to listen, or since the last time.
    pub fn hear(&mut self, tap: &RawPort) -> Result<Vec<Vec<u8>>, RemoteError> {
        let number = self.number.wrapping_add(1);
        let mut mark = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x88, 0xb5].to_vec();
        mark.extend(number.to_be_bytes());
        // As long as Ethernet's shortest.
        mark.resize(60, 0);
        tap.send(&mark)?;
        let said = self.try_order(&format!("hear {number}"), PATIENCE)?;
        let frames = said.split_whitespace().map(bytes_of);
        let frames: Option<Vec<Vec<u8>>> = frames.collect();
        frames.ok_or_else(|| self.misunderstood("hear", "a frame is not hexadecimal"))
    }

    fn try_order(&mut self, order: &str, patience: Duration) -> Result<String, RemoteError> {
        self.number = self.number.wrapping_add(1);
        let text = format!("{} {order}\n", self.number);
        let sent = self.line.get_mut().write_all(text.as_bytes());
        sent.map_err(|source| self.broken(source))?;
        let word = order.split_whitespace().next().unwrap_or_default();
        let deadline = deadline_after(patience);
        let mut read = Vec::new();
        while Instant::now() < deadline {
            match self.line.read_until(b'\n', &mut read) {
                Ok(0) => return Err(self.broken(io::ErrorKind::UnexpectedEof.into())),
                Ok(_) => {}
                // What was read stays in `read`.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(error) => return Err(self.broken(error)),
            }
            let said = String::from_utf8_lossy(&read).into_owned();
            read.clear();
            let mut words = said.trim().splitn(3, ' ');
            // Other numbers answer what was given up.
            if words.next() != Some(self.number.to_string().as_str()) {
                continue;
            }
            let (result, rest) = (words.next(), words.next().unwrap_or_default());
            match result {
                Some("ok") => return Ok(rest.to_owned()),
                Some("failed") => return Err(self.misunderstood(word, rest)),
                _ => {}
            }
        }
        Err(self.silent(word, patience))
    }

    fn broken(&self, source: io::Error) -> RemoteError {
        RemoteError::Line {
            guest: self.guest.clone(),
            source,
        }
    }

    fn silent(&self, order: &str, patience: Duration) -> RemoteError {
        RemoteError::Silent {
            guest: self.guest.clone(),
            order: order.to_owned(),
            patience,
        }
    }

    fn misunderstood(&self, order: &str, message: &str) -> RemoteError {
        RemoteError::Failed {
            guest: self.guest.clone(),
            order: order.to_owned(),
            message: message.to_owned(),
        }
    }
}

fn bytes_of(text: &str) -> Option<Vec<u8>> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
        return None;
    };
    let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    pairs.iter().map(byte).collect()
}
