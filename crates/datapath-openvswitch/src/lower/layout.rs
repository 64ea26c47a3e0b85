//! Which table and which register holds what; one place, so that a reader of `ovs-ofctl dump-flows`
//! and the code agree.

use crate::flow::{Action, Bits, Cube};

/// Where every frame begins: whose port it came in at.
pub const ENTRY: u8 = 0;
/// What cannot be read.
pub const FITNESS: u8 = 40;
/// Which sets of addresses the packet's source is in, then its destination.
pub const SOURCE_SETS: u8 = 41;
pub const DESTINATION_SETS: u8 = 42;
/// A sender's own addresses.
pub const SENDER: u8 = 43;
/// What a sender never says: DHCP and router messages, and others' neighbour discovery.
pub const SPEECH: u8 = 44;
/// A receiver's tags.
pub const RECEIVER: u8 = 45;
/// Who may reach a receiver: its behaviour names sets of MACs, which are looked up here.
pub const MACS: u8 = 47;
pub const REACHED: u8 = 48;
/// DHCP answers towards ports that learn from them.
pub const SERVERS: u8 = 49;
/// What kind of frame it is for the order of decision.
pub const CLASS: u8 = 50;
/// What the tracker says of the frame's connection.
pub const STATE: u8 = 51;
/// The lists of a behaviour in their order.
pub const LISTS: u8 = 52;
pub const RULES: u8 = 53;
/// What follows from the rules, or from there being none.
pub const DECISION: u8 = 54;
/// Where a frame goes that its sender may send.
pub const FORWARD: u8 = 55;
/// Where uplinks' MACs were last seen.
pub const LEARNED: u8 = 56;
/// Everywhere in the frame's VLAN that may have it.
pub const FLOOD: u8 = 58;
/// Where a frame goes whose receiver may have it.
pub const DELIVERY: u8 = 57;
/// What follows from what the tracker said.
pub const TRACKED: u8 = 59;
/// Makes a connection known that both ends accept; for a frame to nobody's port, that its sender
/// accepts.
pub const COMMIT: u8 = 60;
pub const COMMIT_SENDER: u8 = 61;
/// Zones of ports that have none of their own: that of whom they talk to.
pub const ZONES: u8 = 62;
/// MACs of managed ports: what a bond whose other end does not know of it may give back.
pub const REFLECTED: u8 = 63;
/// Puts the tag on that a receiver sees, or that the frame's VLAN has, where there is one.
pub const TAG_VIEW: u8 = 64;
pub const TAG_DOMAIN: u8 = 65;

/// Every table that is ours.
pub const TABLES: [u8; 26] = [
    ENTRY,
    FITNESS,
    SOURCE_SETS,
    DESTINATION_SETS,
    SENDER,
    SPEECH,
    RECEIVER,
    MACS,
    REACHED,
    SERVERS,
    CLASS,
    STATE,
    LISTS,
    RULES,
    DECISION,
    FORWARD,
    LEARNED,
    FLOOD,
    DELIVERY,
    TRACKED,
    COMMIT,
    COMMIT_SENDER,
    ZONES,
    REFLECTED,
    TAG_VIEW,
    TAG_DOMAIN,
];

