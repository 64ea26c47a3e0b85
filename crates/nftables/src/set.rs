//! Sets, maps and object maps: what their keys and data are, and how the kernel reads and reports that. Elements
//! are in [`crate::Element`].

use crate::datatype::{Datatype, concatenated_id};
use crate::expression::{
    Expression, read_expression, read_expressions, write_expression, write_expressions,
};
use crate::object::ObjectKind;
use crate::table::{Installed, read_userdata, write_userdata};
use crate::userdata::{ByteOrder, UserData};
use crate::wire::{Attributes, Writer, known_fields, read_name, read_u32, read_u64};

/// What a set is searched by: one value, or several one after another, each beginning at a multiple of 4 bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// nft's number of the datatype, which only nft cares about. A concatenation has 6 bits for each part.
    pub type_id: u32,
    /// Bytes in all, 1 to 64, padding between and after parts included.
    pub length: u32,
    /// Bytes of each part of a concatenation, without padding; empty for a plain key.
    pub fields: Vec<u32>,
}

impl Key {
    /// A key of one part, or of up to five (nft 1.0.6 has no number for more) one after another.
    #[must_use]
    pub fn of(parts: &[Datatype]) -> Self {
        match parts {
            [single] => Self {
                type_id: single.id,
                length: single.length,
                fields: Vec::new(),
            },
            several => Self {
                type_id: concatenated_id(several),
                length: several
                    .iter()
                    .map(|part| part.length.next_multiple_of(4))
                    .fold(0, u32::saturating_add),
                fields: several.iter().map(|part| part.length).collect(),
            },
        }
    }
}

/// What a set has for each key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SetData {
    /// Nothing: it is a set.
    None,
    /// A verdict.
    Verdict,
    /// A value: nft's number of its datatype and its length in bytes.
    Value {
        /// nft's number of the datatype.
        type_id: u32,
        /// Bytes.
        length: u32,
    },
    /// A named object of that kind.
    Object(ObjectKind),
}

impl SetData {
    /// Values of that datatype.
    #[must_use]
    pub const fn value(datatype: Datatype) -> Self {
        Self::Value {
            type_id: datatype.id,
            length: datatype.length,
        }
    }
}

/// What a set can do. Whether it is a map, and has a concatenated key, follows from its data and key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SetFlags {
    /// Belongs to the one rule that uses it and goes with it.
    pub anonymous: bool,
    /// Never changes once a rule uses it.
    pub constant: bool,
    /// Elements may be ranges.
    pub interval: bool,
    /// Elements may expire.
    pub timeout: bool,
    /// Rules may add elements (`dynset`).
    pub dynamic: bool,
}

/// A set, map or object map, without its elements.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Set {
    /// Its name, unique in the table, at most 255 bytes.
    pub name: String,
    /// What it is searched by.
    pub key: Key,
    /// What it has for each key.
    pub data: SetData,
    /// What it can do.
    pub flags: SetFlags,
    /// Most elements it may have; one more is refused (ENFILE). With a size a plain or concatenated set gets a hash
    /// table of that size at once, which fills faster than one that grows, and is steadier to read.
    pub size: Option<u32>,
    /// Milliseconds until an element expires that does not say.
    pub timeout: Option<u64>,
    /// What each element gets that does not bring its own (counter, limit …).
    pub expressions: Vec<Expression>,
    /// Byte order for nft's eyes, and comment.
    pub userdata: UserData,
}

impl Set {
    /// A set, or with `data` a map. Its user data tells nft the byte order of a plain key and of values.
    #[must_use]
    pub fn new(name: impl Into<String>, key: &[Datatype], data: SetData) -> Self {
        let data_order = match data {
            SetData::Value { type_id, .. } => Some(Datatype::order_of(type_id)),
            SetData::None | SetData::Verdict | SetData::Object(_) => None,
        };
        Self {
            name: name.into(),
            key: Key::of(key),
            data,
            flags: SetFlags::default(),
            size: None,
            timeout: None,
            expressions: Vec::new(),
            userdata: UserData::set(key_order(key), data_order, None),
        }
    }

    /// The same set whose elements may be ranges.
    #[must_use]
    pub fn with_intervals(mut self) -> Self {
        self.flags.interval = true;
        self
    }

