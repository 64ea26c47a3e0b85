//! Random tables: chains that jump to later ones, rules that count how far they came, sets of every kind.

use frame::random::Rng;
use nftables::{
    BitOperation, ByteOrderOperation, Chain, Comparison, Expression, ExtensionKind, Hook,
    HookPoint, Limit, LookupResult, MetaKey, Object, ObjectKind, PayloadBase, Policy, Register,
    Rule, SetData, Verdict,
};

use super::random_set::{Field, RandomSet, Targets, World, random_set, random_verdict};

/// Counts what every base chain at prerouting let through.
pub(super) const PASSED: &str = "passed";
/// Counts what reaches postrouting.
pub(super) const ARRIVED: &str = "arrived";
const COUNTERS: usize = 24;
const CHAINS: usize = 6;
const SETS: usize = 10;

#[derive(Debug, Clone)]
pub(super) struct RandomTable {
    pub(super) chains: Vec<Chain>,
    pub(super) rules: Vec<Rule>,
    pub(super) sets: Vec<RandomSet>,
    pub(super) objects: Vec<Object>,
}

pub(super) fn random_table(rng: &mut Rng, world: &World) -> RandomTable {
    let counters: Vec<String> = (0..COUNTERS).map(|number| format!("c{number}")).collect();
    let named: Vec<String> = (0..CHAINS).map(|number| format!("chain{number}")).collect();
    // The first sets may lead to any regular chain, the last to none: later chains may only use later sets.
    let sets: Vec<RandomSet> = (0..SETS)
        .map(|number| {
            let targets = Targets {
                counters: &counters,
                chains: &named[(number * CHAINS / SETS).min(CHAINS)..],
            };
            random_set(rng, world, &format!("s{number}"), &targets)
        })
        .collect();

    let policy = |rng: &mut Rng| {
        if rng.one_in(4) {
            Policy::Drop
        } else {
            Policy::Accept
        }
    };
    let mut chains = vec![
        Chain::base(
            "arrived",
            Hook::filter(HookPoint::Postrouting, -500, Policy::Accept),
        ),
        Chain::base(
            "passed",
            Hook::filter(HookPoint::Prerouting, 500, Policy::Accept),
        ),
    ];
    let priorities = [-300, -300, 0, 10];
    for (number, point) in [
        HookPoint::Prerouting,
        HookPoint::Prerouting,
        HookPoint::Postrouting,
    ]
    .into_iter()
    .enumerate()
    {
        let hook = Hook::filter(point, rng.pick(&priorities), policy(rng));
        chains.push(Chain::base(format!("base{number}"), hook));
    }
    chains.extend(named.iter().map(Chain::regular));

    let count = |name: &str| Expression::Object {
        kind: ObjectKind::COUNTER,
        name: name.to_owned(),
    };
    let mut rules = vec![
        Rule::new("arrived", vec![count(ARRIVED)]),
        Rule::new("passed", vec![count(PASSED)]),
    ];
    for chain in chains.iter().skip(2) {
        let level = named
            .iter()
            .position(|name| *name == chain.name)
            .map_or(0, |at| at + 1);
        let maker = RuleMaker {
            world,
            counters: &counters,
            chains: &named[level..],
            sets: &sets[(level * SETS).div_ceil(CHAINS)..],
        };
        for _ in 0..rng.below(6) {
            rules.push(Rule::new(&chain.name, maker.expressions(rng)));
        }
    }
    let names = counters.iter().map(String::as_str).chain([PASSED, ARRIVED]);
    RandomTable {
        chains,
        rules,
        objects: names.map(Object::counter).collect(),
        sets,
    }
}

struct RuleMaker<'a> {
    world: &'a World,
    counters: &'a [String],
    chains: &'a [String],
    sets: &'a [RandomSet],
}

