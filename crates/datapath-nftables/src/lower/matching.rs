//! Small pieces of rules: loads, comparisons and what ends a rule. Knows offsets in headers and
//! nftables' registers; which pieces make a rule is left to its users.

use nftables::{
    BitOperation, Comparison, ConnectionKey, Expression, ExtensionKind, Log, LookupResult, MetaKey,
    ObjectKind, PayloadBase, Register, Reject, Verdict,
};

use super::names::{LEARN_GROUP, LOG_GROUP};

const R: [Register; 16] = [
    Register::R0,
    Register::R1,
    Register::R2,
    Register::R3,
    Register::R4,
    Register::R5,
    Register::R6,
    Register::R7,
    Register::R8,
    Register::R9,
    Register::R10,
    Register::R11,
    Register::R12,
    Register::R13,
    Register::R14,
    Register::R15,
];

/// A rule in the making: its expressions in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Matching {
    pub(crate) expressions: Vec<Expression>,
    /// Slots of the concatenated key loaded so far.
    slot: usize,
}

/// Where a field is loaded from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Load {
    Meta(MetaKey, u32),
    Link(u32, u32),
    Network(u32, u32),
    Transport(u32, u32),
}

impl Load {
    pub(crate) const IIF: Self = Self::Meta(MetaKey::InputInterface, 4);
    pub(crate) const OIF: Self = Self::Meta(MetaKey::OutputInterface, 4);
    pub(crate) const INPUT_BRIDGE: Self = Self::Meta(MetaKey::BridgeInputName, 16);
    pub(crate) const OUTPUT_BRIDGE: Self = Self::Meta(MetaKey::BridgeOutputName, 16);
    pub(crate) const PROTOCOL: Self = Self::Meta(MetaKey::Protocol, 2);
    pub(crate) const L4PROTO: Self = Self::Meta(MetaKey::TransportProtocol, 1);
    pub(crate) const PACKET_TYPE: Self = Self::Meta(MetaKey::PacketType, 1);
    pub(crate) const ETHER_DESTINATION: Self = Self::Link(0, 6);
    pub(crate) const ETHER_SOURCE: Self = Self::Link(6, 6);
    pub(crate) const ETHER_TYPE: Self = Self::Link(12, 2);
    pub(crate) const IP4_FRAGMENT: Self = Self::Network(6, 2);
    pub(crate) const IP4_SOURCE: Self = Self::Network(12, 4);
    pub(crate) const IP4_DESTINATION: Self = Self::Network(16, 4);
    pub(crate) const IP6_LENGTH: Self = Self::Network(4, 2);
    pub(crate) const IP6_NEXT_HEADER: Self = Self::Network(6, 1);
    pub(crate) const IP6_SOURCE: Self = Self::Network(8, 16);
    pub(crate) const IP6_DESTINATION: Self = Self::Network(24, 16);
    pub(crate) const ARP_SENDER_MAC: Self = Self::Network(8, 6);
    pub(crate) const ARP_SENDER_IP: Self = Self::Network(14, 4);
    pub(crate) const ARP_TARGET_IP: Self = Self::Network(24, 4);
    pub(crate) const PORTS: Self = Self::Transport(0, 4);
    pub(crate) const DESTINATION_PORT: Self = Self::Transport(2, 2);
    pub(crate) const ICMP_TYPE: Self = Self::Transport(0, 1);

    /// Three bytes at a time go the way that refuses later fragments (nft_payload_eval).
    pub(crate) const UDP_HEADER_END: Self = Self::Transport(5, 3);
    pub(crate) const ICMPV6_HEADER_END: Self = Self::Transport(1, 3);

    fn length(self) -> u32 {
        match self {
            Self::Meta(_, length)
            | Self::Link(_, length)
            | Self::Network(_, length)
            | Self::Transport(_, length) => length,
        }
    }

    fn into(self, destination: Register) -> Expression {
        let payload = |base, offset, length| Expression::Payload {
            base,
            offset,
            length,
            destination,
        };
        match self {
            Self::Meta(key, _) => Expression::Meta { key, destination },
            Self::Link(offset, length) => payload(PayloadBase::Link, offset, length),
            Self::Network(offset, length) => payload(PayloadBase::Network, offset, length),
            Self::Transport(offset, length) => payload(PayloadBase::Transport, offset, length),
        }
    }
}

impl Matching {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    fn push(mut self, expression: Expression) -> Self {
        self.expressions.push(expression);
        self
    }

    pub(crate) fn with(mut self, expressions: &[Expression]) -> Self {
        self.expressions.extend_from_slice(expressions);
        self
    }

