//! Chains and their hooks as plain data, and how the kernel reads and reports them.

use crate::table::{Installed, read_userdata, write_userdata};
use crate::userdata::UserData;
use crate::wire::{Writer, known_fields, read_name, read_u32, read_u64};

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
            name: read_name(name?),
            hook,
            userdata: read_userdata(userdata),
        };
        Some((
            read_name(table?),
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
        device: device.map(read_name),
        kind: kind.map(read_name).unwrap_or_default(),
        policy: match policy.map_or(Some(1), read_u32)? {
            0 => Policy::Drop,
            _ => Policy::Accept,
        },
    })
}
