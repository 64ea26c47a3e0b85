//! AF_PACKET sockets: frames as they are on the wire, in and out. Knows packet(7), its auxiliary data
//! and its counters; leaves to [`crate::raw_port`] what a frame or a count means.
#![allow(unsafe_code)]

use super::{check, size_of_as, socket};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};

/// Frames longer than this are cut: the largest that a bridge hands on is a 64 KiB GSO packet.
const FRAME_SPACE: usize = 66_000;
/// The kernel reads at most this many messages per sendmmsg (UIO_MAXIOV).
const BATCH: usize = 1_024;

/// A frame as it was read, the VLAN tag that the kernel took out of it put back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReceivedFrame {
    pub(crate) interface: u32,
    pub(crate) bytes: Vec<u8>,
}

/// A bound AF_PACKET socket that never sees what its own namespace sends.
pub(crate) struct PacketSocket {
    socket: OwnedFd,
    buffer: Vec<u8>,
}

impl PacketSocket {
    /// Opens one in the calling thread's namespace, on one interface, or on all for index 0.
    ///
    /// `receive_buffer` is in bytes and may exceed the system's limit.
    pub(crate) fn open(
        interface: u32,
        receive_buffer: i32,
        filter: &[libc::sock_filter],
    ) -> io::Result<Self> {
        // Protocol 0 receives nothing: frames of other interfaces must not slip in before the bind.
        let socket = socket::open(libc::AF_PACKET, libc::SOCK_RAW, 0)?;
        let packet = libc::SOL_PACKET;
        socket::set_option(&socket, packet, libc::PACKET_IGNORE_OUTGOING, &1i32)?;
        socket::set_option(&socket, packet, libc::PACKET_AUXDATA, &1i32)?;
        socket::set_option(
            &socket,
            libc::SOL_SOCKET,
            libc::SO_RCVBUFFORCE,
            &receive_buffer,
        )?;
        if !filter.is_empty() {
            let program = libc::sock_fprog {
                len: u16::try_from(filter.len()).unwrap_or(u16::MAX),
                filter: filter.as_ptr().cast_mut(),
            };
            // The kernel copies the program; `filter` outlives the call.
            socket::set_option(&socket, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program)?;
        }
        let index = i32::try_from(interface).map_err(io::Error::other)?;
        if interface != 0 {
            let membership = libc::packet_mreq {
                mr_ifindex: index,
                mr_type: libc::PACKET_MR_PROMISC as u16,
                mr_alen: 0,
                mr_address: [0; 8],
            };
            socket::set_option(&socket, packet, libc::PACKET_ADD_MEMBERSHIP, &membership)?;
        }
        // SAFETY: a sockaddr_ll is integers only, for which zeros are a value.
        let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
        address.sll_ifindex = index;
        let pointer: *const libc::sockaddr_ll = &address;
        let size = size_of_as::<libc::sockaddr_ll>();
        // SAFETY: pointer and size are those of `address`.
        check(unsafe { libc::bind(socket.as_raw_fd(), pointer.cast(), size) })?;
        let buffer = vec![0; FRAME_SPACE];
        Ok(Self { socket, buffer })
    }

    /// The descriptor, to wait on.
    pub(crate) fn descriptor(&self) -> &OwnedFd {
        &self.socket
    }

    /// Sends one frame; when it returns, the frame was handed to the device.
    pub(crate) fn send(&self, frame: &[u8]) -> io::Result<()> {
        // SAFETY: the buffer is as long as said and only read.
        let sent = unsafe {
            libc::send(
                self.socket.as_raw_fd(),
                frame.as_ptr().cast(),
                frame.len(),
                0,
            )
        };
        if sent < 0 {
            Err(io::Error::last_os_error())
        } else {
            Ok(())
        }
    }

    /// Sends frames in order with as few system calls as possible; stops at the first that fails and
    /// returns how many were handed to the device, or the error if it was the first.
    pub(crate) fn send_batch(&self, frames: &[&[u8]]) -> io::Result<usize> {
        let mut total = 0usize;
        for chunk in frames.chunks(BATCH) {
            let mut pieces: Vec<libc::iovec> = chunk
                .iter()
                .map(|frame| libc::iovec {
                    iov_base: frame.as_ptr().cast_mut().cast(),
                    iov_len: frame.len(),
                })
                .collect();
            let mut messages: Vec<libc::mmsghdr> = pieces
                .iter_mut()
                .map(|piece| {
                    // SAFETY: an mmsghdr is pointers and integers, for which zeros are a value.
                    let mut message: libc::mmsghdr = unsafe { std::mem::zeroed() };
                    message.msg_hdr.msg_iov = piece;
                    message.msg_hdr.msg_iovlen = 1;
                    message
                })
                .collect();
            let count = u32::try_from(messages.len()).unwrap_or(0);
            // SAFETY: `messages` has `count` entries, each pointing at one live entry of `pieces`,
            // which points at a live frame that the kernel only reads.
            let sent = check(unsafe {
                libc::sendmmsg(self.socket.as_raw_fd(), messages.as_mut_ptr(), count, 0)
            });
            match sent {
                Ok(sent) => {
                    let sent = usize::try_from(sent).unwrap_or(0);
                    total = total.saturating_add(sent);
                    if sent < chunk.len() {
                        return Ok(total);
                    }
                }
                Err(error) if total == 0 => return Err(error),
                Err(_) => return Ok(total),
            }
        }
        Ok(total)
    }

