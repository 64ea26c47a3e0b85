//! Fields that rules load and sets are keyed by, and random sets of them that a kernel accepts.

use frame::random::Rng;
use nftables::{
    Datatype, Element, ElementData, Expression, MetaKey, ObjectKind, PayloadBase, Register, Set,
    SetData, Verdict,
};

/// Something a rule can load.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    pub(super) datatype: Datatype,
    load: Load,
}

#[derive(Debug, Clone, Copy)]
enum Load {
    Meta(MetaKey),
    Payload(PayloadBase, u32),
}

use Load::{Meta, Payload};
use PayloadBase::{Link, Network, Transport};

pub(super) const FIELDS: &[Field] = &[
    field(Datatype::ETHER_ADDRESS, Payload(Link, 0)),
    field(Datatype::ETHER_ADDRESS, Payload(Link, 6)),
    field(Datatype::ETHER_TYPE, Payload(Link, 12)),
    field(Datatype::ETHER_TYPE, Payload(Link, 16)),
    field(Datatype::MARK, Payload(Link, 14)),
    field(Datatype::ETHER_TYPE, Meta(MetaKey::Protocol)),
    field(Datatype::ETHER_TYPE, Meta(MetaKey::Protocol)),
    field(Datatype::INTERFACE_INDEX, Meta(MetaKey::InputInterface)),
    field(Datatype::INTERFACE_INDEX, Meta(MetaKey::OutputInterface)),
    field(Datatype::INTERFACE_NAME, Meta(MetaKey::InputInterfaceName)),
    field(Datatype::INTERFACE_NAME, Meta(MetaKey::OutputInterfaceName)),
    field(Datatype::INET_PROTOCOL, Meta(MetaKey::TransportProtocol)),
    field(Datatype::INET_PROTOCOL, Meta(MetaKey::TransportProtocol)),
    field(Datatype::PACKET_TYPE, Meta(MetaKey::PacketType)),
    field(Datatype::MARK, Meta(MetaKey::Length)),
    field(Datatype::MARK, Meta(MetaKey::Mark)),
    field(Datatype::INET_PROTOCOL, Meta(MetaKey::NetworkFamily)),
    field(Datatype::IPV4_ADDRESS, Payload(Network, 12)),
    field(Datatype::IPV4_ADDRESS, Payload(Network, 16)),
    field(Datatype::IPV4_ADDRESS, Payload(Network, 14)),
    field(Datatype::IPV6_ADDRESS, Payload(Network, 8)),
    field(Datatype::IPV6_ADDRESS, Payload(Network, 24)),
    field(Datatype::INET_SERVICE, Payload(Transport, 0)),
    field(Datatype::INET_SERVICE, Payload(Transport, 2)),
    field(Datatype::INET_SERVICE, Payload(Transport, 2)),
    field(Datatype::ICMP_TYPE, Payload(Transport, 0)),
    field(Datatype::IPV6_ADDRESS, Payload(Transport, 8)),
    field(Datatype::ICMP_TYPE, Payload(Transport, 13)),
];

const fn field(datatype: Datatype, load: Load) -> Field {
    Field { datatype, load }
}

/// What values are taken from.
#[derive(Debug, Clone)]
pub(super) struct World {
    pub(super) frames: Vec<Vec<u8>>,
    pub(super) interfaces: Vec<(u32, String)>,
}

impl World {
    /// Bytes from somewhere a layer may begin.
    pub(super) fn bytes(
        &self,
        rng: &mut Rng,
        base: PayloadBase,
        offset: u32,
        length: u32,
    ) -> Vec<u8> {
        let frame = &self.frames[rng.below(self.frames.len())];
        let start = match base {
            Link => 0,
            Network => rng.pick(&[14, 14, 18]),
            _ => rng.pick(&[34, 34, 54, 38, 58, 62]),
        };
        let start = start + offset as usize;
        let mut value = frame
            .get(start..start + length as usize)
            .unwrap_or_default()
            .to_vec();
        value.resize(length as usize, rng.byte());
        value
    }
}

impl Field {
    pub(super) fn pick(rng: &mut Rng) -> Self {
        FIELDS[rng.below(FIELDS.len())]
    }