    pub(crate) fn compare(self, load: Load, operator: Comparison, value: &[u8]) -> Self {
        self.push(load.into(Register::R0))
            .push(Expression::Compare {
                source: Register::R0,
                operator,
                value: value.to_vec(),
            })
    }

    pub(crate) fn equal(self, load: Load, value: &[u8]) -> Self {
        self.compare(load, Comparison::Equal, value)
    }

    /// True where the bytes are there at all: a load that fails ends the rule without a match.
    pub(crate) fn readable(self, load: Load) -> Self {
        let zero = vec![0; load.length() as usize];
        self.compare(load, Comparison::GreaterOrEqual, &zero)
    }

    pub(crate) fn range(self, load: Load, invert: bool, from: &[u8], to: &[u8]) -> Self {
        self.push(load.into(Register::R0)).push(Expression::Range {
            source: Register::R0,
            invert,
            from: from.to_vec(),
            to: to.to_vec(),
        })
    }

    pub(crate) fn masked(
        self,
        load: Load,
        mask: &[u8],
        operator: Comparison,
        value: &[u8],
    ) -> Self {
        self.push(load.into(Register::R0))
            .push(mask_register(mask))
            .push(Expression::Compare {
                source: Register::R0,
                operator,
                value: value.to_vec(),
            })
    }

    pub(crate) fn masked_range(
        self,
        load: Load,
        mask: &[u8],
        invert: bool,
        from: &[u8],
        to: &[u8],
    ) -> Self {
        self.push(load.into(Register::R0))
            .push(mask_register(mask))
            .push(Expression::Range {
                source: Register::R0,
                invert,
                from: from.to_vec(),
                to: to.to_vec(),
            })
    }

    /// Loads the next part of a concatenated key.
    pub(crate) fn key(mut self, load: Load) -> Self {
        if let Some(register) = R.get(self.slot) {
            self.expressions.push(load.into(*register));
        }
        self.slot += load.length().div_ceil(4) as usize;
        self
    }

    /// Looks the loaded key up.
    pub(crate) fn lookup(mut self, set: &str, result: LookupResult) -> Self {
        self.slot = 0;
        self.push(Expression::Lookup {
            set: set.to_owned(),
            source: Register::R0,
            result,
        })
    }

    /// Decides as the verdict map says; where it says nothing the rule does not match.
    pub(crate) fn vmap(self, set: &str) -> Vec<Expression> {
        self.lookup(set, LookupResult::Verdict).expressions
    }

    pub(crate) fn present(self, set: &str) -> Self {
        self.lookup(set, LookupResult::Present)
    }

    pub(crate) fn absent(self, set: &str) -> Self {
        self.lookup(set, LookupResult::Absent)
    }

    pub(crate) fn ether_type(self, value: u16) -> Self {
        self.equal(Load::ETHER_TYPE, &value.to_be_bytes())
    }

    pub(crate) fn protocol(self, value: u16) -> Self {
        self.equal(Load::PROTOCOL, &value.to_be_bytes())
    }

    pub(crate) fn l4proto(self, value: u8) -> Self {
        self.equal(Load::L4PROTO, &[value])
    }

    /// True for IP that nftables can read: `meta l4proto` of a malformed packet ends the rule.
    pub(crate) fn well_formed(self) -> Self {
        self.readable(Load::L4PROTO)
    }

    /// Of what [`Self::well_formed_arp`] matches all but ARP for 255.255.255.255, at the least cost: the
    /// kernel has a short way to compare for (in)equality, and none for `>=`.
    pub(crate) fn usual_arp(self) -> Self {
        self.ether_type(0x0806)
            .equal(Load::Network(0, 4), &[0, 1, 8, 0])
            .equal(Load::Network(4, 2), &[6, 4])
            .compare(Load::ARP_TARGET_IP, Comparison::NotEqual, &[0xff; 4])
    }

    /// Looks up the low half of an interface index in a set of such halves; true where the high
    /// half is zero. A set of two-byte keys is a bitmap (nft_set_bitmap), which a thousand ports share
    /// the few cache lines of.
    pub(crate) fn low_index(mut self, interface: Load, set: &str) -> Self {
        let high = 0xffff_0000_u32.to_ne_bytes();
        self = self.key(interface).present(set);
        self.push(mask_register(&high)).push(Expression::Compare {
            source: Register::R0,
            operator: Comparison::Equal,
            value: vec![0; 4],
        })
    }

