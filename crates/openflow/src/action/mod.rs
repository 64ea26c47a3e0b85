//! What a flow does with a packet: OpenFlow's actions and Open vSwitch's, as values. Their bytes are in the modules
//! below, their text in [`text`](crate::text), and when they run is told by [`Instruction`](crate::Instruction).

mod codec;
mod conntrack;
mod controller;
mod learn;
mod nicira;
mod spread;
mod standard;

use std::net::{Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use crate::field::{Field, FieldMatch, Subfield};
use crate::port_number::PortNumber;
use crate::version::Version;
use crate::wire::{DecodeError, EncodeError, Reader, Writer};

/// One action. Where a version lacks an action but can say the same otherwise, writing does so as Open vSwitch does:
/// [`as_sent`](Self::as_sent) tells what reads back.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Sends the packet out of a port.
    Output {
        /// Where to.
        port: PortNumber,
        /// To a controller: bytes of the packet sent, `0xffff` for all. Else of no meaning.
        max_len: u16,
    },
    /// Sends the packet to the port whose number stands in a field.
    OutputRegister {
        /// Where the number stands.
        source: Subfield,
        /// As in `Output`.
        max_len: u16,
    },
    /// Sends the packet's first bytes out of a port.
    OutputTruncated {
        /// Where to.
        port: PortNumber,
        /// How many bytes.
        max_len: u32,
    },
    /// Sends the packet to controllers, and says more than `Output` can.
    Controller(Controller),
    /// Sends the packet through a queue of a port (1.0).
    Enqueue {
        /// Where to.
        port: PortNumber,
        /// The port's queue.
        queue: u32,
    },
    /// Hands the packet to a group.
    Group(u32),
    /// Hands the packet to a meter (1.5; before that it is an instruction).
    Meter(u32),
    /// Has later outputs use a queue.
    SetQueue(u32),
    /// Has later outputs use the queue that was there at first.
    PopQueue,
    /// Sets a field, or those bits of it that the mask has.
    SetField(FieldMatch),
    /// Sets a run of at most 64 bits (`load`).
    Load {
        /// The bits.
        target: Subfield,
        /// Their value.
        value: u64,
    },
    /// Sets a field, or some of its bits, by Open vSwitch's action for fields of any width (`reg_load2`).
    LoadField(FieldMatch),
    /// Copies bits (`move`, `copy_field`); both runs have the same length.
    Move {
        /// From here.
        source: Subfield,
        /// To here.
        target: Subfield,
    },
    /// Adds a VLAN tag of this ethertype.
    PushVlan(u16),
    /// Takes the outermost VLAN tag off (`strip_vlan`, `pop_vlan`).
    PopVlan,
    /// Adds an MPLS label of this ethertype.
    PushMpls(u16),
    /// Takes the outermost MPLS label off; the payload gets this ethertype.
    PopMpls(u16),
    /// Adds a provider backbone header of this ethertype. Open vSwitch has it not.
    PushPbb(u16),
    /// Takes the provider backbone header off. Open vSwitch has it not.
    PopPbb,
    /// Sets the VLAN id; in 1.0 a tag is added if there is none.
    SetVlanVid(u16),
    /// Sets the VLAN priority; in 1.0 a tag is added if there is none.
    SetVlanPcp(u8),
    /// Sets the source MAC in the manner of 1.0.
    SetEthSrc([u8; 6]),
    /// Sets the destination MAC in the manner of 1.0.
    SetEthDst([u8; 6]),
    /// Sets the source IPv4 address in the manner of 1.0.
    SetIpv4Src(Ipv4Addr),
    /// Sets the destination IPv4 address in the manner of 1.0.
    SetIpv4Dst(Ipv4Addr),
    /// Sets the DSCP in the manner of 1.0: the TOS byte with its two lowest bits zero.
    SetIpTos(u8),
    /// Sets the ECN bits in the manner of 1.1.
    SetIpEcn(u8),
    /// Sets the TTL or hop limit.
    SetIpTtl(u8),
    /// Sets the TCP, UDP or SCTP source port in the manner of 1.0.
    SetTransportSrc(u16),
    /// Sets the TCP, UDP or SCTP destination port in the manner of 1.0.
    SetTransportDst(u16),
    /// Sets the outermost MPLS label in the manner of 1.1.
    SetMplsLabel(u32),
    /// Sets the outermost MPLS traffic class in the manner of 1.1.
    SetMplsTc(u8),
    /// Sets the outermost MPLS TTL.
    SetMplsTtl(u8),
    /// Counts the outermost MPLS TTL down.
    DecMplsTtl,
    /// Counts the TTL or hop limit down; a packet whose TTL runs out goes to controllers and no further.
    DecTtl,
    /// The same, naming the controllers by their ids.
    DecTtlIds(Vec<u16>),
    /// Copies the TTL outwards. Open vSwitch has it not.
    CopyTtlOut,
    /// Copies the TTL inwards. Open vSwitch has it not.
    CopyTtlIn,
    /// Counts the service header's TTL down.
    DecNshTtl,
    /// Looks the packet up in a table and does what it finds, then goes on here.
    Resubmit {
        /// As if it came in at this port; `None` leaves the port.
        port: Option<PortNumber>,
        /// In this table; `None` is the present one.
        table: Option<u8>,
        /// With source and destination of the connection's first packet.
        original_tuple: bool,
    },
    /// Sets the tunnel key in Open vSwitch's own way.
    SetTunnel {
        /// The key.
        id: u64,
        /// Written with 64 bits even if 32 are enough.
        wide: bool,
    },
    /// Adds a flow built from the packet.
    Learn(Box<Learn>),
    /// Says that one dimension of a conjunction matched.
    Conjunction {
        /// Which conjunction.
        id: u32,
        /// Which dimension, from 0; text counts from 1.
        clause: u8,
        /// How many dimensions there are, 2 to 64.
        clauses: u8,
    },
    /// Does nothing and keeps bytes; their number is 6, 14, 22 and so on, zeros fill up.
    Note(#[serde(with = "crate::text::hexadecimal")] Vec<u8>),
    /// Does nothing of what follows (in resubmitted tables: there alone).
    Exit,
    /// Shortens this flow's timeouts once TCP FIN or RST is seen; seconds.
    FinTimeout {
        /// Idle timeout from then on.
        idle: u16,
        /// Hard timeout from then on.
        hard: u16,
    },
    /// Sets metadata as the instruction of that name does, where instructions are not (1.0).
    WriteMetadata {
        /// The value.
        value: u64,
        /// The bits written.
        mask: u64,
    },
    /// Puts bits onto the stack.
    StackPush(Subfield),
    /// Takes bits off the stack.
    StackPop(Subfield),
    /// Samples packets to IPFIX collectors.
    Sample(Sample),
    /// Does actions on a copy of the packet.
    Clone(Vec<Self>),
    /// Hands the packet to the connection tracker.
    Ct(Box<Ct>),
    /// Forgets what the connection tracker said of the packet.
    CtClear,
    /// Within `Ct`: translates addresses.
    Nat(Nat),
    /// Chooses a number by a hash of the packet.
    Multipath(Multipath),
    /// Chooses a port by a hash of the packet, and outputs or writes it.
    Bundle(Bundle),
    /// Writes whether the packet is longer than this into one bit.
    CheckPacketLarger {
        /// Bytes.
        length: u16,
        /// The bit.
        target: Subfield,
    },
    /// Takes a tunnel option away.
    DeleteField(Field),
    /// What this crate does not know, kept as it came.
    Opaque(OpaqueAction),
}

/// An action that this crate does not know.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct OpaqueAction {
    /// Its type; `0xffff` is an experimenter's.
    pub kind: u16,
    /// All that follows type and length; 4 bytes beyond a multiple of 8.
    #[serde(with = "crate::text::hexadecimal")]
    pub body: Vec<u8>,
}

