//! Tables, chains and rules as plain data, and how the kernel reads and reports them.

use crate::expression::{Expression, read_expressions, write_expressions};
use crate::userdata::UserData;
use crate::wire::{Writer, known_fields, read_string, read_u32, read_u64};

/// Which packets a table sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Any, where one asks for several (0).
    Unspecified,
    /// IPv4 and IPv6 (1).
    Inet,
    /// IPv4 (2).
    Ipv4,
    /// ARP (3).
    Arp,
    /// A device's ingress and egress (5).
    Netdev,
    /// What bridges carry (7).
    Bridge,
    /// IPv6 (10).
    Ipv6,
    /// Another number.
    Other(u8),
}

impl Family {
    /// The kernel's number.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Unspecified => 0,
            Self::Inet => 1,
            Self::Ipv4 => 2,
            Self::Arp => 3,
            Self::Netdev => 5,
            Self::Bridge => 7,
            Self::Ipv6 => 10,
            Self::Other(number) => number,
        }
    }

    /// The family with that number.
    #[must_use]
    pub const fn from_number(number: u8) -> Self {
        match number {
            0 => Self::Unspecified,
            1 => Self::Inet,
            2 => Self::Ipv4,
            3 => Self::Arp,
            5 => Self::Netdev,
            7 => Self::Bridge,
            10 => Self::Ipv6,
            other => Self::Other(other),
        }
    }

    /// As nft writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unspecified => "unspec",
            Self::Inet => "inet",
            Self::Ipv4 => "ip",
            Self::Arp => "arp",
            Self::Netdev => "netdev",
            Self::Bridge => "bridge",
            Self::Ipv6 => "ip6",
            Self::Other(_) => "unknown",
        }
    }
}

/// A table's family and name: what every other operation names it by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableId {
    /// Its family.
    pub family: Family,
    /// Its name, unique in the family, at most 255 bytes.
    pub name: String,
}

impl TableId {
    /// The table of that name in that family.
    #[must_use]
    pub fn new(family: Family, name: impl Into<String>) -> Self {
        Self {
            family,
            name: name.into(),
        }
    }
}

impl std::fmt::Display for TableId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} {}", self.family.name(), self.name)
    }
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Table {
    /// Family and name.
    pub id: TableId,
    /// Flags as the kernel numbers them: 1 dormant, 2 owned by a process (gone when its socket closes).
    pub flags: u32,
    /// Comment.
    pub userdata: UserData,
}

impl Table {
    /// A table without flags and comment.
    #[must_use]
    pub const fn new(id: TableId) -> Self {
        Self {
            id,
            flags: 0,
            userdata: UserData::none(),
        }
    }
}

/// Something the kernel holds, with the handle it gave it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Installed<T> {
    /// Unique among its kind within the table, never reused while the table lives.
    pub handle: u64,
    /// What it is.
    pub value: T,
}

/// Where in a packet's way a base chain stands. The numbers differ by family; these are of the bridge, IP and
/// inet families. In the netdev family only [`HookPoint::Prerouting`] (ingress) and [`HookPoint::Input`]
/// (egress) exist, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HookPoint {
    /// Before it is decided where the packet goes (0).
    Prerouting,
    /// To this host (1).
    Input,
    /// Through this host (2).
    Forward,
    /// From this host (3).
    Output,
    /// When it is decided where the packet goes (4).
    Postrouting,
    /// Another number.
    Other(u32),
}

impl HookPoint {
    /// The kernel's number.
    #[must_use]
    pub const fn number(self) -> u32 {
        match self {
            Self::Prerouting => 0,
            Self::Input => 1,
            Self::Forward => 2,
            Self::Output => 3,
            Self::Postrouting => 4,
            Self::Other(number) => number,
        }
    }

    /// The hook with that number.
    #[must_use]
    pub const fn from_number(number: u32) -> Self {
        match number {
            0 => Self::Prerouting,
            1 => Self::Input,
            2 => Self::Forward,
            3 => Self::Output,
            4 => Self::Postrouting,
            other => Self::Other(other),
        }
    }
}

