//! Elements of sets and maps: keys, ranges, data, and what they carry.

use crate::expression::{
    Expression, read_expression, read_expressions, write_expression, write_expressions,
};
use crate::table::{read_userdata, write_userdata};
use crate::userdata::UserData;
use crate::verdict::{Data, Verdict, read_data, read_value, write_value, write_verdict};
use crate::wire::{Attributes, Writer, known_fields, read_name, read_u32, read_u64};

/// What a map has for a key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ElementData {
    /// A verdict.
    Verdict(Verdict),
    /// Bytes.
    Value(Vec<u8>),
    /// The name of an object.
    Object(String),
}

/// An element of a set or map.
///
/// Ranges: a concatenated key has its last value in `key_end`. A plain key (with the interval flag) has two
/// elements, the first value, and the first value behind the range with `interval_end` and no data; a range that
/// reaches the greatest value has no end.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Element {
    /// The key: each part from a multiple of 4 bytes on, padding zero. Empty for the catch-all element.
    pub key: Vec<u8>,
    /// Last key of a range of concatenated keys.
    pub key_end: Option<Vec<u8>>,
    /// This is where a range of plain keys ends.
    pub interval_end: bool,
    /// This element is for every key that no other has.
    pub catch_all: bool,
    /// What the map has for it.
    pub data: Option<ElementData>,
    /// Milliseconds it lives, if other than the set says.
    pub timeout: Option<u64>,
    /// What it carries (counter, limit …). The kernel gives an element without any those of its set.
    pub expressions: Vec<Expression>,
    /// Comment.
    pub userdata: UserData,
}

impl Element {
    /// An element of a set.
    #[must_use]
    pub fn new(key: Vec<u8>) -> Self {
        Self {
            key,
            ..Self::default()
        }
    }

    /// An element of a verdict map.
    #[must_use]
    pub fn verdict(key: Vec<u8>, verdict: Verdict) -> Self {
        Self {
            data: Some(ElementData::Verdict(verdict)),
            ..Self::new(key)
        }
    }

    /// An element of a map of values.
    #[must_use]
    pub fn value(key: Vec<u8>, value: Vec<u8>) -> Self {
        Self {
            data: Some(ElementData::Value(value)),
            ..Self::new(key)
        }
    }

    /// An element of an object map.
    #[must_use]
    pub fn object(key: Vec<u8>, name: impl Into<String>) -> Self {
        Self {
            data: Some(ElementData::Object(name.into())),
            ..Self::new(key)
        }
    }

    /// The first key behind a range of plain keys.
    #[must_use]
    pub fn end_of_interval(key: Vec<u8>) -> Self {
        Self {
            interval_end: true,
            ..Self::new(key)
        }
    }

    /// The same element up to and including `last`: for concatenated keys.
    #[must_use]
    pub fn up_to(mut self, last: Vec<u8>) -> Self {
        self.key_end = Some(last);
        self
    }

    /// The same element with a comment: see [`UserData::comment`].
    #[must_use]
    pub fn with_comment(mut self, comment: &str) -> Self {
        self.userdata = UserData::comment(comment);
        self
    }

    /// The same element without what traffic changed: see [`Expression::without_state`].
    #[must_use]
    pub fn without_state(&self) -> Self {
        let mut element = self.clone();
        element
            .expressions
            .iter_mut()
            .for_each(Expression::clear_state);
        element
    }
}

pub(crate) const LIST_TABLE: u16 = 1;
pub(crate) const LIST_SET: u16 = 2;
pub(crate) const LIST_ELEMENTS: u16 = 3;
const LIST_ELEMENT: u16 = 1;

const KEY: u16 = 1;
const DATA: u16 = 2;
const FLAGS: u16 = 3;
const TIMEOUT: u16 = 4;
const USERDATA: u16 = 6;
const EXPRESSION: u16 = 7;
const OBJECT: u16 = 9;
const KEY_END: u16 = 10;
const EXPRESSIONS: u16 = 11;

const FLAG_INTERVAL_END: u32 = 1;
const FLAG_CATCH_ALL: u32 = 2;

impl Element {
    /// As one entry of an element list.
    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.nest(LIST_ELEMENT, |writer| {
            self.write_key_and_flags(writer);
            match &self.data {
                None => {}
                Some(ElementData::Verdict(verdict)) => write_verdict(writer, DATA, verdict),
                Some(ElementData::Value(value)) => write_value(writer, DATA, value),
                Some(ElementData::Object(name)) => writer.string(OBJECT, name),
            }
            if let Some(timeout) = self.timeout {
                writer.u64(TIMEOUT, timeout);
            }
            write_userdata(writer, USERDATA, &self.userdata);
            match self.expressions.as_slice() {
                [] => {}
                [single] => writer.nest(EXPRESSION, |writer| write_expression(writer, single)),
                several => write_expressions(writer, EXPRESSIONS, several),
            }
        });
    }

    /// As one entry of a list of elements to remove.
    pub(crate) fn write_reference(&self, writer: &mut Writer) {
        writer.nest(LIST_ELEMENT, |writer| self.write_key_and_flags(writer));
    }

    fn write_key_and_flags(&self, writer: &mut Writer) {
        if !self.key.is_empty() {
            write_value(writer, KEY, &self.key);
        }
        if let Some(end) = &self.key_end {
            write_value(writer, KEY_END, end);
        }
        let flags = if self.interval_end {
            FLAG_INTERVAL_END
        } else {
            0
        } | if self.catch_all { FLAG_CATCH_ALL } else { 0 };
        if flags != 0 {
            writer.u32(FLAGS, flags);
        }
    }

    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let [
            _,
            key,
            data,
            flags,
            timeout,
            _,
            userdata,
            single,
            _,
            object,
            key_end,
            several,
        ] = known_fields::<12>(bytes)?;
        let flags = flags.map_or(Some(0), read_u32)?;
        let data = match (data, object) {
            (Some(data), _) => Some(match read_data(data)? {
                Data::Value(value) => ElementData::Value(value),
                Data::Verdict(verdict) => ElementData::Verdict(verdict),
            }),
            (None, Some(name)) => Some(ElementData::Object(read_name(name))),
            (None, None) => None,
        };
        Some(Self {
            key: key.map_or(Some(Vec::new()), read_value)?,
            key_end: match key_end {
                Some(end) => Some(read_value(end)?),
                None => None,
            },
            interval_end: flags & FLAG_INTERVAL_END != 0,
            catch_all: flags & FLAG_CATCH_ALL != 0,
            data,
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
        })
    }
}

/// Table name, set name and elements of a NEWSETELEM or DELSETELEM message.
pub(crate) fn read_elements(bytes: &[u8]) -> Option<(String, String, Vec<Element>)> {
    let [_, table, set, elements] = known_fields::<4>(bytes)?;
    let elements = Attributes::new(elements.unwrap_or_default())
        .map(|element| Element::read(element.ok()?.1))
        .collect::<Option<Vec<Element>>>()?;
    Some((read_name(table?), read_name(set?), elements))
}