    /// The same set to which rules may add elements.
    #[must_use]
    pub fn with_dynamic(mut self) -> Self {
        self.flags.dynamic = true;
        self
    }

    /// The same set whose elements may expire, after that many milliseconds if they do not say themselves.
    #[must_use]
    pub fn with_timeout(mut self, milliseconds: Option<u64>) -> Self {
        self.flags.timeout = true;
        self.timeout = milliseconds;
        self
    }

    /// The same set with room for that many elements and no more.
    #[must_use]
    pub fn with_size(mut self, size: u32) -> Self {
        self.size = Some(size);
        self
    }

    /// The same set with expressions for each element.
    #[must_use]
    pub fn with_expressions(mut self, expressions: Vec<Expression>) -> Self {
        self.expressions = expressions;
        self
    }
}

fn key_order(key: &[Datatype]) -> Option<ByteOrder> {
    match key {
        [single] => Some(single.order),
        _ => None, // nft knows the order of each part of a concatenation by its type
    }
}

const FLAG_ANONYMOUS: u32 = 0x1;
const FLAG_CONSTANT: u32 = 0x2;
const FLAG_INTERVAL: u32 = 0x4;
const FLAG_MAP: u32 = 0x8;
const FLAG_TIMEOUT: u32 = 0x10;
const FLAG_DYNAMIC: u32 = 0x20;
const FLAG_OBJECT: u32 = 0x40;
const FLAG_CONCATENATION: u32 = 0x80;
const FLAG_EXPRESSIONS: u32 = 0x100;

impl SetFlags {
    fn bits(self) -> u32 {
        [
            (self.anonymous, FLAG_ANONYMOUS),
            (self.constant, FLAG_CONSTANT),
            (self.interval, FLAG_INTERVAL),
            (self.timeout, FLAG_TIMEOUT),
            (self.dynamic, FLAG_DYNAMIC),
        ]
        .into_iter()
        .filter(|(set, _)| *set)
        .fold(0, |bits, (_, bit)| bits | bit)
    }

    fn from_bits(bits: u32) -> Self {
        Self {
            anonymous: bits & FLAG_ANONYMOUS != 0,
            constant: bits & FLAG_CONSTANT != 0,
            interval: bits & FLAG_INTERVAL != 0,
            timeout: bits & FLAG_TIMEOUT != 0,
            dynamic: bits & FLAG_DYNAMIC != 0,
        }
    }
}

pub(crate) const SET_TABLE: u16 = 1;
pub(crate) const SET_NAME: u16 = 2;
const SET_FLAGS: u16 = 3;
const SET_KEY_TYPE: u16 = 4;
const SET_KEY_LENGTH: u16 = 5;
const SET_DATA_TYPE: u16 = 6;
const SET_DATA_LENGTH: u16 = 7;
const SET_DESCRIPTION: u16 = 9;
const SET_ID: u16 = 10;
const SET_TIMEOUT: u16 = 11;
const SET_USERDATA: u16 = 13;
const SET_OBJECT_TYPE: u16 = 15;
const SET_EXPRESSION: u16 = 17;
const SET_EXPRESSIONS: u16 = 18;

const DESCRIPTION_SIZE: u16 = 1;
const DESCRIPTION_FIELDS: u16 = 2;
const FIELD: u16 = 1;
const FIELD_LENGTH: u16 = 1;

/// `NFT_DATA_VERDICT`: the data type of verdict maps.
const VERDICT_TYPE: u32 = 0xffff_ff00;

impl Set {
    /// `identity` numbers the set within its batch, as the kernel demands.
    pub(crate) fn write(&self, writer: &mut Writer, table: &str, identity: u32) {
        writer.string(SET_TABLE, table);
        writer.string(SET_NAME, &self.name);
        writer.u32(SET_FLAGS, self.flag_bits());
        writer.u32(SET_KEY_TYPE, self.key.type_id);
        writer.u32(SET_KEY_LENGTH, self.key.length);
        match self.data {
            SetData::None => {}
            SetData::Verdict => writer.u32(SET_DATA_TYPE, VERDICT_TYPE),
            SetData::Value { type_id, length } => {
                writer.u32(SET_DATA_TYPE, type_id);
                writer.u32(SET_DATA_LENGTH, length);
            }
            SetData::Object(kind) => writer.u32(SET_OBJECT_TYPE, kind.0),
        }
        writer.u32(SET_ID, identity);
        if self.size.is_some() || !self.key.fields.is_empty() {
            writer.nest(SET_DESCRIPTION, |writer| self.write_description(writer));
        }
        if let Some(timeout) = self.timeout {
            writer.u64(SET_TIMEOUT, timeout);
        }
        write_userdata(writer, SET_USERDATA, &self.userdata);
        // One expression goes under one attribute, several under another and with a flag; so does the kernel
        // report them.
        match self.expressions.as_slice() {
            [] => {}
            [single] => writer.nest(SET_EXPRESSION, |writer| write_expression(writer, single)),
            several => write_expressions(writer, SET_EXPRESSIONS, several),
        }
    }