/// What makes a chain a base chain: packets enter it by themselves.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hook {
    /// Where.
    pub point: HookPoint,
    /// In which order among the chains there: lowest first.
    pub priority: i32,
    /// The device, in the netdev family.
    pub device: Option<String>,
    /// `filter`, `route` or `nat`.
    pub kind: String,
    /// What becomes of a packet that no rule decided.
    pub policy: Policy,
}

impl Hook {
    /// A filter hook whose chain accepts or drops what no rule decides.
    #[must_use]
    pub fn filter(point: HookPoint, priority: i32, policy: Policy) -> Self {
        Self {
            point,
            priority,
            device: None,
            kind: "filter".to_owned(),
            policy,
        }
    }
}

/// A base chain's last word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Policy {
    /// Pass.
    Accept,
    /// Drop.
    Drop,
}

/// A chain.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Chain {
    /// Its name, unique in the table, at most 255 bytes.
    pub name: String,
    /// Its hook; without one, packets come only by jump and goto.
    pub hook: Option<Hook>,
    /// Comment.
    pub userdata: UserData,
}

impl Chain {
    /// A chain that is only jumped to.
    #[must_use]
    pub fn regular(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            hook: None,
            userdata: UserData::none(),
        }
    }

    /// A base chain.
    #[must_use]
    pub fn base(name: impl Into<String>, hook: Hook) -> Self {
        Self {
            name: name.into(),
            hook: Some(hook),
            userdata: UserData::none(),
        }
    }
}

/// A rule. Its place among its chain's rules is given by the operation that adds it, and by the order of a dump.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rule {
    /// The chain it is in.
    pub chain: String,
    /// What it does, in order; at most 128.
    pub expressions: Vec<Expression>,
    /// Comment.
    pub userdata: UserData,
}

impl Rule {
    /// A rule without a comment.
    #[must_use]
    pub fn new(chain: impl Into<String>, expressions: Vec<Expression>) -> Self {
        Self {
            chain: chain.into(),
            expressions,
            userdata: UserData::none(),
        }
    }

    /// The same rule with a comment: see [`UserData::comment`].
    #[must_use]
    pub fn with_comment(mut self, comment: &str) -> Self {
        self.userdata = UserData::comment(comment);
        self
    }

    /// The same rule without what traffic changed: see [`Expression::without_state`].
    #[must_use]
    pub fn without_state(&self) -> Self {
        let mut rule = self.clone();
        rule.expressions
            .iter_mut()
            .for_each(Expression::clear_state);
        rule
    }
}

pub(crate) const TABLE_NAME: u16 = 1;
const TABLE_FLAGS: u16 = 2;
const TABLE_USERDATA: u16 = 6;

impl Table {
    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.string(TABLE_NAME, &self.id.name);
        writer.u32(TABLE_FLAGS, self.flags);
        write_userdata(writer, TABLE_USERDATA, &self.userdata);
    }

    pub(crate) fn read(family: u8, bytes: &[u8]) -> Option<Installed<Self>> {
        let [_, name, flags, _, handle, _, userdata] = known_fields::<7>(bytes)?;
        Some(Installed {
            handle: handle.map_or(Some(0), read_u64)?,
            value: Self {
                id: TableId::new(Family::from_number(family), read_string(name?)?),
                flags: flags.map_or(Some(0), read_u32)?,
                userdata: read_userdata(userdata),
            },
        })
    }
}

pub(crate) fn write_userdata(writer: &mut Writer, kind: u16, userdata: &UserData) {
    if !userdata.is_empty() {
        writer.attribute(kind, userdata.as_bytes());
    }
}

pub(crate) fn read_userdata(value: Option<&[u8]>) -> UserData {
    UserData::from_bytes(value.unwrap_or_default().to_vec())
}

