//! Names of hosts. The system's resolver blocks, so it does in a thread of its own, which tells its
//! end over a socket that can be waited for.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

/// A question that is on its way.
#[derive(Debug)]
pub(crate) struct Resolution {
    answer: UnixStream,
    text: Vec<u8>,
}

/// More addresses than this of one host are not tried.
const MOST_ADDRESSES: usize = 16;

impl Resolution {
    /// The addresses at once if the host is one, or a question.
    pub(crate) fn begin(host: &str, port: u16) -> io::Result<Result<SocketAddr, Self>> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(Ok(SocketAddr::new(address, port)));
        }
        let (answer, mut asked) = UnixStream::pair()?;
        answer.set_nonblocking(true)?;
        let host = host.to_owned();
        // A name that nobody answers for keeps its thread for the resolver's own time, and nobody else.
        std::thread::Builder::new()
            .name("resolve".to_owned())
            .spawn(move || {
                let text = match (host.as_str(), port).to_socket_addrs() {
                    Ok(addresses) => addresses
                        .take(MOST_ADDRESSES)
                        .map(|address| format!("{address}\n"))
                        .collect(),
                    Err(error) => format!("!{error}"),
                };
                // If the asker is gone, nobody wants it.
                let _ = asked.write_all(text.as_bytes());
            })?;
        Ok(Err(Self {
            answer,
            text: Vec::new(),
        }))
    }

    /// The addresses, once they are known.
    pub(crate) fn addresses(&mut self) -> io::Result<Option<Vec<SocketAddr>>> {
        let mut buffer = [0; 1024];
        loop {
            match self.answer.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => self
                    .text
                    .extend_from_slice(buffer.get(..length).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        let text = String::from_utf8_lossy(&self.text);
        if let Some(error) = text.strip_prefix('!') {
            return Err(io::Error::other(error.to_owned()));
        }
        Ok(Some(
            text.lines().filter_map(|line| line.parse().ok()).collect(),
        ))
    }
}

impl AsFd for Resolution {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.answer.as_fd()
    }
}