    fn flag_bits(&self) -> u32 {
        let mut bits = self.flags.bits();
        match self.data {
            SetData::None => {}
            SetData::Verdict | SetData::Value { .. } => bits |= FLAG_MAP,
            // MAP and OBJECT together are refused (EOPNOTSUPP).
            SetData::Object(_) => bits |= FLAG_OBJECT,
        }
        if !self.key.fields.is_empty() {
            // Field lengths without this flag are refused (EINVAL).
            bits |= FLAG_CONCATENATION;
        }
        if self.expressions.len() > 1 {
            bits |= FLAG_EXPRESSIONS;
        }
        bits
    }

    fn write_description(&self, writer: &mut Writer) {
        if let Some(size) = self.size {
            writer.u32(DESCRIPTION_SIZE, size);
        }
        if !self.key.fields.is_empty() {
            writer.nest(DESCRIPTION_FIELDS, |writer| {
                for length in &self.key.fields {
                    writer.nest(FIELD, |writer| writer.u32(FIELD_LENGTH, *length));
                }
            });
        }
    }

    /// Table name and set of a NEWSET or DELSET message.
    pub(crate) fn read(bytes: &[u8]) -> Option<(String, Installed<Self>)> {
        let fields = known_fields::<19>(bytes)?;
        let number = |kind: u16| match fields.get(usize::from(kind)) {
            Some(Some(value)) => read_u32(value),
            _ => Some(0),
        };
        let [_, table, name, ..] = fields;
        let [
            ..,
            description,
            _,
            timeout,
            _,
            userdata,
            _,
            _,
            handle,
            single,
            several,
        ] = fields;
        let bits = number(SET_FLAGS)?;
        let data = if bits & FLAG_OBJECT != 0 {
            SetData::Object(ObjectKind(number(SET_OBJECT_TYPE)?))
        } else if bits & FLAG_MAP == 0 {
            SetData::None
        } else {
            match number(SET_DATA_TYPE)? {
                VERDICT_TYPE => SetData::Verdict, // its length is the size of a kernel structure
                type_id => SetData::Value {
                    type_id,
                    length: number(SET_DATA_LENGTH)?,
                },
            }
        };
        let (size, fields) = read_description(description.unwrap_or_default())?;
        let set = Self {
            name: read_name(name?),
            key: Key {
                type_id: number(SET_KEY_TYPE)?,
                length: number(SET_KEY_LENGTH)?,
                fields,
            },
            data,
            flags: SetFlags::from_bits(bits),
            size,
            timeout: match timeout {
                Some(value) => Some(read_u64(value)?),
                None => None,
            },
            expressions: match (single, several) {
                (_, Some(several)) => read_expressions(several)?,
                (Some(single), None) => vec![read_expression(single)?],
                (None, None) => Vec::new(),
            },
            userdata: read_userdata(userdata),
        };
        Some((
            read_name(table?),
            Installed {
                handle: handle.map_or(Some(0), read_u64)?,
                value: set,
            },
        ))
    }
}

fn read_description(bytes: &[u8]) -> Option<(Option<u32>, Vec<u32>)> {
    let [_, size, fields] = known_fields::<3>(bytes)?;
    let size = match size {
        Some(value) => Some(read_u32(value)?),
        None => None,
    };
    let fields = Attributes::new(fields.unwrap_or_default())
        .map(|field| {
            let [_, length] = known_fields::<2>(field.ok()?.1)?;
            read_u32(length?)
        })
        .collect::<Option<Vec<u32>>>()?;
    Some((size, fields))
}