pub(crate) const CHAIN_TABLE: u16 = 1;
pub(crate) const CHAIN_NAME: u16 = 3;
const CHAIN_HOOK: u16 = 4;
const CHAIN_POLICY: u16 = 5;
const CHAIN_TYPE: u16 = 7;
const CHAIN_USERDATA: u16 = 12;
const HOOK_NUMBER: u16 = 1;
const HOOK_PRIORITY: u16 = 2;
const HOOK_DEVICE: u16 = 3;

impl Chain {
    pub(crate) fn write(&self, writer: &mut Writer, table: &str) {
        writer.string(CHAIN_TABLE, table);
        writer.string(CHAIN_NAME, &self.name);
        if let Some(hook) = &self.hook {
            writer.nest(CHAIN_HOOK, |writer| {
                writer.u32(HOOK_NUMBER, hook.point.number());
                writer.attribute(HOOK_PRIORITY, &hook.priority.to_be_bytes());
                if let Some(device) = &hook.device {
                    writer.string(HOOK_DEVICE, device);
                }
            });
            writer.u32(
                CHAIN_POLICY,
                match hook.policy {
                    Policy::Drop => 0,
                    Policy::Accept => 1,
                },
            );
            writer.string(CHAIN_TYPE, &hook.kind);
        }
        write_userdata(writer, CHAIN_USERDATA, &self.userdata);
    }

    /// Table name and chain of a NEWCHAIN or DELCHAIN message.
    pub(crate) fn read(bytes: &[u8]) -> Option<(String, Installed<Self>)> {
        let [
            _,
            table,
            handle,
            name,
            hook,
            policy,
            _,
            kind,
            _,
            _,
            _,
            _,
            userdata,
        ] = known_fields::<13>(bytes)?;
        let hook = match hook {
            Some(hook) => Some(read_hook(hook, policy, kind)?),
            None => None,
        };
        let chain = Self {
            name: read_string(name?)?,
            hook,
            userdata: read_userdata(userdata),
        };
        Some((
            read_string(table?)?,
            Installed {
                handle: handle.map_or(Some(0), read_u64)?,
                value: chain,
            },
        ))
    }
}

fn read_hook(hook: &[u8], policy: Option<&[u8]>, kind: Option<&[u8]>) -> Option<Hook> {
    let [_, number, priority, device] = known_fields::<4>(hook)?;
    Some(Hook {
        point: HookPoint::from_number(read_u32(number?)?),
        priority: i32::from_ne_bytes(read_u32(priority?)?.to_ne_bytes()),
        device: match device {
            Some(device) => Some(read_string(device)?),
            None => None,
        },
        kind: kind.map_or(Some(String::new()), read_string)?,
        policy: match policy.map_or(Some(1), read_u32)? {
            0 => Policy::Drop,
            _ => Policy::Accept,
        },
    })
}

pub(crate) const RULE_TABLE: u16 = 1;
pub(crate) const RULE_CHAIN: u16 = 2;
pub(crate) const RULE_HANDLE: u16 = 3;
const RULE_EXPRESSIONS: u16 = 4;
pub(crate) const RULE_POSITION: u16 = 6;
const RULE_USERDATA: u16 = 7;

impl Rule {
    pub(crate) fn write(&self, writer: &mut Writer, table: &str) {
        writer.string(RULE_TABLE, table);
        writer.string(RULE_CHAIN, &self.chain);
        write_expressions(writer, RULE_EXPRESSIONS, &self.expressions);
        write_userdata(writer, RULE_USERDATA, &self.userdata);
    }

    /// Table name and rule of a NEWRULE or DELRULE message.
    pub(crate) fn read(bytes: &[u8]) -> Option<(String, Installed<Self>)> {
        let [_, table, chain, handle, expressions, _, _, userdata] = known_fields::<8>(bytes)?;
        let rule = Self {
            chain: read_string(chain?)?,
            expressions: read_expressions(expressions.unwrap_or_default())?,
            userdata: read_userdata(userdata),
        };
        Some((
            read_string(table?)?,
            Installed {
                handle: handle.map_or(Some(0), read_u64)?,
                value: rule,
            },
        ))
    }
}
