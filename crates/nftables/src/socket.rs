//! The netlink socket: system calls and nothing else. The only module with `unsafe`.
#![allow(unsafe_code)] // std has no netlink sockets; each call below says why it is sound

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

/// Takes a whole netlink datagram: the kernel fills dumps up to 32 KiB, notifications up to a page or two.
pub(crate) const RECEIVE_LENGTH: usize = 256 * 1024;

/// `SO_NETNS_COOKIE` of asm-generic/socket.h, since Linux 5.14.
const NAMESPACE_COOKIE: i32 = 71;

/// A NETLINK_NETFILTER socket, in the network namespace of the thread that opened it.
#[derive(Debug)]
pub(crate) struct Socket {
    descriptor: OwnedFd,
    buffer: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Return at once if nothing is there.
    No,
    /// As long as this at most.
    For(Duration),
}

impl Socket {
    pub(crate) fn open() -> io::Result<Self> {
        let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
        // SAFETY: no pointers.
        let number = unsafe { libc::socket(libc::AF_NETLINK, kind, libc::NETLINK_NETFILTER) };
        if number < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor is new and nobody else's.
        let descriptor = unsafe { OwnedFd::from_raw_fd(number) };
        let socket = Self {
            descriptor,
            buffer: vec![0; RECEIVE_LENGTH],
        };
        socket.bind()?;
        socket.set_option(libc::SOL_NETLINK, libc::NETLINK_EXT_ACK, 1)?;
        socket.set_option(libc::SOL_NETLINK, libc::NETLINK_CAP_ACK, 1)?;
        Ok(socket)
    }

    fn bind(&self) -> io::Result<()> {
        // SAFETY: sockaddr_nl is plain numbers, for which zero is valid.
        let mut address: libc::sockaddr_nl = unsafe { std::mem::zeroed() };
        address.nl_family = libc::AF_NETLINK as libc::sa_family_t;
        // SAFETY: the pointer and length are of `address`, which outlives the call.
        check(unsafe {
            libc::bind(
                self.descriptor.as_raw_fd(),
                (&raw const address).cast(),
                size_of::<libc::sockaddr_nl>() as libc::socklen_t,
            )
        })
        .map(|_| ())
    }

    fn set_option(&self, level: i32, option: i32, value: i32) -> io::Result<()> {
        // SAFETY: the pointer and length are of `value`, which outlives the call.
        check(unsafe {
            libc::setsockopt(
                self.descriptor.as_raw_fd(),
                level,
                option,
                (&raw const value).cast(),
                size_of::<i32>() as libc::socklen_t,
            )
        })
        .map(|_| ())
    }

    /// The number that the kernel gave this socket's network namespace: never again until it boots.
    pub(crate) fn namespace(&self) -> io::Result<u64> {
        let mut cookie = 0_u64;
        let mut length = size_of::<u64>() as libc::socklen_t;
        // SAFETY: the pointers are of `cookie` and of its length, which outlive the call.
        check(unsafe {
            libc::getsockopt(
                self.descriptor.as_raw_fd(),
                libc::SOL_SOCKET,
                NAMESPACE_COOKIE,
                (&raw mut cookie).cast(),
                &raw mut length,
            )
        })?;
        Ok(cookie)
    }

    /// Receives what is sent to that multicast group.
    pub(crate) fn join(&self, group: i32) -> io::Result<()> {
        self.set_option(libc::SOL_NETLINK, libc::NETLINK_ADD_MEMBERSHIP, group)
    }

    /// Lets one datagram of `length` bytes out. Beyond the system's limit this takes CAP_NET_ADMIN in the first
    /// user namespace; without, sending says EMSGSIZE.
    pub(crate) fn reserve_send(&self, length: usize) {
        let value = i32::try_from(length).unwrap_or(i32::MAX);
        if self
            .set_option(libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, value)
            .is_err()
        {
            let _ = self.set_option(libc::SOL_SOCKET, libc::SO_SNDBUF, value);
        }
    }

    /// Keeps up to about `length` bytes of messages that were not received yet; as far as allowed.
    pub(crate) fn reserve_receive(&self, length: usize) {
        let value = i32::try_from(length).unwrap_or(i32::MAX);
        if self
            .set_option(libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, value)
            .is_err()
        {
            let _ = self.set_option(libc::SOL_SOCKET, libc::SO_RCVBUF, value);
        }
    }

    /// Sends one datagram to the kernel, which handles it before this returns.
    pub(crate) fn send(&self, bytes: &[u8]) -> io::Result<()> {
        loop {
            // SAFETY: the pointer and length are of `bytes`, which outlives the call.
            let sent = unsafe {
                libc::send(
                    self.descriptor.as_raw_fd(),
                    bytes.as_ptr().cast(),
                    bytes.len(),
                    0,
                )
            };
            match check_length(sent) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other.map(|_| ()),
            }
        }
    }

    /// Receives one datagram; `None` if nothing came in time.
    pub(crate) fn receive(&mut self, wait: Wait) -> io::Result<Option<&[u8]>> {
        if let Wait::For(duration) = wait
            && !self.wait_readable(duration)?
        {
            return Ok(None);
        }
        let length = loop {
            // SAFETY: the pointer and length are of the buffer, which outlives the call.
            let received = unsafe {
                libc::recv(
                    self.descriptor.as_raw_fd(),
                    self.buffer.as_mut_ptr().cast(),
                    self.buffer.len(),
                    libc::MSG_DONTWAIT,
                )
            };
            match check_length(received) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                other => break other?,
            }
        };
        Ok(Some(self.buffer.get(..length).unwrap_or_default()))
    }

    fn wait_readable(&self, duration: Duration) -> io::Result<bool> {
        let milliseconds = i32::try_from(duration.as_millis()).unwrap_or(i32::MAX);
        let mut request = libc::pollfd {
            fd: self.descriptor.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: the pointer is to one pollfd, which outlives the call.
        match check(unsafe { libc::poll(&raw mut request, 1, milliseconds) }) {
            Ok(ready) => Ok(ready > 0),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

/// Moves the calling thread, and no other, into a new and empty network namespace. It goes away with the last
/// thread, process and socket in it.
///
/// # Errors
/// Needs CAP_SYS_ADMIN.
pub fn enter_new_network_namespace() -> io::Result<()> {
    // SAFETY: no pointers; a network namespace of its own breaks no promise other threads rely on.
    check(unsafe { libc::unshare(libc::CLONE_NEWNET) }).map(|_| ())
}

fn check(result: i32) -> io::Result<i32> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(result)
}

fn check_length(result: isize) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}
