//! Flows as OpenFlow has them. Knows the names that fields have on the wire; sending them is left
//! to `session`.

use openflow::action::{
    Bundle, Ct, CtZone, HashFields, Learn, LearnSource, LearnSpec, LearnTarget,
};
use openflow::field::{Field as Named, Subfield};
use openflow::{Action as Sent, Match, PortNumber};

use crate::flow::{Action, Bits, Cube, Field};
use crate::topology::LOCAL;

/// Where a connection's label has the generations: first bits of 32.
pub const SENDER_GENERATION: u16 = 0;
pub const RECEIVER_GENERATION: u16 = 32;

/// Why a flow cannot be said in OpenFlow: a mistake in lowering, never in a program.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unspeakable {
    #[error("a match names {0:?}, which OpenFlow cannot match there")]
    Field(Field),
    #[error("register {0} does not exist, or has not these bits")]
    Register(u8),
}

/// A cube as a match.
///
/// # Errors
/// Where the cube asks for ports without saying of which protocol.
pub fn matching(cube: &Cube) -> Result<Match, Unspeakable> {
    let protocol = cube.iter().find(|(field, ..)| *field == Field::IpProtocol);
    let protocol = protocol.map(|(_, value, _)| value);
    let mut built = Match::new();
    for (field, value, mask) in cube.iter() {
        built = match field {
            Field::InPort => built.exact(Named::InPort, port(value as u16)),
            // Without the priority, which is never matched, a switch calls it this.
            Field::VlanTci => built.masked(Named::VlanVid, value, mask),
            _ => built.masked(named(field, protocol)?, value, mask),
        };
    }
    Ok(built)
}

/// Actions as actions.
///
/// # Errors
/// Where they name registers that do not exist.
pub fn actions(actions: &[Action]) -> Result<Vec<Sent>, Unspeakable> {
    actions.iter().map(action).collect()
}

fn action(action: &Action) -> Result<Sent, Unspeakable> {
    Ok(match action {
        Action::Output(number) => Sent::output(port(*number)),
        Action::OutputOne { members, spread } => Sent::Bundle(Bundle {
            fields: HashFields::EthSrc,
            basis: 0,
            highest_random_weight: *spread,
            members: members.iter().map(|number| port(*number)).collect(),
            target: None,
        }),
        Action::Load(bits, value) => Sent::Load {
            target: part(*bits)?,
            value: u64::from(*value),
        },
        Action::Read(field, bits) => Sent::Move {
            source: Subfield::whole(named(*field, None)?),
            target: part(*bits)?,
        },
        Action::Copy { from, to } => Sent::Move {
            source: part(*from)?,
            target: part(*to)?,
        },
        Action::WriteTag(bits) => Sent::Move {
            source: part(*bits)?,
            target: Subfield::whole(Named::VlanTci),
        },
        Action::PushTag => Sent::PushVlan(0x8100),
        Action::StripTag => Sent::PopVlan,
        Action::Resubmit(table) => Sent::resubmit(*table),
        Action::Clone(inner) => Sent::Clone(actions(inner)?),
        Action::Learn(spec) => Sent::Learn(Box::new(learn(spec)?)),
        Action::Track { zone, table } => Sent::Ct(Box::new(Ct {
            zone: CtZone::Field(part(*zone)?),
            table: Some(*table),
            ..Ct::default()
        })),
        Action::Commit {
            zone,
            sender,
            receiver,
            mark: (first, length, value),
        } => Sent::Ct(Box::new(Ct {
            commit: true,
            zone: CtZone::Field(part(*zone)?),
            actions: vec![
                Sent::Move {
                    source: part(*sender)?,
                    target: label(SENDER_GENERATION)?,
                },
                Sent::Move {
                    source: part(*receiver)?,
                    target: label(RECEIVER_GENERATION)?,
                },
                Sent::Load {
                    target: Subfield::new(Named::CtMark, *first, *length)
                        .map_err(|_| Unspeakable::Field(Field::ConnectionMark))?,
                    value: u64::from(*value),
                },
            ],
            ..Ct::default()
        })),
    })
}

