//! One connection: being made, secured, used and ended, in turns that never wait.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use openssl::ssl::{ErrorCode, SslStream};

use crate::resolve::Resolution;
use crate::socket::Socket;
use crate::target::{Network, Target};
use crate::tls::{PeerIdentity, Tls, handshake_failure};
use crate::wait::Interest;

/// More than so many bytes are not kept for a peer that does not read.
pub const MOST_OUTGOING_BYTES: usize = 64 << 20;
/// One turn reads and writes at most so much, so that no peer takes all the time.
const TURN_BYTES: usize = 256 << 10;
const READ_BYTES: usize = 32 << 10;

/// A connection.
#[derive(Debug)]
pub struct Channel {
    /// For messages: the target, or who connected.
    peer: String,
    state: State,
    /// When a connection that is not open yet is given up.
    deadline: Duration,
    outgoing: Vec<u8>,
    /// How much of it the system has taken.
    sent: usize,
}

#[derive(Debug)]
enum State {
    Resolving {
        resolution: Resolution,
        network: Network,
        tls: Option<Tls>,
    },
    Connecting {
        socket: Socket,
        /// When the next address is tried.
        until: Duration,
        others: VecDeque<SocketAddr>,
        tls: Option<Tls>,
    },
    Securing {
        stream: Box<SslStream<Socket>>,
        server: bool,
        writing: bool,
    },
    Open(Stream),
    Over,
}

#[derive(Debug)]
enum Stream {
    Plain(Socket),
    Secure(Box<SslStream<Socket>>),
}

/// Why a connection was not made, or ended. It is of no more use.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    #[error("cannot connect to {peer}: {error}")]
    Connect {
        peer: String,
        #[source]
        error: io::Error,
    },
    #[error(
        "{0} is to be spoken to by TLS, and there are no certificates for that: see 'moat tls --help'"
    )]
    NoTls(String),
    #[error("TLS with {peer} failed: {reason}")]
    Handshake { peer: String, reason: String },
    #[error("{0} did not answer in time")]
    Late(String),
    #[error("{0} closed the connection")]
    Closed(String),
    #[error("the connection to {peer} broke: {error}")]
    Broken {
        peer: String,
        #[source]
        error: io::Error,
    },
    #[error(
        "{bytes} bytes wait for {peer}, which does not read; at most {MOST_OUTGOING_BYTES} are kept"
    )]
    Backlog { peer: String, bytes: usize },
}

/// What a turn did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    /// The connection became open.
    pub opened: bool,
    /// There is more to do at once: turn again without waiting, after others had theirs.
    pub more: bool,
}

impl Channel {
    /// Begins a connection, which must be open within `setup`. With a name instead of an address the
    /// resolver is asked beside.
    ///
    /// # Errors
    /// Targets that cannot be tried at all.
    pub fn connect(
        target: &Target,
        tls: Option<&Tls>,
        now: Duration,
        setup: Duration,
    ) -> Result<Self, ChannelError> {
        let peer = target.to_string();
        let failed = |error| ChannelError::Connect {
            peer: peer.clone(),
            error,
        };
        let mut made = Self {
            state: State::Over,
            deadline: now.saturating_add(setup),
            outgoing: Vec::new(),
            sent: 0,
            peer: peer.clone(),
        };
        made.state = match target {
            Target::Unix(path) => State::Open(Stream::Plain(Socket::unix(path).map_err(failed)?)),
            Target::Network {
                network,
                host,
                port,
            } => {
                let tls = tls.filter(|_| *network == Network::Tls).cloned();
                if *network == Network::Tls && tls.is_none() {
                    return Err(ChannelError::NoTls(peer));
                }
                match Resolution::begin(host, *port).map_err(failed)? {
                    Ok(address) => made.try_next(VecDeque::from([address]), tls, now)?,
                    Err(resolution) => State::Resolving {
                        resolution,
                        network: *network,
                        tls,
                    },
                }
            }
        };
        Ok(made)
    }

    /// One that somebody else began.
    pub(crate) fn accepted(
        socket: Socket,
        peer: String,
        tls: Option<&Tls>,
        now: Duration,
        setup: Duration,
    ) -> Result<Self, ChannelError> {
        let state = match tls {
            None => State::Open(Stream::Plain(socket)),
            Some(tls) => secure(socket, tls, true, &peer)?,
        };
        Ok(Self {
            peer,
            state,
            deadline: now.saturating_add(setup),
            outgoing: Vec::new(),
            sent: 0,
        })
    }

    /// Queues bytes; turns send them.
    ///
    /// # Errors
    /// The peer does not read, and enough waits for it already.
    pub fn send(&mut self, bytes: &[u8]) -> Result<(), ChannelError> {
        let waiting = self.waiting().saturating_add(bytes.len());
        if waiting > MOST_OUTGOING_BYTES {
            return Err(ChannelError::Backlog {
                peer: self.peer.clone(),
                bytes: waiting,
            });
        }
        self.outgoing.extend_from_slice(bytes);
        Ok(())
    }