    pub(super) fn length(self) -> u32 {
        self.datatype.length
    }

    /// Registers it fills.
    pub(super) fn slots(self) -> u8 {
        u8::try_from(self.length().div_ceil(4)).expect("few")
    }

    pub(super) fn load(self, destination: Register) -> Expression {
        match self.load {
            Meta(key) => Expression::Meta { key, destination },
            Payload(base, offset) => Expression::Payload {
                base,
                offset,
                length: self.length(),
                destination,
            },
        }
    }

    /// A value that some frame is likely to have.
    pub(super) fn value(self, rng: &mut Rng, world: &World) -> Vec<u8> {
        match self.load {
            Payload(base, offset) => world.bytes(rng, base, offset, self.length()),
            Meta(MetaKey::Protocol) => {
                let types = [0x0800, 0x0800, 0x86dd, 0x0806, 4, 0x8100, 0x88a8];
                u16::to_be_bytes(rng.pick(&types)).to_vec()
            }
            Meta(MetaKey::TransportProtocol) => vec![rng.pick(&[6, 17, 17, 1, 58, 44, 59, 132])],
            Meta(MetaKey::InputInterface | MetaKey::OutputInterface) => {
                let index = rng.below(world.interfaces.len() + 1);
                let index = world.interfaces.get(index).map_or(0, |(index, _)| *index);
                index.to_ne_bytes().to_vec()
            }
            Meta(MetaKey::InputInterfaceName | MetaKey::OutputInterfaceName) => {
                let index = rng.below(world.interfaces.len() + 1);
                let name = world.interfaces.get(index).map_or("", |(_, name)| name);
                let mut value = name.as_bytes().to_vec();
                value.resize(16, 0);
                value
            }
            Meta(MetaKey::PacketType) => vec![rng.byte() & 3],
            Meta(MetaKey::Length) => {
                let frame = &world.frames[rng.below(world.frames.len())];
                let length = u32::try_from(frame.len()).expect("short") - 14;
                length.to_ne_bytes().to_vec()
            }
            Meta(MetaKey::Mark) => u32::to_ne_bytes(rng.pick(&[0, 0, 1, 2])).to_vec(),
            Meta(MetaKey::NetworkFamily) => vec![rng.pick(&[7, 7, 2])],
            Meta(_) => unreachable!("not in the list"),
        }
    }
}

/// A set with its elements and what it is keyed by.
#[derive(Debug, Clone)]
pub(super) struct RandomSet {
    pub(super) set: Set,
    pub(super) elements: Vec<Element>,
    pub(super) fields: Vec<Field>,
}

/// What the data of maps are taken from.
pub(super) struct Targets<'a> {
    pub(super) counters: &'a [String],
    /// Chains that the chains which use this map may jump to.
    pub(super) chains: &'a [String],
}

pub(super) fn random_set(
    rng: &mut Rng,
    world: &World,
    name: &str,
    targets: &Targets<'_>,
) -> RandomSet {
    let count = rng.pick(&[1, 1, 2, 2, 3, 4]);
    let fields: Vec<Field> = (0..count).map(|_| Field::pick(rng)).collect();
    let key: Vec<Datatype> = fields.iter().map(|field| field.datatype).collect();
    let data = match rng.below(5) {
        0 | 1 => SetData::None,
        2 => SetData::Verdict,
        3 => SetData::value(rng.pick_or(
            &[Datatype::MARK, Datatype::ETHER_ADDRESS],
            Datatype::INET_PROTOCOL,
        )),
        _ => SetData::Object(ObjectKind::COUNTER),
    };
    let mut set = Set::new(name, &key, data);
    let intervals = rng.one_in(2);
    if intervals {
        set = set.with_intervals();
    }
    let wanted = rng.below(12);
    let mut elements = match (intervals, count) {
        (false, _) => exact(rng, world, &fields, wanted),
        (true, 1) => plain_intervals(rng, world, fields[0], wanted),
        (true, _) => concatenated_ranges(rng, world, &fields, wanted),
    };
    if rng.one_in(4) {
        elements.push(Element {
            catch_all: true,
            ..Element::default()
        });
    }
    for (number, element) in elements.iter_mut().enumerate() {
        if !element.interval_end {
            element.data = element_data(rng, data, targets);
            element.userdata = nftables::UserData::comment(&format!("element {number}"));
        }
    }
    RandomSet {
        set,
        elements,
        fields,
    }
}

