//! Notices what anybody changes in nf_tables. Knows what changed, not whether it should have.

use std::io;
use std::time::Duration;

use crate::chain::Chain;
use crate::element::{Element, read_elements};
use crate::message::{
    DELETE_CHAIN, DELETE_ELEMENT, DELETE_OBJECT, DELETE_RULE, DELETE_SET, DELETE_TABLE, NEW_CHAIN,
    NEW_ELEMENT, NEW_GENERATION, NEW_OBJECT, NEW_RULE, NEW_SET, NEW_TABLE,
};
use crate::object::Object;
use crate::rule::Rule;
use crate::set::Set;
use crate::socket::{Socket, Wait};
use crate::table::{Family, Installed, Table, TableId};
use crate::wire::{Message, Messages, known_fields, read_name, read_u32};

/// NFNLGRP_NFTABLES.
const GROUP: i32 = 7;
const RECEIVE_RESERVE: usize = 8 << 20;

/// A subscription to changes, in the network namespace of the thread that opened it. It reports everybody's, this
/// process's own too: [`Event::Generation`] tells who made them.
#[derive(Debug)]
pub struct Monitor {
    socket: Socket,
    waiting: std::collections::VecDeque<Event>,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// One thing was added, changed or removed.
    Changed {
        /// Whether it is gone.
        change: Change,
        /// The table it is in.
        table: TableId,
        /// What.
        subject: Subject,
    },
    /// A batch is complete: what was reported before it belongs to it.
    Generation {
        /// The ruleset's generation now.
        id: u32,
        /// Process that committed it, as the monitor's process id namespace numbers it.
        process: Option<u32>,
        /// Name of that process (of the thread, at most 15 bytes).
        name: Option<String>,
    },
    /// Something this crate does not know (flow tables …), with the kernel's message number.
    Unknown(u16),
    /// More happened than the socket could hold: read the table.
    Lost,
}

/// Whether something came or went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Change {
    /// Added, or changed.
    Added,
    /// Removed.
    Removed,
}

/// What came or went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// The table itself.
    Table(Installed<Table>),
    /// A chain.
    Chain(Installed<Chain>),
    /// A rule.
    Rule(Installed<Rule>),
    /// A set or map.
    Set(Installed<Set>),
    /// Elements of a set or map.
    Elements {
        /// The set.
        set: String,
        /// The elements.
        elements: Vec<Element>,
    },
    /// A named object.
    Object(Installed<Object>),
}

impl Monitor {
    /// Subscribes.
    ///
    /// # Errors
    /// As socket(2) and setsockopt(2): needs CAP_NET_ADMIN in the network namespace.
    pub fn open() -> io::Result<Self> {
        let socket = Socket::open()?;
        socket.reserve_receive(RECEIVE_RESERVE);
        socket.join(GROUP)?;
        Ok(Self {
            socket,
            waiting: std::collections::VecDeque::new(),
        })
    }

    /// What a datagram of nf_tables messages says, whoever it came from: pure, for replay and fuzzing.
    #[must_use]
    pub fn read_datagram(datagram: &[u8]) -> Vec<Event> {
        Messages::new(datagram)
            .map(|message| read_event(&message))
            .collect()
    }

    /// The next event; `None` if none came in time.
    ///
    /// # Errors
    /// As recv(2), but for overrun, which is [`Event::Lost`].
    pub fn next_event(&mut self, timeout: Duration) -> io::Result<Option<Event>> {
        if let Some(event) = self.waiting.pop_front() {
            return Ok(Some(event));
        }
        match self.socket.receive(Wait::For(timeout)) {
            Ok(Some(datagram)) => {
                self.waiting.extend(Self::read_datagram(datagram));
                Ok(self.waiting.pop_front())
            }
            Ok(None) => Ok(None),
            Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => Ok(Some(Event::Lost)),
            Err(error) => Err(error),
        }
    }
}

impl std::os::fd::AsFd for Monitor {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

pub(crate) fn read_event(message: &Message<'_>) -> Event {
    read_known(message).unwrap_or(Event::Unknown(message.kind))
}

fn read_known(message: &Message<'_>) -> Option<Event> {
    let (family, attributes) = message.family_and_attributes()?;
    if message.kind == NEW_GENERATION {
        let [_, id, process, name] = known_fields::<4>(attributes)?;
        return Some(Event::Generation {
            id: read_u32(id?)?,
            process: process.and_then(read_u32),
            name: name.map(read_name),
        });
    }
    let change = match message.kind {
        NEW_TABLE | NEW_CHAIN | NEW_RULE | NEW_SET | NEW_ELEMENT | NEW_OBJECT => Change::Added,
        _ => Change::Removed,
    };
    let (table, subject) = match message.kind {
        NEW_TABLE | DELETE_TABLE => {
            let table = Table::read(family, attributes)?;
            (table.value.id.name.clone(), Subject::Table(table))
        }
        NEW_CHAIN | DELETE_CHAIN => {
            let (table, chain) = Chain::read(attributes)?;
            (table, Subject::Chain(chain))
        }
        NEW_RULE | DELETE_RULE => {
            let (table, rule) = Rule::read(attributes)?;
            (table, Subject::Rule(rule))
        }
        NEW_SET | DELETE_SET => {
            let (table, set) = Set::read(attributes)?;
            (table, Subject::Set(set))
        }
        NEW_ELEMENT | DELETE_ELEMENT => {
            let (table, set, elements) = read_elements(attributes)?;
            (table, Subject::Elements { set, elements })
        }
        NEW_OBJECT | DELETE_OBJECT => {
            let (table, handle, value) = Object::read(attributes)?;
            (table, Subject::Object(Installed { handle, value }))
        }
        _ => return None,
    };
    Some(Event::Changed {
        change,
        table: TableId::new(Family::from_number(family), table),
        subject,
    })
}