    /// Bytes that are queued and not sent.
    pub fn waiting(&self) -> usize {
        self.outgoing.len().saturating_sub(self.sent)
    }

    /// Goes on with whatever is possible without waiting. What arrives is added to `received`, 256 KiB
    /// at most.
    ///
    /// # Errors
    /// The connection has ended or was never made. What arrived before was given out by earlier turns.
    pub fn turn(&mut self, now: Duration, received: &mut Vec<u8>) -> Result<Turn, ChannelError> {
        let mut turn = Turn::default();
        if !self.is_open() {
            if let Err(error) = self.advance(now) {
                self.state = State::Over;
                return Err(error);
            }
            if !self.is_open() {
                if now >= self.deadline {
                    self.state = State::Over;
                    return Err(ChannelError::Late(self.peer.clone()));
                }
                return Ok(turn);
            }
        }
        if self.deadline != Duration::MAX {
            self.deadline = Duration::MAX;
            turn.opened = true;
        }
        let begin = received.len();
        let read = self.read(received);
        let arrived = received.len() > begin;
        match read.and_then(|more| Ok(more | self.write()?)) {
            Ok(more) => turn.more = more,
            // What came before the end is given out first.
            Err(_) if arrived => turn.more = true,
            Err(error) => {
                self.state = State::Over;
                return Err(error);
            }
        }
        Ok(turn)
    }

    /// What to wait for before the next turn; `None`: for nothing but the time.
    pub fn interest(&self) -> Option<Interest<'_>> {
        let (socket, read, write): (BorrowedFd<'_>, bool, bool) = match &self.state {
            State::Resolving { resolution, .. } => (resolution.as_fd(), true, false),
            State::Connecting { socket, .. } => (socket.as_fd(), false, true),
            State::Securing {
                stream, writing, ..
            } => (stream.get_ref().as_fd(), !writing, *writing),
            State::Open(stream) => (stream.socket().as_fd(), true, self.waiting() > 0),
            State::Over => return None,
        };
        Some(Interest {
            socket,
            read,
            write,
        })
    }

    /// When a turn is needed although the socket is not ready.
    pub fn wake_at(&self) -> Option<Duration> {
        match &self.state {
            State::Connecting { until, .. } => Some(self.deadline.min(*until)),
            State::Over => None,
            _ => (self.deadline != Duration::MAX).then_some(self.deadline),
        }
    }

    /// Bytes can be exchanged.
    pub const fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// The target, or who connected, for messages.
    pub fn peer(&self) -> &str {
        &self.peer
    }

    /// Who showed which certificate, over TLS.
    pub fn identity(&self) -> Option<PeerIdentity> {
        match &self.state {
            State::Open(Stream::Secure(stream)) => PeerIdentity::of(stream.ssl()),
            _ => None,
        }
    }

    /// A step further towards being open.
    fn advance(&mut self, now: Duration) -> Result<(), ChannelError> {
        loop {
            let (next, again) = match std::mem::replace(&mut self.state, State::Over) {
                State::Resolving {
                    mut resolution,
                    network,
                    tls,
                } => match resolution.addresses() {
                    Ok(Some(addresses)) => (self.try_next(addresses.into(), tls, now)?, true),
                    Ok(None) => (
                        State::Resolving {
                            resolution,
                            network,
                            tls,
                        },
                        false,
                    ),
                    Err(error) => return Err(self.cannot(error)),
                },
                State::Connecting {
                    socket,
                    until,
                    others,
                    tls,
                } => match socket.connected() {
                    Ok(true) => match tls {
                        None => (State::Open(Stream::Plain(socket)), false),
                        Some(tls) => (secure(socket, &tls, false, &self.peer)?, true),
                    },
                    Ok(false) if now < until || others.is_empty() => (
                        State::Connecting {
                            socket,
                            until,
                            others,
                            tls,
                        },
                        false,
                    ),
                    Err(error) if others.is_empty() => return Err(self.cannot(error)),
                    Ok(false) | Err(_) => (self.try_next(others, tls, now)?, true),
                },
                State::Securing {
                    mut stream, server, ..
                } => {
                    let done = if server {
                        stream.accept()
                    } else {
                        stream.connect()
                    };
                    match done {
                        Ok(()) => (State::Open(Stream::Secure(stream)), false),
                        Err(error) => match wanted(&error) {
                            Some(writing) => (
                                State::Securing {
                                    stream,
                                    server,
                                    writing,
                                },
                                false,
                            ),
                            None => {
                                return Err(ChannelError::Handshake {
                                    peer: self.peer.clone(),
                                    reason: handshake_failure(stream.ssl(), &error),
                                });
                            }
                        },
                    }
                }
                State::Open(stream) => (State::Open(stream), false),
                State::Over => return Err(ChannelError::Closed(self.peer.clone())),
            };
            self.state = next;
            if !again {
                return Ok(());
            }
        }
    }

    /// Begins with the first of these addresses that can be tried.
    fn try_next(
        &self,
        mut addresses: VecDeque<SocketAddr>,
        tls: Option<Tls>,
        now: Duration,
    ) -> Result<State, ChannelError> {
        let mut error = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        while let Some(address) = addresses.pop_front() {
            match Socket::tcp(address) {
                Ok(socket) => {
                    // An address that does not answer leaves time for the others.
                    let left = self.deadline.saturating_sub(now);
                    let each = u32::try_from(addresses.len())
                        .unwrap_or(u32::MAX)
                        .saturating_add(1);
                    return Ok(State::Connecting {
                        socket,
                        until: now.saturating_add(left / each),
                        others: addresses,
                        tls,
                    });
                }
                Err(failed) => error = failed,
            }
        }
        Err(self.cannot(error))
    }

    fn read(&mut self, received: &mut Vec<u8>) -> Result<bool, ChannelError> {
        let mut buffer = [0; READ_BYTES];
        let begin = received.len();
        while received.len().saturating_sub(begin) < TURN_BYTES {
            let State::Open(stream) = &mut self.state else {
                return Err(ChannelError::Closed(self.peer.clone()));
            };
            match stream.read(&mut buffer) {
                Ok(Some(0)) => return Err(ChannelError::Closed(self.peer.clone())),
                Ok(Some(length)) => {
                    received.extend_from_slice(buffer.get(..length).unwrap_or_default());
                }
                Ok(None) => return Ok(false),
                Err(error) => return Err(self.broken(error)),
            }
        }
        Ok(true)
    }

    fn write(&mut self) -> Result<bool, ChannelError> {
        let mut budget = TURN_BYTES;
        let mut blocked = false;
        while budget > 0 && !blocked && self.waiting() > 0 {
            let State::Open(stream) = &mut self.state else {
                return Err(ChannelError::Closed(self.peer.clone()));
            };
            let end = self.outgoing.len().min(self.sent.saturating_add(budget));
            match stream.write(self.outgoing.get(self.sent..end).unwrap_or_default()) {
                Ok(Some(length)) => {
                    self.sent = self.sent.saturating_add(length);
                    budget = budget.saturating_sub(length.max(1));
                }
                Ok(None) => blocked = true,
                Err(error) => return Err(self.broken(error)),
            }
        }
        if self.waiting() == 0 {
            self.outgoing = Vec::new();
            self.sent = 0;
        } else if self.sent > MOST_OUTGOING_BYTES / 16 {
            self.outgoing.drain(..self.sent);
            self.sent = 0;
        }
        Ok(!blocked && self.waiting() > 0)
    }

    fn cannot(&self, error: io::Error) -> ChannelError {
        ChannelError::Connect {
            peer: self.peer.clone(),
            error,
        }
    }

    fn broken(&self, error: io::Error) -> ChannelError {
        ChannelError::Broken {
            peer: self.peer.clone(),
            error,
        }
    }
}