/// Why and how a packet goes to controllers.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Controller {
    /// Bytes of the packet sent, `0xffff` for all.
    pub max_len: u16,
    /// Which controllers, by the id they gave themselves.
    pub controller_id: u16,
    /// The reason they are told.
    pub reason: PacketInReason,
    /// Bytes they are given along.
    #[serde(default, with = "crate::text::hexadecimal")]
    pub userdata: Vec<u8>,
    /// Whether the packet waits until a controller resumes it.
    pub pause: bool,
    /// The meter that limits how many go.
    pub meter: Option<u32>,
}

impl Default for Controller {
    fn default() -> Self {
        Self {
            max_len: 0xffff,
            controller_id: 0,
            reason: PacketInReason::Action,
            userdata: Vec::new(),
            pause: false,
            meter: None,
        }
    }
}

/// Why a switch sends a packet to its controllers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum PacketInReason {
    /// No flow matched.
    NoMatch = 0,
    /// An action said so.
    Action = 1,
    /// The TTL ran out.
    InvalidTtl = 2,
    /// The action set said so (1.4).
    ActionSet = 3,
    /// A group said so (1.4).
    Group = 4,
    /// A packet-out said so (1.4).
    PacketOut = 5,
}

impl PacketInReason {
    /// Every reason.
    pub const ALL: [Self; 6] = [
        Self::NoMatch,
        Self::Action,
        Self::InvalidTtl,
        Self::ActionSet,
        Self::Group,
        Self::PacketOut,
    ];

