//! Packet and ping sockets with the C library alone, since the compiler builds this program without any crate: the only
//! unsafe code of the program. Knows packet(7), netdevice(7) and icmp(7).
#![allow(unsafe_code)]

use std::ffi::{c_int, c_short, c_ulong, c_void};
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr;
use std::time::Duration;

const AF_PACKET: c_int = 17;
const SOCK_RAW: c_int = 3;
const SOCK_CLOEXEC: c_int = 0o2_000_000;
const SIOCGIFFLAGS: c_ulong = 0x8913;
const SIOCSIFFLAGS: c_ulong = 0x8914;
const IFF_UP: c_short = 1;
const MSG_DONTWAIT: c_int = 0x40;
const SOL_SOCKET: c_int = 1;
const SO_RCVTIMEO: c_int = 20;
const SO_RCVBUFFORCE: c_int = 33;
const SOL_PACKET: c_int = 263;
const PACKET_ADD_MEMBERSHIP: c_int = 1;
const PACKET_AUXDATA: c_int = 8;
const PACKET_IGNORE_OUTGOING: c_int = 23;
const PACKET_MR_PROMISC: u16 = 1;
const ETH_P_ALL: u16 = 3;
const ETH_P_8021Q: u16 = 0x8100;
const TP_STATUS_VLAN_VALID: u32 = 1 << 4;
const TP_STATUS_VLAN_TPID_VALID: u32 = 1 << 6;
/// A receiver looks up from its wait this often.
const LOOK_UP: Duration = Duration::from_millis(100);
/// Frames longer than this are cut: no test sends any.
const FRAME_SPACE: usize = 9_000;

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

#[repr(C)]
struct Membership {
    index: i32,
    kind: u16,
    length: u16,
    address: [u8; 8],
}

#[repr(C)]
struct Interval {
    seconds: i64,
    microseconds: i64,
}

#[repr(C)]
struct Piece {
    data: *mut c_void,
    length: usize,
}

/// struct msghdr.
#[repr(C)]
struct Message {
    name: *mut c_void,
    name_length: u32,
    pieces: *mut Piece,
    piece_count: usize,
    control: *mut Control,
    control_length: usize,
    flags: c_int,
}

/// struct cmsghdr with the struct tpacket_auxdata that is the only one asked for.
#[repr(C)]
#[derive(Default)]
struct Control {
    length: usize,
    level: c_int,
    kind: c_int,
    status: u32,
    frame_length: u32,
    captured: u32,
    link_offset: u16,
    network_offset: u16,
    tag: u16,
    tag_protocol: u16,
    /// Control data are padded to whole words; the kernel may use the rest.
    rest: [u64; 8],
}

