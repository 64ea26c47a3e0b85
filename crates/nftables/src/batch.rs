//! Batches: changes that take effect together or not at all. Knows how each is written, and which bytes came from
//! which change, so that a refusal can name its cause. Sends nothing.

use crate::chain::{CHAIN_NAME, CHAIN_TABLE, Chain};
use crate::element::{Element, LIST_ELEMENTS, LIST_SET, LIST_TABLE};
use crate::message::{
    ACKNOWLEDGE, APPEND, ATTRIBUTES_OFFSET, BATCH_BEGIN, BATCH_END, BATCH_GENERATION, CREATE,
    DELETE_CHAIN, DELETE_ELEMENT, DELETE_OBJECT, DELETE_RULE, DELETE_SET, DELETE_TABLE, EXCLUSIVE,
    NEW_CHAIN, NEW_ELEMENT, NEW_OBJECT, NEW_RULE, NEW_SET, NEW_TABLE, REPLACE, REQUEST,
};
use crate::object::{Object, ObjectKind};
use crate::rule::{RULE_CHAIN, RULE_HANDLE, RULE_POSITION, RULE_TABLE, Rule};
use crate::set::{SET_NAME, SET_TABLE, Set};
use crate::table::{TABLE_NAME, Table, TableId};
use crate::wire::{MessageHeader, Writer};

/// An element list is one attribute, which holds at most 65,535 bytes; beyond this a new message begins.
const ELEMENT_LIST_LIMIT: usize = 48 * 1024;
const SUBSYSTEM: u16 = NEW_TABLE >> 8;

/// Changes to commit together.
///
/// What is added must not exist yet: a batch describes the difference to a state that was read, and names its
/// generation, so anything already there means that the state was not what the batch was made for.
#[derive(Debug, Clone)]
pub struct Batch {
    writer: Writer,
    generation: Option<u32>,
    operations: Vec<Operation>,
    statistics: Statistics,
    too_long: Option<String>,
}

/// What a batch costs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Statistics {
    /// Messages, without the two that begin and end the batch.
    pub messages: usize,
    /// Set elements added or removed one by one.
    pub elements: usize,
    /// Rules added, replaced or removed one by one.
    pub rules: usize,
    /// Bytes, all messages included.
    pub bytes: usize,
}

#[derive(Debug, Clone)]
struct Operation {
    start: usize,
    description: Description,
}

#[derive(Debug, Clone)]
enum Description {
    Text(String),
    Elements {
        text: String,
        /// Where each element begins, from the start of the message.
        offsets: Vec<u32>,
    },
}

/// Where a rule goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// Behind all rules of the chain.
    Last,
    /// Before all rules of the chain.
    First,
    /// Behind the rule with that handle.
    After(u64),
    /// Before the rule with that handle.
    Before(u64),
    /// Instead of the rule with that handle.
    Instead(u64),
}

impl Batch {
    /// An empty batch. With a generation, it is refused if anything has changed since that generation was read;
    /// 0, which no ruleset has, is as none.
    #[must_use]
    pub fn new(generation: Option<u32>) -> Self {
        let mut writer = Writer::default();
        let header = MessageHeader {
            kind: BATCH_BEGIN,
            flags: REQUEST,
            resource: SUBSYSTEM,
            ..MessageHeader::default()
        };
        writer.message(header, |writer| {
            if let Some(generation) = generation {
                writer.u32(BATCH_GENERATION, generation);
            }
        });
        Self {
            writer,
            generation,
            operations: Vec::new(),
            statistics: Statistics::default(),
            too_long: None,
        }
    }

    /// The generation it is for.
    #[must_use]
    pub fn generation(&self) -> Option<u32> {
        self.generation
    }