/// What the rules say so far: 0 nothing.
pub const OUTCOME: Bits = Bits::new(0, 0, 8);
pub const VERDICT: Bits = Bits::new(0, 0, 2);
pub const ACCEPT: u32 = 1;
pub const DROP: u32 = 2;
/// One bit for each class of frames.
pub const CLASSES: Bits = Bits::new(0, 2, 5);
pub const CLASS_ARP: Bits = Bits::new(0, 2, 1);
pub const CLASS_ND: Bits = Bits::new(0, 3, 1);
pub const CLASS_DHCP: Bits = Bits::new(0, 4, 1);
pub const CLASS_PACKET: Bits = Bits::new(0, 5, 1);
pub const CLASS_OTHER: Bits = Bits::new(0, 6, 1);
/// The frame belongs to a connection that is not new.
pub const KNOWN: Bits = Bits::new(0, 7, 1);
/// 1: towards a port.
pub const INWARD: Bits = Bits::new(0, 8, 1);
pub const MALFORMED: Bits = Bits::new(0, 9, 1);
/// A set of the receiver's isolation has the frame's source.
pub const MEMBER: Bits = Bits::new(0, 10, 1);
/// The sender is a port of the program.
pub const MANAGED: Bits = Bits::new(0, 11, 1);
pub const GUARD_IPV4: Bits = Bits::new(0, 12, 1);
pub const GUARD_IPV6: Bits = Bits::new(0, 13, 1);
pub const GUARD_ARP: Bits = Bits::new(0, 14, 1);
pub const GUARD_ND: Bits = Bits::new(0, 15, 1);
pub const GUARD_DHCP: Bits = Bits::new(0, 16, 1);
pub const GUARD_RA: Bits = Bits::new(0, 17, 1);
/// DHCP clients work without a rule.
pub const DHCP_CLIENT: Bits = Bits::new(0, 18, 1);
/// The behaviour tracks connections.
pub const STATEFUL: Bits = Bits::new(0, 19, 1);
/// The frame begins a connection in the sender's zone, which must be made known on delivery.
pub const BEGINS: Bits = Bits::new(0, 20, 1);
/// The tracker finds no connection that it fits.
pub const INVALID: Bits = Bits::new(0, 21, 1);
/// The tracker was asked in the sender's zone.
pub const ASKED: Bits = Bits::new(0, 22, 1);
/// The connection is known, but was accepted by rules that have changed since.
pub const AGAIN: Bits = Bits::new(0, 24, 1);
/// As [`BEGINS`], in the receiver's zone.
pub const BEGINS_INWARD: Bits = Bits::new(0, 23, 1);

/// The port or the group of ports that the frame goes to.
pub const TARGET: Bits = Bits::new(1, 0, 32);
/// Where `LEARNED` puts what it knows.
pub const TARGET_PORT: Bits = Bits::new(1, 0, 16);
pub const BEHAVIOUR: Bits = Bits::new(2, 0, 32);
/// The tag as sender or receiver see it: VLAN id, bit 12 for "there is one", priority.
pub const VIEW: Bits = Bits::new(3, 0, 16);
/// The list, or the set of MACs, that is looked at.
pub const SUBJECT: Bits = Bits::new(4, 0, 32);
/// Header fields that cannot be matched under a mask where they are.
pub const ETHER_TYPE: Bits = Bits::new(5, 0, 16);
pub const ARP_OPERATION: Bits = Bits::new(5, 16, 16);
pub const PROTOCOL: Bits = Bits::new(5, 0, 8);
pub const ICMP_TYPE: Bits = Bits::new(5, 8, 8);
pub const ICMP_CODE: Bits = Bits::new(5, 16, 8);
/// The zones of sender and receiver; 0: that of whom it talks to.
pub const ZONE: Bits = Bits::new(6, 0, 16);
pub const RECEIVER_ZONE: Bits = Bits::new(6, 16, 16);
/// What the rules of sender and receiver come to, as one number: another one where they changed.
pub const GENERATION: Bits = Bits::new(8, 0, 32);
pub const RECEIVER_GENERATION: Bits = Bits::new(9, 0, 32);
/// The VLAN that the frame is in, as in [`VIEW`]; 0: none.
pub const DOMAIN: Bits = Bits::new(7, 0, 16);
/// Of that, what tells domains from each other.
pub const DOMAIN_ID: Bits = Bits::new(7, 0, 13);
/// Registers whose bits say which sets of addresses the packet's ends are in.
pub const SET_REGISTERS: std::ops::Range<u8> = 10..16;

/// The bond that the frame came from, by its number; 0: none.
pub const ORIGIN: Bits = Bits::new(7, 16, 16);

/// A flag of register 0 as a match.
pub fn flag(bits: Bits, set: bool) -> Cube {
    Cube::any().bits(bits, u32::from(set))
}

/// Loads all bits of a flag.
pub fn raise(bits: Bits) -> Action {
    Action::Load(bits, 1)
}