    /// The number on the wire.
    #[must_use]
    pub const fn wire(self) -> u8 {
        self as u8
    }

    /// The reason that a number on the wire means.
    #[must_use]
    pub fn from_wire(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.wire() == number)
    }

    /// The name in text, such as `invalid_ttl`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoMatch => "no_match",
            Self::Action => "action",
            Self::InvalidTtl => "invalid_ttl",
            Self::ActionSet => "action_set",
            Self::Group => "group",
            Self::PacketOut => "packet_out",
        }
    }
}

/// How the connection tracker treats a packet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Ct {
    /// Makes the connection known.
    pub commit: bool,
    /// Commits in this direction whatever direction was committed before; needs `commit`.
    pub force: bool,
    /// In which zone.
    pub zone: CtZone,
    /// The table that a tracked copy of the packet goes to; `None` has no copy.
    pub table: Option<u8>,
    /// The application protocol followed: 21 is FTP, 69 TFTP, 0 none.
    pub alg: u16,
    /// What is done once the packet is tracked: setting `ct_mark` and `ct_label`, and `Nat`.
    pub actions: Vec<Action>,
}

/// A zone of the connection tracker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CtZone {
    /// This one.
    Number(u16),
    /// The one whose number stands in a field.
    Field(Subfield),
}

impl Default for CtZone {
    fn default() -> Self {
        Self::Number(0)
    }
}

/// How addresses and ports are translated. Everything empty translates as the connection was before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Nat {
    /// Which side is translated; `None` follows the connection.
    pub side: Option<NatSide>,
    /// The addresses to choose from.
    pub addresses: NatAddresses,
    /// The ports to choose from; without an end just the first.
    pub ports: Option<(u16, Option<u16>)>,
    /// Keeps the choice over restarts.
    pub persistent: bool,
    /// Chooses the port by hash.
    pub hash: bool,
    /// Chooses the port at random.
    pub random: bool,
}

/// Which side of a connection is translated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NatSide {
    /// The source.
    Source,
    /// The destination.
    Destination,
}

/// Addresses to choose from; without an end just the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NatAddresses {
    /// Not told.
    #[default]
    Any,
    /// First and last IPv4 address.
    Ipv4(Ipv4Addr, Option<Ipv4Addr>),
    /// First and last IPv6 address.
    Ipv6(Ipv6Addr, Option<Ipv6Addr>),
}

/// A flow to be added, built from the packet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Learn {
    /// Idle timeout in seconds; 0 is none.
    pub idle_timeout: u16,
    /// Hard timeout in seconds; 0 is none.
    pub hard_timeout: u16,
    /// Idle timeout once TCP FIN or RST is seen.
    pub fin_idle_timeout: u16,
    /// Hard timeout once TCP FIN or RST is seen.
    pub fin_hard_timeout: u16,
    /// The flow's priority.
    pub priority: u16,
    /// The flow's cookie.
    pub cookie: u64,
    /// The table it goes to.
    pub table: u8,
    /// Whether its end is told.
    pub send_flow_removed: bool,
    /// Whether it goes when the flow that learned it goes.
    pub delete_learned: bool,
    /// At most so many flows with this cookie in this table; 0 is no limit.
    pub limit: u32,
    /// A bit that tells whether a flow was learned.
    pub result: Option<Subfield>,
    /// What the flow matches and does.
    pub specs: Vec<LearnSpec>,
}

/// One part of a learned flow.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LearnSpec {
    /// What the bits are.
    pub source: LearnSource,
    /// What they are for.
    pub target: LearnTarget,
}

/// Where bits of a learned flow come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LearnSource {
    /// The packet.
    Field(Subfield),
    /// Given here: as many as the target has.
    #[serde(with = "crate::text::number")]
    Value(u128),
}