fn label(first: u16) -> Result<Subfield, Unspeakable> {
    Subfield::new(Named::CtLabel, first, 32).map_err(|_| Unspeakable::Field(Field::ConnectionLabel))
}

fn learn(spec: &crate::flow::LearnSpec) -> Result<Learn, Unspeakable> {
    let whole = |field| LearnSource::Field(Subfield::whole(field));
    let domain = part(spec.domain)?;
    Ok(Learn {
        idle_timeout: spec.seconds,
        priority: spec.priority,
        cookie: spec.cookie,
        table: spec.table,
        limit: spec.limit,
        specs: vec![
            LearnSpec {
                source: LearnSource::Field(domain),
                target: LearnTarget::Match(domain),
            },
            LearnSpec {
                source: whole(Named::EthSrc),
                target: LearnTarget::Match(Subfield::whole(Named::EthDst)),
            },
            LearnSpec {
                source: whole(Named::InPort16),
                target: LearnTarget::Load(part(spec.target)?),
            },
        ],
        ..Learn::default()
    })
}

fn port(number: u16) -> PortNumber {
    match number {
        LOCAL => PortNumber::LOCAL,
        number => PortNumber::from_u16(number),
    }
}

fn part(bits: Bits) -> Result<Subfield, Unspeakable> {
    let missing = || Unspeakable::Register(bits.register);
    let field = Named::register(bits.register).ok_or_else(missing)?;
    let narrow = |number: u32| u16::try_from(number).map_err(|_| missing());
    Subfield::new(field, narrow(bits.first)?, narrow(bits.length)?).map_err(|_| missing())
}

fn named(field: Field, protocol: Option<u128>) -> Result<Named, Unspeakable> {
    Ok(match field {
        Field::InPort => Named::InPort16,
        Field::Register(number) => Named::register(number).ok_or(Unspeakable::Register(number))?,
        Field::ConnectionState => Named::CtState,
        Field::ConnectionMark => Named::CtMark,
        Field::ConnectionLabel => Named::CtLabel,
        Field::EthernetSource => Named::EthSrc,
        Field::EthernetDestination => Named::EthDst,
        Field::EthernetType => Named::EthType,
        Field::VlanTci => Named::VlanTci,
        Field::IpProtocol => Named::IpProto,
        Field::IpDscp => Named::IpDscp,
        Field::IpTtl => Named::IpTtl,
        Field::IpFragment => Named::IpFrag,
        Field::Ipv4Source => Named::Ipv4Src,
        Field::Ipv4Destination => Named::Ipv4Dst,
        Field::Ipv6Source => Named::Ipv6Src,
        Field::Ipv6Destination => Named::Ipv6Dst,
        Field::ArpOperation => Named::ArpOp,
        Field::ArpSenderAddress => Named::ArpSpa,
        Field::ArpTargetAddress => Named::ArpTpa,
        Field::ArpSenderMac => Named::ArpSha,
        Field::ArpTargetMac => Named::ArpTha,
        Field::TcpFlags => Named::TcpFlags,
        Field::Icmpv4Type => Named::IcmpType,
        Field::Icmpv4Code => Named::IcmpCode,
        Field::Icmpv6Type => Named::Icmpv6Type,
        Field::Icmpv6Code => Named::Icmpv6Code,
        Field::NdTarget => Named::NdTarget,
        Field::NdSourceMac => Named::NdSll,
        Field::NdTargetMac => Named::NdTll,
        Field::TransportSource | Field::TransportDestination => {
            let source = field == Field::TransportSource;
            match (protocol, source) {
                (Some(6), true) => Named::TcpSrc,
                (Some(6), false) => Named::TcpDst,
                (Some(17), true) => Named::UdpSrc,
                (Some(17), false) => Named::UdpDst,
                (Some(132), true) => Named::SctpSrc,
                (Some(132), false) => Named::SctpDst,
                _ => return Err(Unspeakable::Field(field)),
            }
        }
    })
}
