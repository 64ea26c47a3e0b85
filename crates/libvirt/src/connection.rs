//! A connection over a Unix socket that blocks. Knows sockets and time-outs; the protocol is the
//! machine's.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use crate::call::{self, Call};
use crate::endpoints::Endpoint;
use crate::event::Event;
use crate::machine::{Arrival, Keepalive, Machine, ProtocolError, Serial, TooLong};
use crate::protocol::FEATURE_KEEPALIVE;
use crate::value::RemoteError;
use crate::xdr::{Decoder, Encoder, XdrError};

/// Events beyond this many that nobody has taken are thrown away, and [`Event::Lost`] says so.
const MOST_EVENTS: usize = 65_536;
/// What `AUTH_LIST` calls no authentication.
const AUTH_NONE: i32 = 0;

/// Whether something may be changed over the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    ReadOnly,
    ReadWrite,
}

/// How long to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For one call, from its sending to its reply.
    pub call: Duration,
    /// For noticing a daemon that hangs between calls.
    pub keepalive: Keepalive,
}

impl Default for Timeouts {
    /// 30 s for a call, since libvirtd answers none while it starts many domains; 5 s × 6 between
    /// calls, as libvirt's own clients have it.
    fn default() -> Self {
        Self {
            call: Duration::from_secs(30),
            keepalive: Keepalive {
                interval: Duration::from_secs(5),
                count: 5,
            },
        }
    }
}

