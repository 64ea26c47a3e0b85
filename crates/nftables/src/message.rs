//! Numbers of netlink and nfnetlink messages, and the answers every conversation has: errors and ends.

use crate::wire::{FAMILY_HEADER_LENGTH, HEADER_LENGTH, Message, known_fields, read_name};

pub(crate) const SUBSYSTEM_LOG: u16 = 4;
const SUBSYSTEM_NFTABLES: u16 = 10;

pub(crate) const BATCH_BEGIN: u16 = 0x10;
pub(crate) const BATCH_END: u16 = 0x11;
pub(crate) const BATCH_GENERATION: u16 = 1;

pub(crate) const ERROR: u16 = 2;
pub(crate) const DONE: u16 = 3;

pub(crate) const REQUEST: u16 = 0x1;
pub(crate) const ACKNOWLEDGE: u16 = 0x4;
pub(crate) const DUMP_INTERRUPTED: u16 = 0x10;
pub(crate) const DUMP: u16 = 0x300;
pub(crate) const REPLACE: u16 = 0x100;
pub(crate) const EXCLUSIVE: u16 = 0x200;
pub(crate) const CREATE: u16 = 0x400;
pub(crate) const APPEND: u16 = 0x800;
/// In an error: the request is cut to its header. In any answer: extended attributes follow.
const CAPPED: u16 = 0x100;
const EXTENDED: u16 = 0x200;

const fn nftables(message: u16) -> u16 {
    SUBSYSTEM_NFTABLES << 8 | message
}

pub(crate) const NEW_TABLE: u16 = nftables(0);
pub(crate) const GET_TABLE: u16 = nftables(1);
pub(crate) const DELETE_TABLE: u16 = nftables(2);
pub(crate) const NEW_CHAIN: u16 = nftables(3);
pub(crate) const GET_CHAIN: u16 = nftables(4);
pub(crate) const DELETE_CHAIN: u16 = nftables(5);
pub(crate) const NEW_RULE: u16 = nftables(6);
pub(crate) const GET_RULE: u16 = nftables(7);
pub(crate) const DELETE_RULE: u16 = nftables(8);
pub(crate) const NEW_SET: u16 = nftables(9);
pub(crate) const GET_SET: u16 = nftables(10);
pub(crate) const DELETE_SET: u16 = nftables(11);
pub(crate) const NEW_ELEMENT: u16 = nftables(12);
pub(crate) const GET_ELEMENT: u16 = nftables(13);
pub(crate) const DELETE_ELEMENT: u16 = nftables(14);
pub(crate) const NEW_GENERATION: u16 = nftables(15);
pub(crate) const GET_GENERATION: u16 = nftables(16);
pub(crate) const NEW_OBJECT: u16 = nftables(18);
pub(crate) const GET_OBJECT: u16 = nftables(19);
pub(crate) const DELETE_OBJECT: u16 = nftables(20);

/// The kernel's answer to one request: errno 0 acknowledges it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) errno: i32,
    /// Sequence number of the request.
    pub(crate) sequence: u32,
    /// What the kernel says about it.
    pub(crate) text: Option<String>,
    /// The attribute it objects to, in bytes from the start of the request.
    pub(crate) offset: Option<u32>,
}

impl Answer {
    /// Reads an ERROR or DONE message.
    pub(crate) fn read(message: &Message<'_>) -> Option<Self> {
        let (code, rest) = message.payload.split_first_chunk::<4>()?;
        let errno = i32::from_ne_bytes(*code).checked_neg()?;
        if message.kind == DONE {
            let (text, offset) = read_extension(message, rest);
            return Some(Self {
                errno,
                sequence: message.sequence,
                text,
                offset,
            });
        }
        let (request, rest) = rest.split_first_chunk::<HEADER_LENGTH>()?;
        let &[l0, l1, l2, l3, _, _, _, _, s0, s1, s2, s3, _, _, _, _] = request;
        let rest = if message.flags & CAPPED != 0 {
            rest
        } else {
            // Without NETLINK_CAP_ACK the whole request comes back before the attributes.
            let length = usize::try_from(u32::from_ne_bytes([l0, l1, l2, l3])).ok()?;
            let skip = length.saturating_sub(HEADER_LENGTH).next_multiple_of(4);
            rest.get(skip..).unwrap_or_default()
        };
        let (text, offset) = read_extension(message, rest);
        Some(Self {
            errno,
            sequence: u32::from_ne_bytes([s0, s1, s2, s3]),
            text,
            offset,
        })
    }
}

fn read_extension(message: &Message<'_>, attributes: &[u8]) -> (Option<String>, Option<u32>) {
    if message.flags & EXTENDED == 0 {
        return (None, None);
    }
    let Some([_, text, offset]) = known_fields::<3>(attributes) else {
        return (None, None);
    };
    let offset = offset
        .and_then(|value| value.try_into().ok())
        .map(u32::from_ne_bytes);
    (text.map(read_name), offset)
}

/// Bytes before the first attribute of a netfilter message.
pub(crate) const ATTRIBUTES_OFFSET: usize = HEADER_LENGTH + FAMILY_HEADER_LENGTH;
