//! Netlink bytes: writes and reads messages and attributes. Knows alignment, lengths and nesting, not what an
//! attribute means.

/// Bytes of a `struct nlmsghdr`.
pub(crate) const HEADER_LENGTH: usize = 16;
/// Bytes of a `struct nfgenmsg`, which follows the header in every netfilter message.
pub(crate) const FAMILY_HEADER_LENGTH: usize = 4;
const ATTRIBUTE_HEADER_LENGTH: usize = 4;
const NESTED: u16 = 1 << 15;
/// Type bits of an attribute, without the nested and byte-order flags.
const TYPE_MASK: u16 = 0x3fff;

/// Appends messages and attributes to a buffer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
    overflowed: bool,
}

/// What a netfilter message says before its attributes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct MessageHeader {
    pub(crate) kind: u16,
    pub(crate) flags: u16,
    pub(crate) sequence: u32,
    pub(crate) family: u8,
    pub(crate) resource: u16,
}

impl Writer {
    pub(crate) fn length(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Whether something did not fit its 16-bit length since the last call; forgets it.
    pub(crate) fn take_overflow(&mut self) -> bool {
        std::mem::take(&mut self.overflowed)
    }

    /// Writes one message whose attributes `body` appends.
    pub(crate) fn message(&mut self, header: MessageHeader, body: impl FnOnce(&mut Self)) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&header.kind.to_ne_bytes());
        self.bytes.extend_from_slice(&header.flags.to_ne_bytes());
        self.bytes.extend_from_slice(&header.sequence.to_ne_bytes());
        self.bytes.extend_from_slice(&[0; 4]); // port: the kernel fills in the sender's
        self.bytes.extend_from_slice(&[header.family, 0]); // family, NFNETLINK_V0
        self.bytes.extend_from_slice(&header.resource.to_be_bytes());
        body(self);
        self.align();
        let length = u32::try_from(self.bytes.len().saturating_sub(start)).unwrap_or(u32::MAX);
        self.patch(start, &length.to_ne_bytes());
    }

    /// Adds bits to the flags of the message that starts at `start`.
    pub(crate) fn add_message_flags(&mut self, start: usize, flags: u16) {
        let position = start.saturating_add(6);
        if let Some(&[low, high]) = self.bytes.get(position..position.saturating_add(2)) {
            let merged = u16::from_ne_bytes([low, high]) | flags;
            self.patch(position, &merged.to_ne_bytes());
        }
    }

    pub(crate) fn attribute(&mut self, kind: u16, value: &[u8]) {
        let start = self.open(kind);
        self.bytes.extend_from_slice(value);
        self.close(start);
    }

    /// A string with its terminating zero, as the kernel expects names.
    pub(crate) fn string(&mut self, kind: u16, value: &str) {
        let start = self.open(kind);
        self.bytes.extend_from_slice(value.as_bytes());
        self.bytes.push(0);
        self.close(start);
    }

    pub(crate) fn u8(&mut self, kind: u16, value: u8) {
        self.attribute(kind, &[value]);
    }

    pub(crate) fn u16(&mut self, kind: u16, value: u16) {
        self.attribute(kind, &value.to_be_bytes());
    }

    pub(crate) fn u32(&mut self, kind: u16, value: u32) {
        self.attribute(kind, &value.to_be_bytes());
    }

    pub(crate) fn u64(&mut self, kind: u16, value: u64) {
        self.attribute(kind, &value.to_be_bytes());
    }

    pub(crate) fn nest(&mut self, kind: u16, body: impl FnOnce(&mut Self)) {
        let start = self.open(kind | NESTED);
        body(self);
        self.close(start);
    }

    /// Attributes that were read elsewhere, unchanged.
    pub(crate) fn raw(&mut self, attributes: &[u8]) {
        self.bytes.extend_from_slice(attributes);
        self.align();
    }

    fn open(&mut self, kind: u16) -> usize {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 2]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        start
    }

    fn close(&mut self, start: usize) {
        match u16::try_from(self.bytes.len().saturating_sub(start)) {
            Ok(length) => self.patch(start, &length.to_ne_bytes()),
            Err(_) => self.overflowed = true,
        }
        self.align();
    }

    fn align(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    fn patch(&mut self, position: usize, value: &[u8]) {
        let end = position.saturating_add(value.len());
        if let Some(place) = self.bytes.get_mut(position..end) {
            place.copy_from_slice(value);
        }
    }
}

/// One attribute: its type without flags, and its value.
pub(crate) type Attribute<'a> = (u16, &'a [u8]);

/// Walks the attributes of a message or of a nest. A malformed one is `Err(())` and ends the walk.
#[derive(Debug, Clone)]
pub(crate) struct Attributes<'a> {
    rest: &'a [u8],
}

