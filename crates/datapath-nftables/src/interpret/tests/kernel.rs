//! Random tables and frames: every counter stands where the interpreter says, and what it says passes, passes.

use std::collections::BTreeMap;

use frame::protocol::ether_type;
use frame::random::{Rng, Vocabulary, random_frame};
use frame::{Frame, FrameBuilder, FrameError, MacAddress};
use nftables::{
    Batch, Chain, Connection, Expression, Family, Hook, HookPoint, Object, ObjectKind, ObjectState,
    PayloadBase, Place, Policy, Register, Rule, Table, TableContents, TableId,
};
use testbed::{PinnedThread, Switch, SwitchPort, SwitchSpec};

use super::random_set::World;
use super::random_table::{ARRIVED, PASSED, RandomTable, random_table};
use crate::interpret::{
    FinalVerdict, InterpretError, Interpreter, LaterFragments, Options, Outcome, Packet, TraceStep,
};

const TABLES: usize = 120;
const FRAMES_PER_TABLE: usize = 50;

const PPPOE_SESSION: u16 = 0x8864;

type Counts = BTreeMap<String, u64>;

struct Bench {
    switch: Switch,
    connection: Connection,
    table: TableId,
    ports: [SwitchPort; 2],
}

impl Bench {
    fn new() -> Self {
        // A hub: whatever passes reaches the other port, so that postrouting sees it too.
        let switch = Switch::with(&SwitchSpec {
            ageing_seconds: 0,
            ..SwitchSpec::default()
        })
        .expect("a switch");
        let connection = switch
            .namespace()
            .run(Connection::open)
            .expect("a connection");
        let ports = switch
            .add_ports(0, 2)
            .expect("ports")
            .try_into()
            .expect("two");
        Self {
            switch,
            connection,
            table: TableId::new(Family::Bridge, "interpreted"),
            ports,
        }
    }

    fn install(&mut self, random: &RandomTable) -> TableContents {
        let mut batch = Batch::new(None);
        batch.ensure_table(&Table::new(self.table.clone()));
        batch.delete_table(&self.table);
        batch.add_table(&Table::new(self.table.clone()));
        for object in &random.objects {
            batch.add_object(&self.table, object);
        }
        for chain in &random.chains {
            batch.add_chain(&self.table, chain);
        }
        for set in &random.sets {
            batch.add_set(&self.table, &set.set);
            batch.add_elements(&self.table, &set.set.name, &set.elements);
        }
        for rule in &random.rules {
            batch.add_rule(&self.table, rule, Place::Last);
        }
        if let Err(error) = self.connection.commit(&batch) {
            panic!("the kernel refuses: {error}\n{random:#?}");
        }
        let contents = self.connection.dump_table(&self.table).expect("readable");
        contents.expect("there")
    }

    fn counts(&mut self) -> Counts {
        let objects = self.connection.objects(&self.table).expect("readable");
        objects
            .into_iter()
            .filter_map(|object| match object.value.state {
                ObjectState::Counter(counter) => Some((object.value.name, counter.packets)),
                _ => None,
            })
            .collect()
    }

    /// What this kernel does with ports in a later fragment, found out with one.
    fn later_fragments(&mut self) -> LaterFragments {
        let counter = Expression::Object {
            kind: ObjectKind::COUNTER,
            name: "misread".to_owned(),
        };
        let load = Expression::Payload {
            base: PayloadBase::Transport,
            offset: 2,
            length: 2,
            destination: Register::R0,
        };
        let hook = Hook::filter(HookPoint::Prerouting, 0, Policy::Accept);
        let random = RandomTable {
            chains: vec![Chain::base("base", hook)],
            rules: vec![Rule::new("base", vec![load, counter])],
            sets: Vec::new(),
            objects: vec![Object::counter("misread")],
        };
        self.install(&random);
        let [source, destination, ..] = self.macs();
        let frame = FrameBuilder::new(source, destination)
            .ipv4([10, 0, 0, 1].into(), [10, 0, 0, 2].into())
            .fragment(8, false)
            .protocol(17)
            .payload([0; 8])
            .build();
        let wire = self.ports[0].open().expect("a wire");
        wire.send(&frame).expect("sent");
        self.switch.settle().expect("settled");
        match self.counts()["misread"] {
            0 => LaterFragments::NotLoaded,
            _ => LaterFragments::Misread,
        }
    }

    fn macs(&self) -> [MacAddress; 4] {
        let [_, rest @ ..] = self.ports[0].mac;
        let [b, c, d, e, f] = rest;
        [
            MacAddress(self.ports[0].mac),
            MacAddress(self.ports[1].mac),
            MacAddress([0xfe, b, c, d, e, f]),
            MacAddress([0x02, 0xb0, 0, 0, 0, 0]),
        ]
    }
}

/// Frames that br_handle_frame hands to prerouting, or to nobody.
fn frames(rng: &mut Rng, vocabulary: &Vocabulary, count: usize) -> Vec<Vec<u8>> {
    let suitable = |bytes: &Vec<u8>| match Frame::parse(bytes) {
        Ok(frame) => {
            let reserved = frame.destination.octets()[..5] == [0x01, 0x80, 0xc2, 0, 0];
            // Where br_netfilter is loaded, br_nf_pre_routing drops frames that end within these headers.
            let encapsulation = match frame.protocol {
                ether_type::VLAN => 4,
                PPPOE_SESSION => 8,
                _ => 0,
            };
            let whole = frame.network_bytes(0, encapsulation).is_some();
            // The interface's MTU; AF_PACKET lets only some tags go on top of it.
            let fits = bytes.len() <= 1514;
            frame.source.is_valid_unicast() && !reserved && whole && fits
        }
        Err(FrameError::TruncatedTag { .. }) => true,
        Err(FrameError::TooShort { .. }) => false,
    };
    std::iter::repeat_with(|| random_frame(rng, vocabulary))
        .filter(suitable)
        .take(count)
        .collect()
}