    /// The next frame that waits already, if any.
    pub(crate) fn receive_waiting(&mut self) -> io::Result<Option<ReceivedFrame>> {
        // SAFETY: integers only, for which zeros are a value.
        let mut from: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        // Aligned for a cmsghdr, and room for one tpacket_auxdata.
        let mut control = [MaybeUninit::<u64>::zeroed(); 16];
        let mut piece = libc::iovec {
            iov_base: self.buffer.as_mut_ptr().cast(),
            iov_len: self.buffer.len(),
        };
        // SAFETY: pointers and integers, for which zeros are a value.
        let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
        message.msg_name = std::ptr::from_mut(&mut from).cast();
        message.msg_namelen = size_of_as::<libc::sockaddr_ll>();
        message.msg_iov = &mut piece;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = size_of_val(&control) as _;
        // SAFETY: every pointer in `message` is to a live value of the length given with it.
        let length =
            unsafe { libc::recvmsg(self.socket.as_raw_fd(), &mut message, libc::MSG_DONTWAIT) };
        let Ok(length) = usize::try_from(length) else {
            let error = io::Error::last_os_error();
            return match error.kind() {
                io::ErrorKind::WouldBlock => Ok(None),
                _ => Err(error),
            };
        };
        let mut bytes = self.buffer.get(..length).unwrap_or_default().to_vec();
        // SAFETY: recvmsg filled `message`, whose control buffer is alive.
        if let Some([tpid, tci]) = unsafe { stripped_tag(&message) }
            && bytes.len() >= 12
        {
            let tag = [tpid.to_be_bytes(), tci.to_be_bytes()].concat();
            bytes.splice(12..12, tag);
        }
        Ok(Some(ReceivedFrame {
            interface: u32::try_from(from.sll_ifindex).unwrap_or(0),
            bytes,
        }))
    }

    /// Frames that reached the socket and passed its filter since the last call, and how many of those
    /// were lost because its buffer was full.
    pub(crate) fn take_counts(&self) -> io::Result<(u64, u64)> {
        // SAFETY: two integers.
        let mut counts: libc::tpacket_stats = unsafe { std::mem::zeroed() };
        let mut size = size_of_as::<libc::tpacket_stats>();
        // SAFETY: pointer and size are those of `counts`.
        check(unsafe {
            libc::getsockopt(
                self.socket.as_raw_fd(),
                libc::SOL_PACKET,
                libc::PACKET_STATISTICS,
                std::ptr::from_mut(&mut counts).cast(),
                &mut size,
            )
        })?;
        // The kernel has added the drops to tp_packets (packet_getsockopt).
        Ok((u64::from(counts.tp_packets), u64::from(counts.tp_drops)))
    }
}

/// The TPID and TCI of the outermost VLAN tag, which the kernel keeps beside the frame
/// (`skb_vlan_untag` on receipt) and hands out in `PACKET_AUXDATA`.
///
/// # Safety
/// `message` must have been filled by recvmsg and its control buffer must be alive.
unsafe fn stripped_tag(message: &libc::msghdr) -> Option<[u16; 2]> {
    // SAFETY: by the caller's promise CMSG_FIRSTHDR and CMSG_NXTHDR stay within the control buffer, and
    // a header of this level and type is followed by a tpacket_auxdata (read unaligned).
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(message);
        while let Some(found) = header.as_ref() {
            if found.cmsg_level == libc::SOL_PACKET && found.cmsg_type == libc::PACKET_AUXDATA {
                let data: *const libc::tpacket_auxdata = libc::CMSG_DATA(found).cast();
                let data = data.read_unaligned();
                if data.tp_status & libc::TP_STATUS_VLAN_VALID == 0 {
                    return None;
                }
                let tpid = if data.tp_status & libc::TP_STATUS_VLAN_TPID_VALID == 0 {
                    libc::ETH_P_8021Q as u16
                } else {
                    data.tp_vlan_tpid
                };
                return Some([tpid, data.tp_vlan_tci]);
            }
            header = libc::CMSG_NXTHDR(message, found);
        }
    }
    None
}