impl<'a> Attributes<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }
}

/// An attribute's length contradicts the space it stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<Attribute<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let (attribute, rest) = match split_attribute(self.rest) {
            Some(parts) => parts,
            None => {
                self.rest = &[];
                return Some(Err(Malformed));
            }
        };
        self.rest = rest;
        Some(Ok(attribute))
    }
}

fn split_attribute(bytes: &[u8]) -> Option<(Attribute<'_>, &[u8])> {
    let (&[l0, l1, k0, k1], _) = bytes.split_first_chunk::<ATTRIBUTE_HEADER_LENGTH>()?;
    let length = usize::from(u16::from_ne_bytes([l0, l1]));
    let value = bytes.get(ATTRIBUTE_HEADER_LENGTH..length)?;
    let rest = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    Some(((u16::from_ne_bytes([k0, k1]) & TYPE_MASK, value), rest))
}

/// Attributes by type, `None` if one is malformed, doubled or unknown (type `N` or above): then the caller
/// keeps the bytes as they are, for it would lose something otherwise.
pub(crate) fn exact_fields<const N: usize>(bytes: &[u8]) -> Option<[Option<&[u8]>; N]> {
    let mut fields = [None; N];
    for attribute in Attributes::new(bytes) {
        let (kind, value) = attribute.ok()?;
        let slot = fields.get_mut(usize::from(kind))?;
        if slot.replace(value).is_some() {
            return None;
        }
    }
    Some(fields)
}

/// Attributes by type, ignoring unknown ones, which newer kernels add to their reports.
pub(crate) fn known_fields<const N: usize>(bytes: &[u8]) -> Option<[Option<&[u8]>; N]> {
    let mut fields = [None; N];
    for attribute in Attributes::new(bytes) {
        let (kind, value) = attribute.ok()?;
        if let Some(slot) = fields.get_mut(usize::from(kind)) {
            *slot = Some(value);
        }
    }
    Some(fields)
}

pub(crate) fn read_u8(value: &[u8]) -> Option<u8> {
    match value {
        [byte] => Some(*byte),
        _ => None,
    }
}

pub(crate) fn read_u16(value: &[u8]) -> Option<u16> {
    value.try_into().ok().map(u16::from_be_bytes)
}

pub(crate) fn read_u32(value: &[u8]) -> Option<u32> {
    value.try_into().ok().map(u32::from_be_bytes)
}

pub(crate) fn read_u64(value: &[u8]) -> Option<u64> {
    value.try_into().ok().map(u64::from_be_bytes)
}

/// A string without its terminating zero; `None` if it is not UTF-8.
pub(crate) fn read_string(value: &[u8]) -> Option<String> {
    String::from_utf8(until_zero(value).to_vec()).ok()
}

/// A name that somebody else may have given: what is not UTF-8 in it is replaced, lest one foreign chain make
/// everything unreadable.
pub(crate) fn read_name(value: &[u8]) -> String {
    String::from_utf8_lossy(until_zero(value)).into_owned()
}

fn until_zero(value: &[u8]) -> &[u8] {
    value.split(|&byte| byte == 0).next().unwrap_or_default()
}

/// One message as read: header fields and everything after the header.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Message<'a> {
    pub(crate) kind: u16,
    pub(crate) flags: u16,
    pub(crate) sequence: u32,
    pub(crate) payload: &'a [u8],
}

impl<'a> Message<'a> {
    /// Family and attributes of a netfilter message; `None` if it is too short to have them.
    pub(crate) fn family_and_attributes(&self) -> Option<(u8, &'a [u8])> {
        let (&[family, _, _, _], attributes) =
            self.payload.split_first_chunk::<FAMILY_HEADER_LENGTH>()?;
        Some((family, attributes))
    }
}

/// Walks the messages of a datagram; stops at the first that is cut.
#[derive(Debug, Clone)]
pub(crate) struct Messages<'a> {
    rest: &'a [u8],
}

impl<'a> Messages<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        let (header, _) = self.rest.split_first_chunk::<HEADER_LENGTH>()?;
        let &[l0, l1, l2, l3, k0, k1, f0, f1, s0, s1, s2, s3, _, _, _, _] = header;
        let length = usize::try_from(u32::from_ne_bytes([l0, l1, l2, l3])).ok()?;
        let payload = self.rest.get(HEADER_LENGTH..length)?;
        let next = length.checked_next_multiple_of(4)?;
        self.rest = self.rest.get(next..).unwrap_or_default();
        Some(Message {
            kind: u16::from_ne_bytes([k0, k1]),
            flags: u16::from_ne_bytes([f0, f1]),
            sequence: u32::from_ne_bytes([s0, s1, s2, s3]),
            payload,
        })
    }
}
