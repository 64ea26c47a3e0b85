//! Echo servers in threads of their own, ended with their owner.

use crate::kernel::socket::wait_readable;
use crate::namespace::Namespace;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::thread::JoinHandle;

/// A running server; dropping it closes its sockets.
pub struct Server {
    /// Closing it wakes the threads: they wait for their socket and for the other end of this.
    stop: Option<UnixStream>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Echoes TCP connections to `port`, IPv4 and IPv6.
    pub fn tcp(namespace: &Namespace, port: u16) -> io::Result<Self> {
        let listener = namespace.run(|| TcpListener::bind(("::", port)))?;
        listener.set_nonblocking(true)?;
        Self::start(move |stopped| {
            let mut connections: Vec<TcpStream> = Vec::new();
            loop {
                let mut sources: Vec<BorrowedFd<'_>> = vec![stopped.as_fd(), listener.as_fd()];
                sources.extend(connections.iter().map(AsFd::as_fd));
                let Ok(ready) = wait_readable(&sources, None) else {
                    return;
                };
                let [stop, incoming, readable @ ..] = ready.as_slice() else {
                    return;
                };
                if *stop {
                    return;
                }
                let mut readable = readable.iter();
                // A connection that has ended or broken is forgotten.
                connections.retain_mut(|stream| readable.next() != Some(&true) || echo(stream));
                if *incoming
                    && let Ok((stream, _)) = listener.accept()
                    && stream.set_nonblocking(true).is_ok()
                {
                    connections.push(stream);
                }
            }
        })
    }

    /// Echoes UDP datagrams to `port`, IPv4 and IPv6.
    pub fn udp(namespace: &Namespace, port: u16) -> io::Result<Self> {
        let socket = namespace.run(|| UdpSocket::bind(("::", port)))?;
        socket.set_nonblocking(true)?;
        Self::start(move |stopped| {
            let mut buffer = vec![0; 65_536];
            while let Ok(ready) = wait_readable(&[stopped.as_fd(), socket.as_fd()], None) {
                if ready.first() == Some(&true) {
                    return;
                }
                // An error here is an ICMP complaint about an earlier answer.
                if let Ok((length, from)) = socket.recv_from(&mut buffer) {
                    let _ = socket.send_to(buffer.get(..length).unwrap_or_default(), from);
                }
            }
        })
    }

    fn start(work: impl FnOnce(UnixStream) + Send + 'static) -> io::Result<Self> {
        let (stop, stopped) = UnixStream::pair()?;
        let thread = std::thread::Builder::new().spawn(move || work(stopped))?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic in it has been printed; there is nobody to hand it to.
            let _ = thread.join();
        }
    }
}

/// Sends back what waits on a connection; false when it has ended.
fn echo(stream: &mut TcpStream) -> bool {
    let mut buffer = [0; 4_096];
    match stream.read(&mut buffer) {
        Ok(0) => false,
        Ok(length) => stream
            .write_all(buffer.get(..length).unwrap_or_default())
            .is_ok(),
        Err(error) => error.kind() == io::ErrorKind::WouldBlock,
    }
}
