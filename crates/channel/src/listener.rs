//! Listening for connections.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::connection::{Channel, ChannelError};
use crate::socket::Socket;
use crate::target::{Listen, Network};
use crate::tls::Tls;
use crate::wait::Interest;

/// A socket that others connect to. One of the file system goes with it.
#[derive(Debug)]
pub struct Listener {
    socket: Listening,
    tls: Option<Tls>,
}

#[derive(Debug)]
enum Listening {
    Unix(UnixListener, PathBuf),
    Tcp(TcpListener),
}

/// Why nobody can connect.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    #[error("cannot listen on {listen}: {error}")]
    Bind {
        listen: Listen,
        #[source]
        error: io::Error,
    },
    #[error("cannot listen on {0}: there are no certificates for TLS; see 'moat tls --help'")]
    NoTls(Listen),
}

impl Listener {
    /// Listens. Over TLS everybody who connects must show a certificate that `tls` believes. A Unix
    /// socket is its owner's alone, and replaces one that was left behind.
    ///
    /// # Errors
    /// What the system refuses.
    pub fn bind(listen: &Listen, tls: Option<&Tls>) -> Result<Self, ListenError> {
        let refuse = |error| ListenError::Bind {
            listen: listen.clone(),
            error,
        };
        let (socket, tls) = match listen {
            Listen::Unix(path) => (bind_unix(path).map_err(refuse)?, None),
            Listen::Network {
                network,
                port,
                address,
            } => {
                let tls = tls.filter(|_| *network == Network::Tls);
                if *network == Network::Tls && tls.is_none() {
                    return Err(ListenError::NoTls(listen.clone()));
                }
                let socket = TcpListener::bind(SocketAddr::new(*address, *port)).map_err(refuse)?;
                socket.set_nonblocking(true).map_err(refuse)?;
                (Listening::Tcp(socket), tls.cloned())
            }
        };
        Ok(Self { socket, tls })
    }

    /// The next connection, if somebody waits. It must be open within `setup`: who connects and is
    /// silent during the handshake is given up.
    ///
    /// # Errors
    /// Those of accept(2), and of the one connection. The listener stays of use.
    pub fn accept(&self, now: Duration, setup: Duration) -> Result<Option<Channel>, ChannelError> {
        let accepted = match &self.socket {
            Listening::Unix(socket, path) => socket
                .accept()
                .map(|(socket, _)| (Socket::Unix(socket), format!("unix:{}", path.display()))),
            Listening::Tcp(socket) => socket.accept().map(|(socket, peer)| {
                let scheme = if self.tls.is_some() { "ssl" } else { "tcp" };
                (Socket::Tcp(socket), format!("{scheme}:{peer}"))
            }),
        };
        let (socket, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock
                        | io::ErrorKind::Interrupted
                        | io::ErrorKind::ConnectionAborted
                ) =>
            {
                return Ok(None);
            }
            Err(error) => {
                return Err(ChannelError::Connect {
                    peer: "somebody".to_owned(),
                    error,
                });
            }
        };
        let socket = socket.accepted().map_err(|error| ChannelError::Connect {
            peer: peer.clone(),
            error,
        })?;
        Channel::accepted(socket, peer, self.tls.as_ref(), now, setup).map(Some)
    }

    /// What to wait for before [`Listener::accept`].
    pub fn interest(&self) -> Interest<'_> {
        Interest::read(self.as_fd())
    }

    /// Where it listens, on TCP: the port is known only now if any was asked for.
    pub fn address(&self) -> Option<SocketAddr> {
        match &self.socket {
            Listening::Unix(..) => None,
            Listening::Tcp(socket) => socket.local_addr().ok(),
        }
    }

    /// Those who connect from now on are met with these certificates.
    pub fn renew(&mut self, tls: &Tls) {
        if self.tls.is_some() {
            self.tls = Some(tls.clone());
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.socket {
            Listening::Unix(socket, _) => socket.as_fd(),
            Listening::Tcp(socket) => socket.as_fd(),
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        if let Self::Unix(_, path) = self {
            // Gone already is as good.
            let _ = fs::remove_file(path);
        }
    }
}

fn bind_unix(path: &Path) -> io::Result<Listening> {
    if let Ok(found) = fs::symlink_metadata(path)
        && !found.file_type().is_socket()
    {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "there is a file that is no socket",
        ));
    }
    // Under another name first, so that nobody connects before only its owner may.
    let mut new = path.as_os_str().to_owned();
    new.push(format!(".{}", std::process::id()));
    let new = PathBuf::from(new);
    let _ = fs::remove_file(&new);
    let socket = UnixListener::bind(&new)?;
    let ready = fs::set_permissions(&new, fs::Permissions::from_mode(0o600))
        .and_then(|()| socket.set_nonblocking(true))
        .and_then(|()| fs::rename(&new, path));
    if let Err(error) = ready {
        let _ = fs::remove_file(&new);
        return Err(error);
    }
    Ok(Listening::Unix(socket, path.to_owned()))
}