impl RuleMaker<'_> {
    fn expressions(&self, rng: &mut Rng) -> Vec<Expression> {
        let mut expressions = Vec::new();
        for _ in 0..rng.below(4) {
            self.count(rng, &mut expressions);
            self.condition(rng, &mut expressions);
        }
        self.count(rng, &mut expressions);
        match rng.below(12) {
            0 => expressions.extend([
                Expression::Immediate {
                    destination: Register::R2,
                    value: u32::to_ne_bytes(rng.pick(&[0, 1, 2])).to_vec(),
                },
                Expression::SetMeta {
                    key: MetaKey::Mark,
                    source: Register::R2,
                },
            ]),
            1..=3 => {}
            _ => expressions.push(Expression::Verdict(
                match random_verdict(rng, self.chains) {
                    // nft has no such rule, and the kernel takes one.
                    Verdict::Break if rng.one_in(2) => Verdict::Accept,
                    verdict => verdict,
                },
            )),
        }
        expressions
    }

    fn count(&self, rng: &mut Rng, expressions: &mut Vec<Expression>) {
        let index = rng.below(self.counters.len());
        expressions.push(Expression::Object {
            kind: ObjectKind::COUNTER,
            name: self.counters[index].clone(),
        });
    }

    fn condition(&self, rng: &mut Rng, expressions: &mut Vec<Expression>) {
        match rng.below(8) {
            0..=2 if !self.sets.is_empty() => self.lookup(rng, expressions),
            3 => self.raw_payload(rng, expressions),
            4 => self.extension(rng, expressions),
            5 => expressions.push(Expression::Limit(Limit {
                rate: 1_000_000,
                over: rng.one_in(5),
                ..Limit::packets_per_second(1)
            })),
            _ => {
                let field = Field::pick(rng);
                let register = place(rng, field.slots());
                expressions.push(field.load(register));
                let length = if rng.one_in(4) {
                    rng.below(field.length() as usize) + 1
                } else {
                    field.length() as usize
                };
                let sample = |rng: &mut Rng| {
                    let mut value = field.value(rng, self.world);
                    value.truncate(length);
                    value
                };
                let values = [sample(rng), sample(rng)];
                self.arithmetic(rng, register, length, expressions);
                compare(rng, register, values, expressions);
            }
        }
    }

    /// Any bytes of any layer.
    fn raw_payload(&self, rng: &mut Rng, expressions: &mut Vec<Expression>) {
        let base = rng.pick_or(
            &[PayloadBase::Link, PayloadBase::Network],
            PayloadBase::Transport,
        );
        let length = u32::try_from(rng.below(16) + 1).expect("small");
        let offset = u32::try_from(rng.below(70)).expect("small");
        let register = place(rng, 4);
        expressions.push(Expression::Payload {
            base,
            offset,
            length,
            destination: register,
        });
        let values = [
            self.world.bytes(rng, base, offset, length),
            self.world.bytes(rng, base, offset, length),
        ];
        compare(rng, register, values, expressions);
    }

    fn extension(&self, rng: &mut Rng, expressions: &mut Vec<Expression>) {
        let presence = rng.one_in(2);
        let register = place(rng, 2);
        let length = if presence { 1 } else { rng.pick(&[1, 2, 4, 6]) };
        expressions.push(Expression::ExtensionHeader {
            kind: ExtensionKind::Ipv6,
            header: rng.pick(&[0, 43, 44, 44, 51, 60, 17, 58, 59]),
            offset: if presence { 0 } else { rng.pick(&[0, 1, 2, 4]) },
            length,
            presence,
            destination: register,
        });
        let value = rng.pick(&[0, 0, 1]);
        let length = length as usize;
        compare(
            rng,
            register,
            [vec![value; length], vec![17; length]],
            expressions,
        );
    }

    fn arithmetic(
        &self,
        rng: &mut Rng,
        register: Register,
        length: usize,
        expressions: &mut Vec<Expression>,
    ) {
        let operation = match rng.below(8) {
            0 | 1 => BitOperation::MaskXor {
                mask: (0..length)
                    .map(|_| rng.pick(&[0xff, 0xff, 0xf0, 0]))
                    .collect(),
                xor: (0..length).map(|_| rng.pick(&[0, 0, 0, 1])).collect(),
            },
            2 if length == 4 => BitOperation::ShiftLeft { bits: 8, length: 4 },
            3 if length == 4 => BitOperation::ShiftRight { bits: 4, length: 4 },
            4 if length == 2 || length == 4 => {
                expressions.push(Expression::ByteOrder {
                    source: register,
                    destination: register,
                    operation: ByteOrderOperation::ToNetwork,
                    length: u32::try_from(length).expect("small"),
                    size: u32::try_from(length).expect("small"),
                });
                return;
            }
            _ => return,
        };
        expressions.push(Expression::Bitwise {
            source: register,
            destination: register,
            operation,
        });
    }

    fn lookup(&self, rng: &mut Rng, expressions: &mut Vec<Expression>) {
        let random = &self.sets[rng.below(self.sets.len())];
        let slots = random.fields.iter().map(|field| field.slots()).sum();
        if slots > 16 {
            return;
        }
        let first = place(rng, slots);
        let mut next = first.slot();
        for field in &random.fields {
            let register = Register::from_slot(next).expect("there is room");
            expressions.push(field.load(register));
            next += field.slots();
        }
        let set = random.set.name.clone();
        let result = match random.set.data {
            SetData::None if rng.one_in(3) && !random.elements.iter().any(|e| e.catch_all) => {
                LookupResult::Absent
            }
            SetData::None => LookupResult::Present,
            SetData::Verdict => LookupResult::Verdict,
            SetData::Value { .. } => LookupResult::Value(Register::R3),
            SetData::Object(_) => {
                expressions.push(Expression::ObjectMap { set, source: first });
                return;
            }
        };
        expressions.push(Expression::Lookup {
            set,
            source: first,
            result,
        });
        let SetData::Value { length, .. } = random.set.data else {
            return;
        };
        if length == 4 {
            expressions.push(Expression::SetMeta {
                key: MetaKey::Mark,
                source: Register::R3,
            });
        } else {
            let bytes = rng.bytes(8);
            compare(
                rng,
                Register::R3,
                [bytes, vec![0x80; length as usize]],
                expressions,
            );
        }
    }
}

/// Somewhere in the register file with that many slots behind.
fn place(rng: &mut Rng, slots: u8) -> Register {
    let room = usize::from(16 - slots);
    Register::from_slot(u8::try_from(rng.below(room + 1)).expect("small")).expect("below 16")
}

fn compare(
    rng: &mut Rng,
    source: Register,
    [mut one, mut other]: [Vec<u8>; 2],
    expressions: &mut Vec<Expression>,
) {
    if one.len() != other.len() {
        let length = one.len().min(other.len());
        one.truncate(length);
        other.truncate(length);
    }
    if rng.one_in(3) {
        let (from, to) = if one <= other {
            (one, other)
        } else {
            (other, one)
        };
        expressions.push(Expression::Range {
            source,
            invert: rng.one_in(3),
            from,
            to,
        });
    } else {
        expressions.push(Expression::Compare {
            source,
            operator: Comparison::ALL[rng.below(Comparison::ALL.len())],
            value: one,
        });
    }
}