    /// Whether it changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// What it costs.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        Statistics {
            bytes: self.writer.length(),
            ..self.statistics
        }
    }

    /// What each message does, in order.
    pub fn descriptions(&self) -> impl Iterator<Item = &str> {
        self.operations
            .iter()
            .map(|operation| match &operation.description {
                Description::Text(text) | Description::Elements { text, .. } => text.as_str(),
            })
    }

    /// Adds a table.
    pub fn add_table(&mut self, table: &Table) {
        let text = format!("add table {}", table.id);
        self.push(&table.id, NEW_TABLE, CREATE | EXCLUSIVE, text, |writer| {
            table.write(writer);
        });
    }

    /// Adds a table unless it exists; if it does, sets its flags.
    pub fn ensure_table(&mut self, table: &Table) {
        let text = format!("ensure table {}", table.id);
        self.push(&table.id, NEW_TABLE, CREATE, text, |writer| {
            table.write(writer);
        });
    }

    /// Removes a table and everything in it.
    pub fn delete_table(&mut self, table: &TableId) {
        let text = format!("delete table {table}");
        self.push(table, DELETE_TABLE, 0, text, |writer| {
            writer.string(TABLE_NAME, &table.name);
        });
    }

    /// Adds a chain.
    pub fn add_chain(&mut self, table: &TableId, chain: &Chain) {
        let text = format!("add chain {table} {}", chain.name);
        self.push(table, NEW_CHAIN, CREATE | EXCLUSIVE, text, |writer| {
            chain.write(writer, &table.name);
        });
    }

    /// Changes a chain's policy. Hook and priority cannot change: they must be as they are.
    pub fn update_chain(&mut self, table: &TableId, chain: &Chain) {
        let text = format!("update chain {table} {}", chain.name);
        self.push(table, NEW_CHAIN, 0, text, |writer| {
            chain.write(writer, &table.name);
        });
    }

    /// Removes a chain, which must be empty and nothing may jump to it.
    pub fn delete_chain(&mut self, table: &TableId, chain: &str) {
        let text = format!("delete chain {table} {chain}");
        self.push(table, DELETE_CHAIN, 0, text, |writer| {
            writer.string(CHAIN_TABLE, &table.name);
            writer.string(CHAIN_NAME, chain);
        });
    }

    /// Adds a rule.
    pub fn add_rule(&mut self, table: &TableId, rule: &Rule, place: Place) {
        let (flags, reference, what) = match place {
            Place::Last => (CREATE | APPEND, None, "add"),
            Place::First => (CREATE, None, "insert"),
            Place::After(handle) => (CREATE | APPEND, Some((RULE_POSITION, handle)), "add"),
            Place::Before(handle) => (CREATE, Some((RULE_POSITION, handle)), "insert"),
            Place::Instead(handle) => (CREATE | REPLACE, Some((RULE_HANDLE, handle)), "replace"),
        };
        let mut text = format!("{what} rule {table} {}", rule.chain);
        if let Some((_, handle)) = reference {
            text.push_str(&format!(" handle {handle}"));
        }
        if let Some(comment) = rule.userdata.as_comment() {
            text.push_str(&format!(" comment {comment:?}"));
        }
        self.statistics.rules = self.statistics.rules.saturating_add(1);
        self.push(table, NEW_RULE, flags, text, |writer| {
            rule.write(writer, &table.name);
            if let Some((attribute, handle)) = reference {
                writer.u64(attribute, handle);
            }
        });
    }

    /// Removes a rule.
    pub fn delete_rule(&mut self, table: &TableId, chain: &str, handle: u64) {
        let text = format!("delete rule {table} {chain} handle {handle}");
        self.statistics.rules = self.statistics.rules.saturating_add(1);
        self.push(table, DELETE_RULE, 0, text, |writer| {
            writer.string(RULE_TABLE, &table.name);
            writer.string(RULE_CHAIN, chain);
            writer.u64(RULE_HANDLE, handle);
        });
    }

    /// Removes all rules of a chain.
    pub fn flush_chain(&mut self, table: &TableId, chain: &str) {
        let text = format!("flush chain {table} {chain}");
        self.push(table, DELETE_RULE, 0, text, |writer| {
            writer.string(RULE_TABLE, &table.name);
            writer.string(RULE_CHAIN, chain);
        });
    }

    /// Adds a set, map or object map.
    pub fn add_set(&mut self, table: &TableId, set: &Set) {
        let text = format!("add set {table} {}", set.name);
        let identity = u32::try_from(self.operations.len())
            .unwrap_or(u32::MAX)
            .saturating_add(1);
        self.push(table, NEW_SET, CREATE | EXCLUSIVE, text, |writer| {
            set.write(writer, &table.name, identity);
        });
    }

    /// Removes a set with its elements; no rule may use it.
    pub fn delete_set(&mut self, table: &TableId, set: &str) {
        let text = format!("delete set {table} {set}");
        self.push(table, DELETE_SET, 0, text, |writer| {
            writer.string(SET_TABLE, &table.name);
            writer.string(SET_NAME, set);
        });
    }

    /// Removes all elements of a set.
    pub fn flush_set(&mut self, table: &TableId, set: &str) {
        let text = format!("flush set {table} {set}");
        self.push(table, DELETE_ELEMENT, 0, text, |writer| {
            writer.string(LIST_TABLE, &table.name);
            writer.string(LIST_SET, set);
        });
    }

    /// Adds elements to a set, in as many messages as they need.
    pub fn add_elements<'a>(
        &mut self,
        table: &TableId,
        set: &str,
        elements: impl IntoIterator<Item = &'a Element>,
    ) {
        self.push_elements(table, set, NEW_ELEMENT, elements, Element::write);
    }

    /// Removes elements from a set: only key, key end and flags matter.
    pub fn delete_elements<'a>(
        &mut self,
        table: &TableId,
        set: &str,
        elements: impl IntoIterator<Item = &'a Element>,
    ) {
        self.push_elements(
            table,
            set,
            DELETE_ELEMENT,
            elements,
            Element::write_reference,
        );
    }

    /// Adds a named object.
    pub fn add_object(&mut self, table: &TableId, object: &Object) {
        let text = format!("add object {table} {}", object.name);
        self.push(table, NEW_OBJECT, CREATE | EXCLUSIVE, text, |writer| {
            object.write(writer, &table.name);
        });
    }

    /// Removes a named object; nothing may refer to it.
    pub fn delete_object(&mut self, table: &TableId, kind: ObjectKind, name: &str) {
        let text = format!("delete object {table} {name}");
        self.push(table, DELETE_OBJECT, 0, text, |writer| {
            Object::write_name(writer, &table.name, kind, name);
        });
    }

    fn push_elements<'a>(
        &mut self,
        table: &TableId,
        set: &str,
        kind: u16,
        elements: impl IntoIterator<Item = &'a Element>,
        write: impl Fn(&Element, &mut Writer),
    ) {
        let (flags, what) = match kind {
            NEW_ELEMENT => (CREATE | EXCLUSIVE, "add"),
            _ => (0, "delete"),
        };
        let mut elements = elements.into_iter().peekable();
        while elements.peek().is_some() {
            let start = self.writer.length();
            let mut offsets = Vec::new();
            self.push(table, kind, flags, String::new(), |writer| {
                writer.string(LIST_TABLE, &table.name);
                writer.string(LIST_SET, set);
                writer.nest(LIST_ELEMENTS, |writer| {
                    let list = writer.length();
                    while writer.length().saturating_sub(list) < ELEMENT_LIST_LIMIT {
                        let Some(element) = elements.next() else {
                            break;
                        };
                        let offset = writer.length().saturating_sub(start);
                        offsets.push(u32::try_from(offset).unwrap_or(u32::MAX));
                        write(element, writer);
                    }
                });
            });
            self.statistics.elements = self.statistics.elements.saturating_add(offsets.len());
            let text = format!("{what} {} elements, {table} {set}", offsets.len());
            if let Some(operation) = self.operations.last_mut() {
                operation.description = Description::Elements { text, offsets };
            }
        }
    }

    fn push(
        &mut self,
        table: &TableId,
        kind: u16,
        flags: u16,
        text: String,
        body: impl FnOnce(&mut Writer),
    ) {
        let start = self.writer.length();
        let sequence = u32::try_from(self.operations.len())
            .unwrap_or(u32::MAX)
            .saturating_add(FIRST_SEQUENCE);
        let header = MessageHeader {
            kind,
            flags: REQUEST | flags,
            sequence,
            family: table.family.number(),
            resource: 0,
        };
        self.writer.message(header, body);
        if self.writer.take_overflow() && self.too_long.is_none() {
            self.too_long = Some(text.clone());
        }
        self.operations.push(Operation {
            start,
            description: Description::Text(text),
        });
        self.statistics.messages = self.statistics.messages.saturating_add(1);
    }
}

