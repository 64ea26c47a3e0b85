//! Sockets in general: waiting, options, ICMP, and the checksum switch of a network device.
#![allow(unsafe_code)]

use super::{check, size_of_as};
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

/// Opens a socket that processes started from here do not inherit.
pub(crate) fn open(family: i32, kind: i32, protocol: i32) -> io::Result<OwnedFd> {
    // SAFETY: no pointers.
    let raw = check(unsafe { libc::socket(family, kind | libc::SOCK_CLOEXEC, protocol) })?;
    // SAFETY: the descriptor is new and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}

/// Sets a socket option to a value that is plain old data.
pub(crate) fn set_option<T: Copy>(
    socket: &OwnedFd,
    level: i32,
    name: i32,
    value: &T,
) -> io::Result<()> {
    // SAFETY: pointer and size are those of `value`; the kernel only reads it.
    check(unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            std::ptr::from_ref(value).cast(),
            size_of_as::<T>(),
        )
    })
    .map(drop)
}

/// Waits until one of `sources` can be read (or is hung up) and says which; all false at the deadline.
pub(crate) fn wait_readable(
    sources: &[BorrowedFd<'_>],
    deadline: Option<Instant>,
) -> io::Result<Vec<bool>> {
    let mut polled: Vec<libc::pollfd> = sources
        .iter()
        .map(|source| libc::pollfd {
            fd: source.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        })
        .collect();
    loop {
        let left = deadline.map(|end| end.saturating_duration_since(Instant::now()));
        let timeout = left.map(|left| libc::timespec {
            tv_sec: libc::time_t::try_from(left.as_secs()).unwrap_or(libc::time_t::MAX),
            tv_nsec: libc::c_long::from(left.subsec_nanos()),
        });
        let timeout = timeout
            .as_ref()
            .map_or(std::ptr::null(), std::ptr::from_ref);
        let count = libc::nfds_t::try_from(polled.len()).unwrap_or(0);
        // SAFETY: `polled` has `count` entries and `timeout` is null or points at a live value.
        match check(unsafe { libc::ppoll(polled.as_mut_ptr(), count, timeout, std::ptr::null()) }) {
            Ok(_) => return Ok(polled.iter().map(|entry| entry.revents != 0).collect()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// A raw ICMP or ICMPv6 socket; the kernel computes ICMPv6 checksums, the caller those of ICMP.
pub(crate) struct IcmpSocket {
    socket: OwnedFd,
    sixth: bool,
}

impl IcmpSocket {
    /// Opens one in the calling thread's namespace.
    pub(crate) fn open(sixth: bool) -> io::Result<Self> {
        let socket = if sixth {
            open(libc::AF_INET6, libc::SOCK_RAW, libc::IPPROTO_ICMPV6)?
        } else {
            open(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP)?
        };
        Ok(Self { socket, sixth })
    }

    /// Sends one ICMP message to `to`, whose family must be the socket's.
    pub(crate) fn send(&self, message: &[u8], to: IpAddr) -> io::Result<()> {
        let flags = libc::MSG_DONTWAIT;
        let (fd, data, length) = (self.socket.as_raw_fd(), message.as_ptr(), message.len());
        let sent = match to {
            IpAddr::V4(address) => {
                let to = libc::sockaddr_in {
                    sin_family: libc::AF_INET as libc::sa_family_t,
                    sin_port: 0,
                    sin_addr: libc::in_addr {
                        s_addr: u32::from_ne_bytes(address.octets()),
                    },
                    sin_zero: [0; 8],
                };
                let to: *const libc::sockaddr_in = &to;
                let size = size_of_as::<libc::sockaddr_in>();
                // SAFETY: `message` and `to` outlive the call and have the sizes given.
                unsafe { libc::sendto(fd, data.cast(), length, flags, to.cast(), size) }
            }
            IpAddr::V6(address) => {
                let to = libc::sockaddr_in6 {
                    sin6_family: libc::AF_INET6 as libc::sa_family_t,
                    sin6_port: 0,
                    sin6_flowinfo: 0,
                    sin6_addr: libc::in6_addr {
                        s6_addr: address.octets(),
                    },
                    sin6_scope_id: 0,
                };
                let to: *const libc::sockaddr_in6 = &to;
                let size = size_of_as::<libc::sockaddr_in6>();
                // SAFETY: as above.
                unsafe { libc::sendto(fd, data.cast(), length, flags, to.cast(), size) }
            }
        };
        if sent < 0 {
            Err(io::Error::last_os_error())
        } else {
            Ok(())
        }
    }

    /// The next ICMP message (without its IPv4 header) that arrives before `deadline`.
    pub(crate) fn receive(&self, deadline: Instant) -> io::Result<Option<Vec<u8>>> {
        use std::os::fd::AsFd;
        let ready = wait_readable(&[self.socket.as_fd()], Some(deadline))?;
        if !ready.contains(&true) {
            return Ok(None);
        }
        let mut buffer = vec![0u8; 65_536];
        // SAFETY: the buffer is as long as said.
        let length = unsafe {
            libc::recv(
                self.socket.as_raw_fd(),
                buffer.as_mut_ptr().cast(),
                buffer.len(),
                libc::MSG_DONTWAIT,
            )
        };
        let Ok(length) = usize::try_from(length) else {
            return Err(io::Error::last_os_error());
        };
        buffer.truncate(length);
        // raw(7): IPv4 raw sockets deliver the IP header too, IPv6 ones do not.
        let skip = match (self.sixth, buffer.first()) {
            (false, Some(first)) => usize::from(first & 0x0f).saturating_mul(4),
            _ => 0,
        };
        Ok(Some(buffer.split_off(skip.min(length))))
    }
}

/// Makes device `name` of the calling thread's namespace compute transmit checksums itself, so that
/// what it sends is what a wire would carry (`ethtool -K NAME tx off`).
pub(crate) fn disable_transmit_offload(name: &str) -> io::Result<()> {
    // linux/ethtool.h and linux/sockios.h; not in the libc crate.
    const ETHTOOL_STXCSUM: u32 = 0x17;
    const SIOCETHTOOL: u16 = 0x8946;
    let socket = open(libc::AF_INET, libc::SOCK_DGRAM, 0)?;
    let mut value: [u32; 2] = [ETHTOOL_STXCSUM, 0];
    // SAFETY: an ifreq is a name and a union of plain data, for which zeros are a value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    // The last byte stays zero: the name is a C string.
    for (to, from) in request.ifr_name.iter_mut().take(15).zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    request.ifr_ifru.ifru_data = value.as_mut_ptr().cast();
    // SAFETY: the request's name ends in zero; its data points at an ethtool_value that outlives the call.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL.into(), &mut request) }).map(drop)
}

/// The time at which a wait that starts now and lasts `timeout` ends.
pub(crate) fn deadline_after(timeout: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(timeout)
        .unwrap_or_else(|| now + Duration::from_secs(86_400))
}