unsafe extern "C" {
    fn setsockopt(
        socket: c_int,
        level: c_int,
        option: c_int,
        value: *const c_void,
        length: u32,
    ) -> c_int;
    fn recvmsg(socket: c_int, message: *mut Message, flags: c_int) -> isize;
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
        let wire = Self::unbound(name)?;
        wire.bind(index, 0)?;
        Ok(wire)
    }

    /// Brings a device up and opens it for everything: also frames to others are received, what it sends is not.
    pub(crate) fn listening(name: &str, index: i32) -> io::Result<Self> {
        let wire = Self::unbound(name)?;
        wire.set(SOL_PACKET, PACKET_IGNORE_OUTGOING, &1i32)?;
        wire.set(SOL_PACKET, PACKET_AUXDATA, &1i32)?;
        wire.set(SOL_SOCKET, SO_RCVBUFFORCE, &(4i32 << 20))?;
        let interval = Interval {
            seconds: 0,
            microseconds: i64::from(LOOK_UP.subsec_micros()),
        };
        wire.set(SOL_SOCKET, SO_RCVTIMEO, &interval)?;
        let membership = Membership {
            index,
            kind: PACKET_MR_PROMISC,
            length: 0,
            address: [0; 8],
        };
        wire.set(SOL_PACKET, PACKET_ADD_MEMBERSHIP, &membership)?;
        wire.bind(index, ETH_P_ALL)?;
        Ok(wire)
    }

    fn unbound(name: &str) -> io::Result<Self> {
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
        Ok(wire)
    }

    fn bind(&self, index: i32, protocol: u16) -> io::Result<()> {
        let address = LinkAddress {
            family: AF_PACKET as u16,
            protocol: protocol.to_be(),
            index,
            hardware: 0,
            packet: 0,
            length: 0,
            address: [0; 8],
        };
        let length = u32::try_from(size_of::<LinkAddress>()).unwrap_or(0);
        // SAFETY: pointer and length are those of `address`.
        check(unsafe { bind(self.socket.as_raw_fd(), &address, length) }).map(drop)
    }

    fn set<T>(&self, level: c_int, option: c_int, value: &T) -> io::Result<()> {
        let length = u32::try_from(size_of::<T>()).unwrap_or(0);
        let value = ptr::from_ref(value).cast();
        // SAFETY: pointer and length are those of the value; the kernel only reads it.
        check(unsafe { setsockopt(self.socket.as_raw_fd(), level, option, value, length) })
            .map(drop)
    }

    /// The next frame, its VLAN tag put back; `None` where none came for a while.
    pub(crate) fn receive(&self) -> io::Result<Option<Vec<u8>>> {
        let mut frame = vec![0; FRAME_SPACE];
        let mut piece = Piece {
            data: frame.as_mut_ptr().cast(),
            length: frame.len(),
        };
        let mut control = Control::default();
        let mut message = Message {
            name: ptr::null_mut(),
            name_length: 0,
            pieces: &mut piece,
            piece_count: 1,
            control: &mut control,
            control_length: size_of::<Control>(),
            flags: 0,
        };
        // SAFETY: every pointer in the message is to a live value of the length given with it.
        let length = unsafe { recvmsg(self.socket.as_raw_fd(), &mut message, 0) };
        let Ok(length) = usize::try_from(length) else {
            let error = io::Error::last_os_error();
            return match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(None),
                _ => Err(error),
            };
        };
        frame.truncate(length);
        let described = message.control_length > 0
            && (control.level, control.kind) == (SOL_PACKET, PACKET_AUXDATA);
        // skb_vlan_untag has taken the tag out of the frame.
        if described && control.status & TP_STATUS_VLAN_VALID != 0 && length >= 12 {
            let protocol = match control.status & TP_STATUS_VLAN_TPID_VALID {
                0 => ETH_P_8021Q,
                _ => control.tag_protocol,
            };
            let tag = [protocol.to_be_bytes(), control.tag.to_be_bytes()].concat();
            frame.splice(12..12, tag);
        }
        Ok(Some(frame))
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

/// A socket for one echo request. The kernel gives it its identifier and checksum, and hands over the reply alone.
pub(crate) struct PingSocket {
    // Same calls, another protocol.
    socket: UdpSocket,
    request: u8,
    reply: u8,
}

impl PingSocket {
    /// Opens one to an address; `net.ipv4.ping_group_range` must allow it.
    pub(crate) fn open(to: IpAddr, patience: Duration) -> io::Result<Self> {
        let [family, protocol, request, reply] = match to {
            IpAddr::V4(_) => [2, 1, 8, 0],
            IpAddr::V6(_) => [10, 58, 128, 129],
        };
        // SAFETY: no pointers. SOCK_DGRAM is 2.
        let raw = check(unsafe { socket(family, 2 | SOCK_CLOEXEC, protocol) })?;
        // SAFETY: the descriptor is new and nobody else's.
        let socket = UdpSocket::from(unsafe { OwnedFd::from_raw_fd(raw) });
        socket.set_read_timeout(Some(patience))?;
        socket.connect(SocketAddr::new(to, 0))?;
        let byte = |number: c_int| u8::try_from(number).unwrap_or(0);
        let (request, reply) = (byte(request), byte(reply));
        Ok(Self {
            socket,
            request,
            reply,
        })
    }

    /// Whether a reply comes in time.
    pub(crate) fn ping(&self) -> io::Result<bool> {
        self.socket
            .send(&[self.request, 0, 0, 0, 0, 0, 0, 1, b'm', b'o', b'a', b't'])?;
        let mut message = [0; 64];
        let length = self.socket.recv(&mut message)?;
        Ok(length > 0 && message.first() == Some(&self.reply))
    }
}