fn element_data(rng: &mut Rng, data: SetData, targets: &Targets<'_>) -> Option<ElementData> {
    match data {
        SetData::None => None,
        SetData::Verdict => Some(ElementData::Verdict(random_verdict(rng, targets.chains))),
        SetData::Value { length: 4, .. } => {
            let mark: u32 = rng.pick(&[0, 1, 2]);
            Some(ElementData::Value(mark.to_ne_bytes().to_vec()))
        }
        SetData::Value { length, .. } => Some(ElementData::Value(rng.bytes(length as usize))),
        SetData::Object(_) => {
            let index = rng.below(targets.counters.len());
            Some(ElementData::Object(targets.counters[index].clone()))
        }
    }
}

pub(super) fn random_verdict(rng: &mut Rng, chains: &[String]) -> Verdict {
    let chain = |rng: &mut Rng| chains[rng.below(chains.len())].clone();
    match rng.below(10) {
        0 => Verdict::Accept,
        1 => Verdict::Drop,
        2 => Verdict::Return,
        3 => Verdict::Continue,
        4..=6 if !chains.is_empty() => Verdict::Jump(chain(rng)),
        7 | 8 if !chains.is_empty() => Verdict::Goto(chain(rng)),
        _ => Verdict::Break,
    }
}

/// One key: each field padded to a multiple of four bytes, unless it is the only one.
fn join(parts: &[Vec<u8>]) -> Vec<u8> {
    if let [single] = parts {
        return single.clone();
    }
    let mut key = Vec::new();
    for part in parts {
        key.extend_from_slice(part);
        key.resize(key.len().next_multiple_of(4), 0);
    }
    key
}

fn exact(rng: &mut Rng, world: &World, fields: &[Field], wanted: usize) -> Vec<Element> {
    let mut keys: Vec<Vec<u8>> = (0..wanted)
        .map(|_| {
            let parts: Vec<_> = fields.iter().map(|field| field.value(rng, world)).collect();
            join(&parts)
        })
        .collect();
    keys.sort();
    keys.dedup();
    keys.into_iter().map(Element::new).collect()
}

/// Sorted boundaries: an interval between each and the next, or none, or two that touch.
fn plain_intervals(rng: &mut Rng, world: &World, field: Field, wanted: usize) -> Vec<Element> {
    let mut bounds: Vec<Vec<u8>> = (0..wanted).map(|_| field.value(rng, world)).collect();
    bounds.sort();
    bounds.dedup();
    let mut elements = Vec::new();
    let mut open = false;
    for bound in bounds {
        if open {
            elements.push(Element::end_of_interval(bound.clone()));
            open = false;
        }
        if rng.below(3) > 0 {
            elements.push(Element::new(bound));
            open = true;
        }
    }
    elements
}

fn concatenated_ranges(
    rng: &mut Rng,
    world: &World,
    fields: &[Field],
    wanted: usize,
) -> Vec<Element> {
    type Range = (Vec<u8>, Vec<u8>);
    let mut chosen: Vec<Vec<Range>> = Vec::new();
    for _ in 0..wanted {
        let ranges: Vec<Range> = fields
            .iter()
            .map(|field| {
                let one = field.value(rng, world);
                let other = if rng.one_in(2) {
                    one.clone()
                } else {
                    field.value(rng, world)
                };
                if one <= other {
                    (one, other)
                } else {
                    (other, one)
                }
            })
            .collect();
        let apart = |other: &Vec<Range>| {
            ranges
                .iter()
                .zip(other)
                .any(|(a, b)| a.1 < b.0 || b.1 < a.0)
        };
        if chosen.iter().all(apart) {
            chosen.push(ranges);
        }
    }
    chosen
        .into_iter()
        .map(|ranges| {
            let (from, to): (Vec<_>, Vec<_>) = ranges.into_iter().unzip();
            Element::new(join(&from)).up_to(join(&to))
        })
        .collect()
}
