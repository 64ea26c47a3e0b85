//! User data that nft attaches to rules, sets and elements: comments and hints for printing. The kernel only
//! stores it.

/// Longest comment that nft 1.0.6 reads and writes, in bytes.
pub const COMMENT_LIMIT: usize = 128;

/// Type-length-value records as nft writes them. Kept as bytes, so that what others attached survives.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserData(Vec<u8>);

const COMMENT: u8 = 0;
const SET_KEY_BYTE_ORDER: u8 = 0;
const SET_DATA_BYTE_ORDER: u8 = 1;
const SET_COMMENT: u8 = 7;

/// How nft is to read the bytes of a set's key or data when it prints them. The kernel does not care.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ByteOrder {
    /// As the machine does: interface indices, marks, interface names.
    Host,
    /// As the network does: addresses, ports, protocols.
    Network,
}

impl UserData {
    /// Nothing attached.
    #[must_use]
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    /// The records as they stand.
    #[must_use]
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// A comment on a table, chain, rule, object or element (sets have [`UserData::set`]). Longer text is cut to
    /// [`COMMENT_LIMIT`] bytes at a character, and ends at its first zero byte.
    #[must_use]
    pub fn comment(text: &str) -> Self {
        let mut data = Self::none();
        data.push_text(COMMENT, text);
        data
    }

    /// What nft 1.0.6 wants to know of a set. Without its byte order a plain `ifname` or `iface_index` key is
    /// printed wrongly. A concatenation has none, and neither have verdicts and objects: nft aborts if verdicts
    /// are said to be in host order.
    #[must_use]
    pub fn set(key: Option<ByteOrder>, data: Option<ByteOrder>, comment: Option<&str>) -> Self {
        let mut records = Self::none();
        if let Some(order) = key {
            records.push_order(SET_KEY_BYTE_ORDER, order);
        }
        if let Some(order) = data {
            records.push_order(SET_DATA_BYTE_ORDER, order);
        }
        if let Some(text) = comment {
            records.push_text(SET_COMMENT, text);
        }
        records
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether nothing is attached.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The comment of a table, chain, rule, object or element.
    #[must_use]
    pub fn as_comment(&self) -> Option<&str> {
        self.text(COMMENT)
    }

    /// The comment of a set.
    #[must_use]
    pub fn as_set_comment(&self) -> Option<&str> {
        self.text(SET_COMMENT)
    }

    fn text(&self, wanted: u8) -> Option<&str> {
        let mut rest = self.0.as_slice();
        while let [kind, length, tail @ ..] = rest {
            let (value, next) = tail.split_at_checked(usize::from(*length))?;
            if *kind == wanted {
                return std::str::from_utf8(value.strip_suffix(&[0])?).ok();
            }
            rest = next;
        }
        None
    }

    fn push_text(&mut self, kind: u8, text: &str) {
        let text = text.split('\0').next().unwrap_or_default();
        let text = text
            .get(..text.floor_char_boundary(COMMENT_LIMIT))
            .unwrap_or_default();
        let mut value = text.as_bytes().to_vec();
        value.push(0);
        self.push(kind, &value);
    }

    fn push_order(&mut self, kind: u8, order: ByteOrder) {
        let number: u32 = match order {
            ByteOrder::Host => 1,
            ByteOrder::Network => 2,
        };
        self.push(kind, &number.to_ne_bytes());
    }

    fn push(&mut self, kind: u8, value: &[u8]) {
        // Values are at most COMMENT_LIMIT + 1 bytes: the length fits its byte.
        let length = u8::try_from(value.len()).unwrap_or(u8::MAX);
        self.0.push(kind);
        self.0.push(length);
        self.0.extend_from_slice(value);
    }
}