impl Stream {
    fn socket(&self) -> &Socket {
        match self {
            Self::Plain(socket) => socket,
            Self::Secure(stream) => stream.get_ref(),
        }
    }

    /// `None`: not now. 0: never again.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        match self {
            Self::Plain(socket) => now_or_later(socket.read(buffer)),
            Self::Secure(stream) => match stream.ssl_read(buffer) {
                Ok(length) => Ok(Some(length)),
                Err(error) if wanted(&error).is_some() => Ok(None),
                Err(error) if error.code() == ErrorCode::ZERO_RETURN => Ok(Some(0)),
                Err(error) => refused(stream, error),
            },
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<Option<usize>> {
        match self {
            Self::Plain(socket) => now_or_later(socket.write(bytes)),
            Self::Secure(stream) => match stream.ssl_write(bytes) {
                Ok(length) => Ok(Some(length)),
                Err(error) if wanted(&error).is_some() => Ok(None),
                Err(error) => refused(stream, error),
            },
        }
    }
}

/// With TLS 1.3 a server refuses our certificate only after our handshake is over.
fn refused<T>(stream: &SslStream<Socket>, error: openssl::ssl::Error) -> io::Result<T> {
    let reason = handshake_failure(stream.ssl(), &error);
    Err(error
        .into_io_error()
        .unwrap_or_else(|_| io::Error::other(reason)))
}

fn now_or_later(result: io::Result<usize>) -> io::Result<Option<usize>> {
    match result {
        Ok(length) => Ok(Some(length)),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Whether OpenSSL waits to write (or else to read); `None`: it does not wait.
fn wanted(error: &openssl::ssl::Error) -> Option<bool> {
    match error.code() {
        ErrorCode::WANT_READ => Some(false),
        ErrorCode::WANT_WRITE => Some(true),
        _ => None,
    }
}

fn secure(socket: Socket, tls: &Tls, server: bool, peer: &str) -> Result<State, ChannelError> {
    let stream = tls
        .begin()
        .and_then(|ssl| SslStream::new(ssl, socket))
        .map_err(|error| ChannelError::Handshake {
            peer: peer.to_owned(),
            reason: error.to_string(),
        })?;
    Ok(State::Securing {
        stream: Box::new(stream),
        server,
        // The client speaks first.
        writing: !server,
    })
}
