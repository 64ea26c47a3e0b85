//! Packet sockets with the C library alone, since the compiler builds this program without any crate: the only unsafe
//! code of the program. Knows packet(7) and netdevice(7).
#![allow(unsafe_code)]

use std::ffi::{c_int, c_short, c_ulong, c_void};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

const AF_PACKET: c_int = 17;
const SOCK_RAW: c_int = 3;
const SOCK_CLOEXEC: c_int = 0o2_000_000;
const SIOCGIFFLAGS: c_ulong = 0x8913;
const SIOCSIFFLAGS: c_ulong = 0x8914;
const IFF_UP: c_short = 1;
const MSG_DONTWAIT: c_int = 0x40;

#[repr(C)]
struct LinkAddress {
    family: u16,
    protocol: u16,
    index: i32,
    hardware: u16,
    packet: u8,
    length: u8,
    address: [u8; 8],
}

/// struct ifreq: a name and a union of 24 bytes, of which flags are the first two.
#[repr(C)]
struct InterfaceRequest {
    name: [u8; 16],
    flags: c_short,
    rest: [u8; 22],
}

unsafe extern "C" {
    fn socket(family: c_int, kind: c_int, protocol: c_int) -> c_int;
    fn bind(socket: c_int, address: *const LinkAddress, length: u32) -> c_int;
    fn ioctl(descriptor: c_int, request: c_ulong, ...) -> c_int;
    fn send(socket: c_int, data: *const c_void, length: usize, flags: c_int) -> isize;
}

/// A socket bound to one device, which is up.
pub(crate) struct Wire {
    socket: OwnedFd,
}

impl Wire {
    /// Brings a device up and opens it for sending.
    pub(crate) fn open(name: &str, index: i32) -> io::Result<Self> {
        // SAFETY: no pointers. Protocol 0: nothing is received.
        let raw = check(unsafe { socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0) })?;
        // SAFETY: the descriptor is new and nobody else's.
        let wire = Self {
            socket: unsafe { OwnedFd::from_raw_fd(raw) },
        };
        let mut request = InterfaceRequest {
            name: [0; 16],
            flags: 0,
            rest: [0; 22],
        };
        // The last byte stays zero: the name is a C string.
        for (to, from) in request.name.iter_mut().take(15).zip(name.bytes()) {
            *to = from;
        }
        // SAFETY: the request has the size and shape of the kernel's and outlives the call.
        check(unsafe { ioctl(raw, SIOCGIFFLAGS, &mut request) })?;
        request.flags |= IFF_UP;
        // SAFETY: as above.
        check(unsafe { ioctl(raw, SIOCSIFFLAGS, &mut request) })?;
        let address = LinkAddress {
            family: AF_PACKET as u16,
            protocol: 0,
            index,
            hardware: 0,
            packet: 0,
            length: 0,
            address: [0; 8],
        };
        let length = u32::try_from(size_of::<LinkAddress>()).unwrap_or(0);
        // SAFETY: pointer and length are those of `address`.
        check(unsafe { bind(raw, &address, length) })?;
        Ok(wire)
    }

    /// Hands a frame to the device; `WouldBlock` and `ENOBUFS` mean that its queue is full.
    pub(crate) fn send(&self, frame: &[u8]) -> io::Result<()> {
        let (data, length) = (frame.as_ptr().cast(), frame.len());
        // SAFETY: the buffer is as long as said and only read.
        let sent = unsafe { send(self.socket.as_raw_fd(), data, length, MSG_DONTWAIT) };
        if sent < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }
}

fn check(value: c_int) -> io::Result<c_int> {
    if value < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(value)
}