/// What bits of a learned flow are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LearnTarget {
    /// The flow matches on them.
    Match(Subfield),
    /// The flow sets them.
    Load(Subfield),
    /// The flow outputs to the port of that number; the source is a field.
    Output,
}

/// Which packets are sampled, and to whom.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Sample {
    /// Of 65535 packets so many; at least 1.
    pub probability: u16,
    /// The collector set.
    pub collector_set: u32,
    /// The observation domain told.
    pub domain: u32,
    /// The observation point told.
    pub point: u32,
    /// The port through which the packet is sampled.
    pub sampling_port: Option<PortNumber>,
    /// Whether that was on its way in or out.
    pub direction: SampleDirection,
}

/// Where on its way a packet is sampled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum SampleDirection {
    /// Not told.
    #[default]
    Default = 0,
    /// On its way in.
    Ingress = 1,
    /// On its way out.
    Egress = 2,
}

/// Which parts of a packet a hash is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u16)]
pub enum HashFields {
    /// Source MAC.
    EthSrc = 0,
    /// MACs, VLAN, ethertype, addresses, protocol, ports, whatever the direction.
    SymmetricL4 = 1,
    /// Addresses, protocol and TCP and SCTP ports, whatever the direction.
    SymmetricL3L4 = 2,
    /// The same with UDP ports.
    SymmetricL3L4Udp = 3,
    /// Source address.
    NwSrc = 4,
    /// Destination address.
    NwDst = 5,
    /// Addresses, whatever the direction.
    SymmetricL3 = 6,
}

/// How a hash becomes a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u16)]
pub enum MultipathAlgorithm {
    /// Remainder.
    ModuloN = 0,
    /// Share of the hash's range.
    HashThreshold = 1,
    /// Highest random weight.
    Hrw = 2,
    /// Iterative hash.
    IterHash = 3,
}

/// Chooses one of several links by a hash.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Multipath {
    /// Over what the hash is.
    pub fields: HashFields,
    /// What the hash starts from.
    pub basis: u16,
    /// How it becomes a link.
    pub algorithm: MultipathAlgorithm,
    /// The highest link; the lowest is 0.
    pub max_link: u16,
    /// The algorithm's argument.
    pub argument: u32,
    /// Where the link is written.
    pub target: Subfield,
}

/// Chooses one of several ports by a hash.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Bundle {
    /// Over what the hash is.
    pub fields: HashFields,
    /// What the hash starts from.
    pub basis: u16,
    /// Takes the one with the highest random weight instead of the first that is up.
    pub highest_random_weight: bool,
    /// The ports.
    pub members: Vec<PortNumber>,
    /// Where the port's number is written; `None` outputs.
    pub target: Option<Subfield>,
}

impl Action {
    /// Outputs to a port.
    #[must_use]
    pub fn output(port: impl Into<PortNumber>) -> Self {
        Self::Output {
            port: port.into(),
            max_len: 0,
        }
    }

    /// Goes on in another table and comes back.
    #[must_use]
    pub const fn resubmit(table: u8) -> Self {
        Self::Resubmit {
            port: None,
            table: Some(table),
            original_tuple: false,
        }
    }

    /// Sets all of a field.
    #[must_use]
    pub fn set_field(field: Field, value: impl crate::field::IntoBits) -> Self {
        Self::SetField(FieldMatch::exact(field, value))
    }

    /// Appends actions as `version` writes them. On error nothing was appended.
    pub fn encode_list(
        actions: &[Self],
        version: Version,
        writer: &mut Writer,
    ) -> Result<(), EncodeError> {
        let start = writer.len();
        codec::encode_list(actions, version, writer, 0).inspect_err(|_| writer.truncate(start))
    }

    /// Reads actions until the end of `reader`.
    pub fn decode_list(
        version: Version,
        reader: &mut Reader<'_>,
    ) -> Result<Vec<Self>, DecodeError> {
        codec::decode_list(version, reader, 0)
    }

    /// The actions that read back when these were sent in `version`: what a switch has when it took them.
    pub fn as_sent(actions: &[Self], version: Version) -> Result<Vec<Self>, AsSentError> {
        let mut writer = Writer::new();
        Self::encode_list(actions, version, &mut writer)?;
        Ok(Self::decode_list(
            version,
            &mut Reader::new(writer.as_bytes()),
        )?)
    }
}

/// Why actions cannot be sent, or do not read back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AsSentError {
    /// They cannot be written.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// They cannot be read.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

#[cfg(test)]
mod tests;