    /// ARP for IPv4 on Ethernet, all there.
    pub(crate) fn well_formed_arp(self) -> Self {
        // Two loads of sizes that the kernel has a short way for, where one of six bytes has none.
        self.equal(Load::Network(0, 4), &[0, 1, 8, 0])
            .equal(Load::Network(4, 2), &[6, 4])
            .readable(Load::ARP_TARGET_IP)
    }

    pub(crate) fn later_fragment_4(self) -> Self {
        self.masked(
            Load::IP4_FRAGMENT,
            &[0x1f, 0xff],
            Comparison::NotEqual,
            &[0, 0],
        )
    }

    pub(crate) fn later_fragment_6(self) -> Self {
        self.push(Expression::ExtensionHeader {
            kind: ExtensionKind::Ipv6,
            header: 44,
            offset: 2,
            length: 2,
            presence: false,
            destination: Register::R0,
        })
        .push(mask_register(&[0xff, 0xf8]))
        .push(Expression::Compare {
            source: Register::R0,
            operator: Comparison::NotEqual,
            value: vec![0, 0],
        })
    }

    /// One of these bits of `ct state`.
    pub(crate) fn connection(self, states: u32) -> Self {
        self.push(Expression::Connection {
            key: ConnectionKey::State,
            direction: None,
            destination: Register::R0,
        })
        .push(mask_register(&states.to_ne_bytes()))
        .push(Expression::Compare {
            source: Register::R0,
            operator: Comparison::NotEqual,
            value: vec![0; 4],
        })
    }

    pub(crate) fn set_zone(self, zone: u16) -> Self {
        self.push(Expression::Immediate {
            destination: Register::R0,
            value: zone.to_ne_bytes().to_vec(),
        })
        .push(Expression::SetConnection {
            key: ConnectionKey::Zone,
            direction: None,
            source: Register::R0,
        })
    }

    pub(crate) fn counter(self, name: &str) -> Self {
        self.push(Expression::Object {
            kind: ObjectKind::COUNTER,
            name: name.to_owned(),
        })
    }

    pub(crate) fn limit_map(self, set: &str) -> Self {
        self.push(Expression::ObjectMap {
            set: set.to_owned(),
            source: Register::R0,
        })
    }

    pub(crate) fn limited(self, limit: nftables::Limit) -> Self {
        self.push(Expression::Limit(limit))
    }

    /// Reports the frame on the log group: at most 127 bytes of prefix fit.
    pub(crate) fn log(self, what: &str, id: &str) -> Self {
        let mut prefix = format!("{what} {id}");
        prefix.truncate(127);
        self.push(Expression::Log(Log::Group {
            group: LOG_GROUP,
            prefix,
            snapshot: None,
            queue_threshold: 0,
        }))
    }

    /// Reports the first bytes of the frame's packet to whoever learns addresses, as often as the
    /// port's own limit in this map lets it. Decides nothing.
    pub(crate) fn teach(self, interface: Load, limits: &str, bytes: u32) -> Vec<Expression> {
        self.key(interface)
            .limit_map(limits)
            .push(Expression::Log(Log::Group {
                group: LEARN_GROUP,
                prefix: limits.to_owned(),
                snapshot: Some(bytes),
                queue_threshold: 0,
            }))
            .expressions
    }

    pub(crate) fn verdict(self, verdict: Verdict) -> Vec<Expression> {
        self.push(Expression::Verdict(verdict)).expressions
    }

    pub(crate) fn accept(self) -> Vec<Expression> {
        self.verdict(Verdict::Accept)
    }

    pub(crate) fn goto(self, chain: &str) -> Vec<Expression> {
        self.verdict(Verdict::goto(chain))
    }

    pub(crate) fn jump(self, chain: &str) -> Vec<Expression> {
        self.verdict(Verdict::jump(chain))
    }

    pub(crate) fn returns(self) -> Vec<Expression> {
        self.verdict(Verdict::Return)
    }

    /// Counts under this name, reports, and drops.
    pub(crate) fn refuse(self, id: &str) -> Vec<Expression> {
        self.counter(id).log("drop", id).verdict(Verdict::Drop)
    }

    pub(crate) fn reject(self, how: Reject) -> Vec<Expression> {
        self.push(Expression::Reject(how)).expressions
    }
}

fn mask_register(mask: &[u8]) -> Expression {
    Expression::Bitwise {
        source: Register::R0,
        destination: Register::R0,
        operation: BitOperation::MaskXor {
            mask: mask.to_vec(),
            xor: vec![0; mask.len()],
        },
    }
}