/// The message that begins the batch has 0.
const FIRST_SEQUENCE: u32 = 1;

/// A batch ready to send.
#[derive(Debug, Clone)]
pub(crate) struct Encoded {
    pub(crate) bytes: Vec<u8>,
    /// Sequence number of the last change, the one that asks to be acknowledged.
    pub(crate) last: u32,
}

impl Batch {
    /// The bytes to send in one piece. The last change asks for an acknowledgement, so that success is known and
    /// not only the absence of errors; the end of the batch does not, for kernels before 6.10 never give one.
    pub(crate) fn encoded(&self) -> Encoded {
        let mut writer = self.writer.clone();
        if let Some(operation) = self.operations.last() {
            writer.add_message_flags(operation.start, ACKNOWLEDGE);
        }
        let last = u32::try_from(self.operations.len()).unwrap_or(u32::MAX);
        let header = MessageHeader {
            kind: BATCH_END,
            flags: REQUEST,
            sequence: last.saturating_add(1),
            resource: SUBSYSTEM,
            ..MessageHeader::default()
        };
        writer.message(header, |_| ());
        Encoded {
            bytes: writer.into_bytes(),
            last,
        }
    }

    /// The bytes of the batch, beginning and end included.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        self.encoded().bytes
    }

    /// Index and description of the change with that sequence number, and the element that the attribute at
    /// `offset` of its message belongs to.
    pub(crate) fn describe(&self, sequence: u32, offset: Option<u32>) -> Option<(usize, String)> {
        let index = usize::try_from(sequence.checked_sub(FIRST_SEQUENCE)?).ok()?;
        let operation = self.operations.get(index)?;
        let text = match &operation.description {
            Description::Text(text) => text.clone(),
            Description::Elements { text, offsets } => {
                match offset.and_then(|offset| self.element_at(operation.start, offsets, offset)) {
                    Some(element) => format!("{text}, of which {element}"),
                    None => text.clone(),
                }
            }
        };
        Some((index, text))
    }

    fn element_at(&self, start: usize, offsets: &[u32], offset: u32) -> Option<String> {
        let position = offsets
            .partition_point(|&begin| begin <= offset)
            .checked_sub(1)?;
        let begin = usize::try_from(*offsets.get(position)?).ok()?;
        if begin < ATTRIBUTES_OFFSET {
            return None;
        }
        let bytes = self.writer.bytes().get(start.checked_add(begin)?..)?;
        let (_, value) = crate::wire::Attributes::new(bytes).next()?.ok()?;
        let element = Element::read(value)?;
        let key: Vec<String> = element
            .key
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Some(format!("number {position} with key {}", key.join(" ")))
    }

    /// The first change that does not fit its message.
    pub(crate) fn oversized(&self) -> Option<&str> {
        self.too_long.as_deref()
    }
}
