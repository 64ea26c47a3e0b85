//! Echo requests and replies of ICMP and ICMPv6 over a raw socket: no `ping` program is needed.

use crate::kernel::socket::{IcmpSocket, deadline_after};
use crate::machine::Reach;
use crate::marked_frame::checksum;
use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

/// Why a ping could not even be sent.
#[derive(Debug, thiserror::Error)]
#[error("cannot ping {to}: {source}; it needs root and a route to that address")]
pub struct PingError {
    to: IpAddr,
    source: io::Error,
}

/// Sends one echo request from the calling thread's namespace and waits for its reply, or for an ICMP error about it.
pub(crate) fn ping(to: IpAddr, timeout: Duration) -> Result<Reach, PingError> {
    exchange(to, timeout).map_err(|source| PingError { to, source })
}

fn exchange(to: IpAddr, timeout: Duration) -> io::Result<Reach> {
    // Every raw socket of a namespace hears every reply, so each request has an identifier of its own.
    static NEXT: AtomicU16 = AtomicU16::new(1);
    let identifier = NEXT.fetch_add(1, Ordering::Relaxed);
    let kinds = Kinds::of(to);
    let socket = IcmpSocket::open(to.is_ipv6())?;
    let deadline = deadline_after(timeout);
    let [high, low] = identifier.to_be_bytes();
    let mut request = vec![kinds.request, 0, 0, 0, high, low, 0, 1];
    request.extend(b"moat");
    if to.is_ipv4() {
        let [first, second] = checksum(&[&request]).to_be_bytes();
        request.splice(2..4, [first, second]);
    }
    socket.send(&request, to)?;
    while let Some(message) = socket.receive(deadline)? {
        let about = match message.as_slice() {
            [kind, _, _, _, rest @ ..] if *kind == kinds.reply => {
                if rest.starts_with(&[high, low, 0, 1]) {
                    return Ok(Reach::Answered);
                }
                continue;
            }
            [kind, _, _, _, _, _, _, _, packet @ ..] if *kind == kinds.unreachable => packet,
            _ => continue,
        };
        // The error quotes our packet: its IP header, then the request.
        let header = match (to, about.first()) {
            (IpAddr::V4(_), Some(first)) => usize::from(first & 0x0f).saturating_mul(4),
            _ => 40,
        };
        let quoted = about.get(header..).unwrap_or_default();
        if quoted.first() == Some(&kinds.request) && quoted.get(4..6) == Some(&[high, low]) {
            return Ok(Reach::Unreachable);
        }
    }
    Ok(Reach::Silent)
}

/// Message types, RFC 792 and RFC 4443.
struct Kinds {
    request: u8,
    reply: u8,
    unreachable: u8,
}

impl Kinds {
    fn of(address: IpAddr) -> Self {
        let [request, reply, unreachable] = match address {
            IpAddr::V4(_) => [8, 0, 3],
            IpAddr::V6(_) => [128, 129, 1],
        };
        Self {
            request,
            reply,
            unreachable,
        }
    }
}