fn expected(counts: &Counts, outcomes: &[&Outcome]) -> Counts {
    let mut counts = counts.clone();
    for name in outcomes.iter().flat_map(|outcome| &outcome.counters) {
        *counts.get_mut(name).expect("a counter of the table") += 1;
    }
    counts
}

/// The rules that were tried, one a line.
fn history(outcome: &Outcome, random: &RandomTable) -> String {
    let line = |step: &TraceStep| {
        let mut rules = random.rules.iter().filter(|rule| rule.chain == step.chain);
        let rule = step.rule.as_ref().and_then(|place| rules.nth(place.index));
        let expressions = rule.map(|rule| &rule.expressions);
        format!(
            "{} {:?} of {expressions:?}, found {:?}\n",
            step.chain, step.what, step.hits
        )
    };
    outcome.steps.iter().map(line).collect()
}

#[test]
fn random_tables_do_to_frames_what_the_interpreter_says() {
    let _pinned = PinnedThread::here().expect("pinned");
    let mut bench = Bench::new();
    let [from, to] = bench.ports.clone();
    let wire = from.open().expect("a wire");
    let macs = bench.macs();
    let vocabulary = Vocabulary {
        macs: macs.to_vec(),
        ipv4: vec!["10.0.0.5".parse().unwrap(), "10.0.1.7".parse().unwrap()],
        ipv6: vec!["2001:db8::5".parse().unwrap()],
        ports: vec![53, 80, 443],
        vlans: vec![7, 2102],
        ..Vocabulary::default()
    };
    let options = Options {
        steps: true,
        later_fragments: bench.later_fragments(),
        ..Options::default()
    };
    let (mut passed, mut dropped, mut left) = (0, 0, 0);
    for seed in 0..TABLES as u64 {
        let mut rng = Rng::new(seed);
        let world = World {
            frames: frames(&mut rng, &vocabulary, FRAMES_PER_TABLE),
            interfaces: vec![
                (from.index, from.device.clone()),
                (to.index, to.device.clone()),
            ],
        };
        let random = random_table(&mut rng, &world);
        let contents = bench.install(&random);
        let installed = Interpreter::new(&contents);
        let desired = Interpreter::from_parts(
            &random.chains,
            &random.rules,
            random.sets.iter().map(|set| (&set.set, &set.elements)),
            &random.objects,
        );
        let mut before = bench.counts();
        for bytes in &world.frames {
            wire.send(bytes).expect("sent");
            bench.switch.settle().expect("settled");
            let after = bench.counts();
            let complain = |outcomes: &[&Outcome], expected: &Counts| -> ! {
                let wrong: Vec<_> = expected
                    .iter()
                    .filter(|(name, count)| after[*name] != **count)
                    .map(|(name, count)| (name, count - before[name], after[name] - before[name]))
                    .collect();
                let histories: Vec<_> = outcomes.iter().map(|one| history(one, &random)).collect();
                panic!(
                    "seed {seed}: {} {bytes:02x?}\n(counter, expected, counted) {wrong:?}\n{}",
                    frame::describe(bytes),
                    histories.join("\n")
                );
            };
            let input = Packet {
                input_name: Some(&from.device),
                to_host: Frame::parse(bytes)
                    .is_ok_and(|frame| macs[2..].contains(&frame.destination)),
                ..Packet::arriving(bytes, from.index)
            };
            let arriving = match installed.run_with(HookPoint::Prerouting, &input, options) {
                Ok(outcome) => outcome,
                Err(InterpretError::Frame(_)) => {
                    assert_eq!(after, before, "{}", frame::describe(bytes));
                    continue;
                }
                Err(InterpretError::Unsupported { expression, .. }) if expression == "exthdr" => {
                    // IPv6 of fewer than 7 bytes: the kernel looks at memory that is no part of the frame.
                    assert!(bytes.len() < 18 + 7, "{}", frame::describe(bytes));
                    before = after;
                    continue;
                }
                Err(error) => panic!("seed {seed}: {error}"),
            };
            let wanted = desired
                .run_with(HookPoint::Prerouting, &input, options)
                .expect("as installed");
            assert_eq!(
                (arriving.verdict, &arriving.counters),
                (wanted.verdict, &wanted.counters)
            );

            assert_eq!(
                arriving.verdict.passes(),
                arriving.counters.iter().any(|name| name == PASSED)
            );
            match arriving.verdict {
                FinalVerdict::Accept => passed += 1,
                _ => dropped += 1,
            }
            // Whether the bridge floods it is the bridge's business; what happens then is the table's.
            let forwarded = after[ARRIVED] != before[ARRIVED];
            let output = Packet {
                input: None,
                input_name: None,
                output: Some(to.index),
                output_name: Some(&to.device),
                mark: arriving.mark,
                ..input
            };
            let leaving = match installed.run_with(HookPoint::Postrouting, &output, options) {
                Err(_) if bytes.len() < 18 + 7 => {
                    before = after;
                    continue;
                }
                outcome => outcome.expect("known"),
            };
            let outcomes = if forwarded {
                left += 1;
                vec![&arriving, &leaving]
            } else {
                vec![&arriving]
            };
            let expected = expected(&before, &outcomes);
            if after != expected {
                complain(&outcomes, &expected);
            }
            before = after;
        }
    }
    println!("{passed} passed, {dropped} dropped, {left} left");
    for (what, count) in [("passed", passed), ("dropped", dropped), ("left", left)] {
        assert!(
            count > FRAMES_PER_TABLE * TABLES / 10,
            "only {count} frames {what}"
        );
    }
}
