//! One question to the agent of this host, and its answer, within a time. Knows the socket and
//! waiting; what is asked is left to the commands.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::fault::Failure;
use agent::AgentStatus;
use agent::protocol::{self, Reply, Request};
use clap::Args;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, sockopt};

/// Where the agent is, and how long a command waits for it.
#[derive(Args, Debug)]
pub(crate) struct AgentArguments {
    /// Socket of the agent
    #[arg(long, value_name = "PATH", default_value = protocol::SOCKET)]
    pub socket: PathBuf,
    /// How long to wait for the agent, in all
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = crate::time::duration)]
    pub timeout: Duration,
}

impl AgentArguments {
    /// When to give up, seen from now.
    pub(crate) fn deadline(&self) -> Instant {
        let now = Instant::now();
        now.checked_add(self.timeout).unwrap_or(now)
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    #[error("no agent listens at {}: {error}", socket.display())]
    Absent { socket: PathBuf, error: io::Error },
    #[error("the agent at {} did not answer in time", socket.display())]
    Late { socket: PathBuf },
    #[error("the agent at {} ended the connection without an answer", socket.display())]
    Silent { socket: PathBuf },
    #[error("the agent at {} gave an answer that this moat does not understand: {error}", socket.display())]
    Unreadable {
        socket: PathBuf,
        error: serde_json::Error,
    },
    #[error("the connection with the agent at {} broke: {error}", socket.display())]
    Broken { socket: PathBuf, error: io::Error },
}

/// What the agent of this network namespace says of itself; `None`: none answers, or it serves
/// another one.
pub(crate) fn here(socket: &Path) -> Option<AgentStatus> {
    use std::os::unix::fs::MetadataExt as _;
    let now = Instant::now();
    let deadline = now.checked_add(Duration::from_secs(5)).unwrap_or(now);
    let Ok(Reply::Status(status)) = ask(socket, &Request::Status, deadline) else {
        return None;
    };
    let own = std::fs::metadata("/proc/thread-self/ns/net").ok()?.ino();
    (status.network_namespace == own).then_some(*status)
}

/// Where an agent keeps this host, other commands leave the switch to it: it would take their
/// changes for somebody else's, and mend them.
///
/// # Errors
/// Says so.
pub(crate) fn refuse_beside_agent() -> Result<(), Failure> {
    match here(Path::new(protocol::SOCKET)) {
        None => Ok(()),
        Some(_) => Err(Failure::state(
            "an agent keeps this host and would undo the change; nothing was changed",
        )
        .help("change its documents (/etc/moat unless it was told otherwise), then `moat reload`")),
    }
}

/// Sends one request and waits for its reply.
///
/// # Errors
/// Where there is no reply. What the agent did by then is open, if it took the request at all.
pub(crate) fn ask(socket: &Path, request: &Request, deadline: Instant) -> Result<Reply, AskError> {
    let within = |error: io::Error| match error.kind() {
        io::ErrorKind::TimedOut => AskError::Late {
            socket: socket.to_owned(),
        },
        _ => AskError::Broken {
            socket: socket.to_owned(),
            error,
        },
    };
    let connection = connect(socket, deadline).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => AskError::Late {
            socket: socket.to_owned(),
        },
        _ => AskError::Absent {
            socket: socket.to_owned(),
            error,
        },
    })?;
    let mut line = serde_json::to_vec(request).map_err(|error| within(error.into()))?;
    line.push(b'\n');
    send(&connection, &line, deadline).map_err(within)?;
    let answer = read(&connection, protocol::LONGEST_LINE, deadline).map_err(within)?;
    if answer.is_empty() {
        return Err(AskError::Silent {
            socket: socket.to_owned(),
        });
    }
    serde_json::from_slice(&answer).map_err(|error| AskError::Unreadable {
        socket: socket.to_owned(),
        error,
    })
}

/// connect(2) on a Unix socket waits while the listener's queue is full, for as long as the send
/// time-out says (`unix_stream_connect`), so that is set before.
fn connect(path: &Path, deadline: Instant) -> io::Result<OwnedFd> {
    let socket = rustix::net::socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    let wait = left(deadline)
        .ok_or(Errno::WOULDBLOCK)?
        .max(Duration::from_millis(1));
    sockopt::set_socket_timeout(&socket, sockopt::Timeout::Send, Some(wait))?;
    rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?;
    rustix::io::ioctl_fionbio(&socket, true)?;
    Ok(socket)
}

fn send(socket: &OwnedFd, mut line: &[u8], deadline: Instant) -> io::Result<()> {
    while !line.is_empty() {
        wait(socket, PollFlags::OUT, deadline)?;
        match rustix::net::send(socket, line, rustix::net::SendFlags::NOSIGNAL) {
            Ok(sent) => line = line.get(sent..).unwrap_or_default(),
            Err(Errno::INTR | Errno::WOULDBLOCK) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Everything until the other end closes, but no more than `most` bytes.
///
/// # Errors
/// Also where it is longer, or the time is over.
pub(crate) fn read(source: impl AsFd, most: usize, deadline: Instant) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    let mut part = vec![0; 64 << 10];
    loop {
        wait(&source, PollFlags::IN, deadline)?;
        match rustix::io::read(&source, &mut part) {
            Ok(0) => return Ok(all),
            Ok(count) => all.extend_from_slice(part.get(..count).unwrap_or_default()),
            Err(Errno::INTR | Errno::WOULDBLOCK) => {}
            Err(error) => return Err(error.into()),
        }
        if all.len() > most {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("it is longer than {most} bytes"),
            ));
        }
    }
}

fn wait(of: impl AsFd, events: PollFlags, deadline: Instant) -> io::Result<()> {
    loop {
        let left = left(deadline).ok_or(io::ErrorKind::TimedOut)?;
        let left = Timespec::try_from(left).map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(&of, events)], Some(&left)) {
            Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn left(deadline: Instant) -> Option<Duration> {
    deadline.checked_duration_since(Instant::now())
}
