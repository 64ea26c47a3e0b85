//! How far connection tracking has come with a packet while it passes base chains. Knows when the bridge's
//! conntrack hook runs and what `notrack` and `ct zone set` leave it to do; leaves connections to the caller.

use frame::protocol::ether_type;
use frame::{Frame, Network};
use nftables::{HookPoint, connection_state};

use super::packet::ConnectionState;

/// `NF_IP_PRI_CONNTRACK`, where `nf_ct_bridge_pre` stands.
const CONNTRACK_PRIORITY: i32 = -200;

/// What the packet carries (`skb->_nfct`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tracking {
    /// Nothing yet.
    NotSeen,
    /// A template with a zone, for conntrack to use.
    Template,
    /// Conntrack has looked, or will not.
    Seen(ConnectionState),
    /// The chain stands exactly where conntrack does, and which of the two runs first is not known.
    Undetermined,
}

impl Tracking {
    pub(super) fn at(hook: HookPoint, connection: ConnectionState) -> Self {
        match hook {
            HookPoint::Prerouting => Self::NotSeen,
            _ => Self::Seen(connection),
        }
    }

    /// Before a base chain of that priority runs.
    pub(super) fn enter(&mut self, hook: HookPoint, priority: i32, connection: ConnectionState) {
        if hook != HookPoint::Prerouting || matches!(self, Self::Seen(_)) {
            return;
        }
        if priority > CONNTRACK_PRIORITY {
            *self = Self::Seen(connection);
        } else if priority == CONNTRACK_PRIORITY {
            *self = Self::Undetermined;
        }
    }

    /// What `ct state` loads; `None` if that is not determined.
    pub(super) fn state_bits(self) -> Option<u32> {
        match self {
            // Without a connection the state is invalid, unless marked untracked.
            Self::NotSeen => Some(connection_state::INVALID),
            // A template is attached as IP_CT_NEW.
            Self::Template => Some(connection_state::NEW),
            Self::Seen(state) => Some(state.bit()),
            Self::Undetermined => None,
        }
    }

    /// `nft_notrack_eval`: leaves alone what has a connection, a template included. `None` if not determined.
    pub(super) fn exempt(&mut self) -> Option<()> {
        match self {
            Self::NotSeen | Self::Seen(ConnectionState::Invalid) => {
                *self = Self::Seen(ConnectionState::Untracked);
                Some(())
            }
            Self::Template | Self::Seen(_) => Some(()),
            Self::Undetermined => None,
        }
    }

    /// `nft_ct_set_zone_eval`: only what has no connection yet gets a template; says whether it did. `None` if not
    /// determined.
    pub(super) fn attach_template(&mut self, hook: HookPoint, priority: i32) -> Option<bool> {
        match self {
            Self::NotSeen | Self::Seen(ConnectionState::Untracked | ConnectionState::Invalid) => {
                // Behind the hook nobody uses the template, but it is there, and reads as new.
                let before = hook == HookPoint::Prerouting && priority < CONNTRACK_PRIORITY;
                *self = if before {
                    Self::Template
                } else {
                    Self::Seen(ConnectionState::New)
                };
                Some(true)
            }
            Self::Template | Self::Seen(_) => Some(false),
            Self::Undetermined => None,
        }
    }
}

/// What `nf_ct_bridge_pre` makes of a frame: only IP is tracked, and what is malformed gets no connection.
pub(super) fn connection_of(frame: &Frame<'_>, claimed: ConnectionState) -> ConnectionState {
    match frame.protocol {
        ether_type::IPV4 | ether_type::IPV6 => match frame.network {
            Network::Malformed { .. } => ConnectionState::Invalid,
            _ => claimed,
        },
        _ => ConnectionState::Untracked,
    }
}