/// Why there is no connection, or no reply. After all but `Refused` and `TooLong` it is of no more
/// use: drop it, open another, and ask for everything again.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    #[error("cannot connect to libvirt at {path}: {error}")]
    Connect {
        path: PathBuf,
        #[source]
        error: io::Error,
    },
    #[error(
        "libvirt wants authentication of kind {0:?} (1 SASL, 2 polkit), and moat offers none: run it as root, or \
             set auth_unix_rw = \"none\" in libvirtd.conf"
    )]
    Authentication(Vec<i32>),
    #[error("the connection to libvirt broke: {0}")]
    Io(#[from] io::Error),
    #[error("libvirt closed the connection")]
    Closed,
    #[error("libvirt did not answer procedure {procedure} within {after:?}")]
    TimedOut { procedure: u32, after: Duration },
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    #[error("libvirt answered procedure {procedure} in a form that is not its own: {error}")]
    Reply {
        procedure: u32,
        #[source]
        error: XdrError,
    },
    #[error(transparent)]
    Refused(#[from] RemoteError),
    #[error(transparent)]
    TooLong(#[from] TooLong),
}

/// An open connection. [`Connection::call`] keeps events that arrive meanwhile for
/// [`Connection::next_event`].
#[derive(Debug)]
pub struct Connection {
    stream: UnixStream,
    machine: Machine,
    timeouts: Timeouts,
    begun: Instant,
    events: VecDeque<Event>,
    replies: Vec<(Serial, Result<Vec<u8>, RemoteError>)>,
    path: PathBuf,
}

impl Connection {
    /// Connects to the first socket of the endpoint that answers, and opens its driver.
    ///
    /// # Errors
    /// No socket that answers (the last one's error), authentication that moat does not offer, or a
    /// refusal of libvirt's.
    pub fn open(
        endpoint: &Endpoint,
        access: Access,
        timeouts: Timeouts,
    ) -> Result<Self, ConnectionError> {
        let mut last = ConnectionError::Connect {
            path: PathBuf::new(),
            error: io::Error::other("no socket is named"),
        };
        for (path, uri) in &endpoint.candidates {
            match connect(path) {
                Ok(stream) => return Self::begin(stream, path, uri, access, timeouts),
                Err(error) => {
                    last = ConnectionError::Connect {
                        path: path.clone(),
                        error,
                    }
                }
            }
        }
        Err(last)
    }

    fn begin(
        stream: UnixStream,
        path: &Path,
        uri: &str,
        access: Access,
        timeouts: Timeouts,
    ) -> Result<Self, ConnectionError> {
        let mut connection = Self {
            stream,
            machine: Machine::new(Duration::ZERO),
            timeouts,
            begun: Instant::now(),
            events: VecDeque::new(),
            replies: Vec::new(),
            path: path.to_owned(),
        };
        // An empty list is none, too.
        let kinds = connection.call(&call::AuthList)?;
        if !kinds.is_empty() && !kinds.contains(&AUTH_NONE) {
            return Err(ConnectionError::Authentication(kinds));
        }
        // Asking for the feature is also what makes the daemon answer pings.
        let feature = call::SupportsFeature {
            feature: FEATURE_KEEPALIVE,
        };
        let open = call::Open {
            uri: uri.to_owned(),
            read_only: access == Access::ReadOnly,
        };
        connection.call(&open)?;
        if connection.call(&feature)? {
            connection
                .machine
                .watch(timeouts.keepalive, connection.begun.elapsed());
        }
        Ok(connection)
    }

    /// The socket that answered.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Calls and waits for the reply.
    ///
    /// # Errors
    /// [`ConnectionError::Refused`] with libvirt's words; anything else ends the connection.
    pub fn call<C: Call>(&mut self, call: &C) -> Result<C::Reply, ConnectionError> {
        let procedure = C::PROCEDURE;
        let mut encoder = Encoder::default();
        call.encode(&mut encoder);
        let serial = self.machine.call(procedure, &encoder.into_bytes())?;
        let until = self.begun.elapsed().saturating_add(self.timeouts.call);
        let payload = loop {
            if let Some(at) = self.replies.iter().position(|(of, _)| *of == serial) {
                break self.replies.swap_remove(at).1?;
            }
            if self.begun.elapsed() >= until {
                return Err(ConnectionError::TimedOut {
                    procedure,
                    after: self.timeouts.call,
                });
            }
            self.step(until)?;
        };
        let mut decoder = Decoder::new(&payload);
        let reply = C::decode(&mut decoder).and_then(|reply| decoder.end().map(|()| reply));
        reply.map_err(|error| ConnectionError::Reply { procedure, error })
    }

    /// The next event, waiting for it no longer than `timeout`; `None` where none came.
    ///
    /// # Errors
    /// The end of the connection.
    pub fn next_event(&mut self, timeout: Duration) -> Result<Option<Event>, ConnectionError> {
        let until = self.begun.elapsed().saturating_add(timeout);
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(Some(event));
            }
            if !self.step(until)? {
                return Ok(None);
            }
        }
    }

    /// Sends what is to be sent and reads once, or until there is something to do; `false` where
    /// nothing came and the time is over.
    fn step(&mut self, until: Duration) -> Result<bool, ConnectionError> {
        let now = self.begun.elapsed();
        self.machine.tick(now)?;
        let outgoing = self.machine.take_outgoing();
        if !outgoing.is_empty() {
            self.stream.set_write_timeout(Some(self.timeouts.call))?;
            self.stream.write_all(&outgoing)?;
        }
        let wake = self.machine.wake_at().map_or(until, |wake| wake.min(until));
        // A time-out of zero would be none at all.
        let wait = wake.saturating_sub(now).max(Duration::from_millis(1));
        self.stream.set_read_timeout(Some(wait))?;
        let mut buffer = [0; 65_536];
        match self.stream.read(&mut buffer) {
            Ok(0) => Err(ConnectionError::Closed),
            Ok(length) => {
                let bytes = buffer.get(..length).unwrap_or(&[]);
                for arrival in self.machine.receive(bytes, self.begun.elapsed())? {
                    self.arrived(arrival);
                }
                Ok(true)
            }
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock
                | io::ErrorKind::TimedOut
                | io::ErrorKind::Interrupted => Ok(self.begun.elapsed() < until),
                _ => Err(error.into()),
            },
        }
    }

    fn arrived(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::Reply { serial, result } => self.replies.push((serial, result)),
            Arrival::Event(event) if self.events.len() < MOST_EVENTS => {
                self.events.push_back(event)
            }
            Arrival::Event(_) => {
                self.events.clear();
                self.events.push_back(Event::Lost);
            }
        }
    }
}

impl AsFd for Connection {
    /// For waiting on several connections at once; [`Connection::next_event`] with no time then
    /// takes what is there.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// Without waiting: a daemon that hangs with its queue full would hold a blocking connect for ever,
/// where this gives `EAGAIN`.
fn connect(path: &Path) -> io::Result<UnixStream> {
    let address = SocketAddrUnix::new(path)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::net::connect(&socket, &address)?;
    let stream = UnixStream::from(socket);
    stream.set_nonblocking(false)?;
    Ok(stream)
}
