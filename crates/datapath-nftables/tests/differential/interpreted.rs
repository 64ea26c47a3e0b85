//! Evaluator and table agree for every state of a connection, with everything that any kernel can do: the lowered
//! table is interpreted instead of installed, so that the running kernel does not matter.

use ::datapath::{Capabilities, Capability, resolve};
use datapath_nftables::interpret::{
    ConnectionState as TableState, FinalVerdict, Interpreter, LaterFragments, Options, Outcome,
    Packet,
};
use datapath_nftables::{Ruleset, lower};
use frame::random::{Rng, random_frame};
use frame::{Frame, MacAddress, Network};
use nftables::HookPoint;
use policy::observation::{Observation, ObservedBridge, ObservedInterface};
use policy::program::{ConnectionState, Direction, HostProgram};
use policy::rule::Verdict;
use policy::{Decider, Evaluation, evaluate};

use super::draft::Draft;
use super::generate::{self, INTERFACES, Tracking};
use super::{Effort, hexadecimal};

const FRAMES: usize = 500;
const POLICIES: usize = 400;
const STATES: [(ConnectionState, TableState); 5] = [
    (ConnectionState::Untracked, TableState::Untracked),
    (ConnectionState::New, TableState::New),
    (ConnectionState::Established, TableState::Established),
    (ConnectionState::Related, TableState::Related),
    (ConnectionState::Invalid, TableState::Invalid),
];
const BRIDGE_MAC: MacAddress = MacAddress([0x02, 0xb0, 0, 0, 0, 0]);

#[test]
fn tables_say_what_policies_say_in_every_state() {
    let effort = Effort::of(POLICIES);
    println!("seed {} (MOAT_SEED={0} repeats)", effort.seed);
    let mut rng = Rng::new(effort.seed);
    let vocabulary = generate::vocabulary();
    let capabilities = everything();
    let (mut frames, mut policies) = (0_usize, 0_usize);
    let start = std::time::Instant::now();
    while effort.goes_on(policies) {
        let draft = generate::draft(&mut rng, Tracking::Present);
        let program = compiled(&draft, &capabilities).unwrap_or_else(|why| panic!("{why}"));
        let table = lower(&program, &capabilities);
        let table = interpreter(&table);
        for _ in 0..FRAMES {
            let bytes = random_frame(&mut rng, &vocabulary);
            let question = Question {
                interface: 1 + rng.below(INTERFACES as usize) as u32,
                state: rng.below(STATES.len()),
                bytes: &bytes,
            };
            if let Err(why) = question.compare(&program, &table) {
                let fails = |draft: &Draft| {
                    let program = compiled(draft, &capabilities).ok()?;
                    let table = lower(&program, &capabilities);
                    question.compare(&program, &interpreter(&table)).err()
                };
                let small = draft.shrunk(|draft| fails(draft).is_some());
                panic!(
                    "seed {}: {why}\nframe {}\n{}\nsmallest: {}\n{}",
                    effort.seed,
                    hexadecimal(&bytes),
                    frame::describe(&bytes),
                    fails(&small).unwrap_or_default(),
                    small.yaml(),
                );
            }
            frames += 1;
        }
        policies += 1;
    }
    println!(
        "interpreted {frames} frames, {policies} policies, seed {}, in {:.1} s",
        effort.seed,
        start.elapsed().as_secs_f64()
    );
}

fn everything() -> Capabilities {
    let can = || Capability::present("assumed", "");
    Capabilities {
        connection_tracking: can(),
        reject_out: can(),
        reject_in: Capability::missing("no kernel does", "", ""),
        bridge_name: can(),
        log: can(),
        limits: can(),
    }
}

fn compiled(draft: &Draft, capabilities: &Capabilities) -> Result<HostProgram, String> {
    let mut observed = Observation::default();
    let bridge = ObservedBridge {
        ifindex: 100,
        mac: BRIDGE_MAC,
        vlan_filtering: false,
    };
    observed.bridges.insert("br0".to_owned(), bridge);
    for number in 0..INTERFACES {
        let interface = ObservedInterface {
            ifindex: number + 1,
            bridge: "br0".to_owned(),
            mac: MacAddress([0xfe, 0, 0, 0, 0, number as u8]),
            pvid: None,
        };
        observed
            .interfaces
            .insert(format!("vnet{number}"), interface);
    }
    let program = policy::compile(&draft.catalog()?, None, &observed);
    let program = program.map_err(|error| error.to_string())?;
    let resolved = resolve(&program, capabilities).map_err(|unmet| format!("{unmet:?}"))?;
    Ok(resolved.program)
}

fn interpreter(table: &Ruleset) -> Interpreter<'_> {
    Interpreter::from_parts(
        table.chains.values().map(|contents| &contents.chain),
        table.chains.values().flat_map(|contents| &contents.rules),
        table
            .sets
            .values()
            .map(|contents| (&contents.set, &contents.elements)),
        table.objects.values(),
    )
}

/// One frame at one interface, both ways.
struct Question<'a> {
    interface: u32,
    state: usize,
    bytes: &'a [u8],
}

impl Question<'_> {
    fn compare(&self, program: &HostProgram, table: &Interpreter<'_>) -> Result<(), String> {
        let Ok(frame) = Frame::parse(self.bytes) else {
            return Ok(());
        };
        for direction in [Direction::Out, Direction::In] {
            for misread in [LaterFragments::Misread, LaterFragments::NotLoaded] {
                let outcome = self.ask(table, direction, misread)?;
                self.judge(program, direction, &outcome, &frame)
                    .map_err(|why| {
                        format!(
                            "{why}\n{direction:?} {:?}: {outcome:?}",
                            STATES[self.state].0
                        )
                    })?;
            }
        }
        Ok(())
    }

    fn ask(
        &self,
        interpreter: &Interpreter<'_>,
        direction: Direction,
        later_fragments: LaterFragments,
    ) -> Result<Outcome, String> {
        let reserved = self.reserved();
        let (hook, packet) = match direction {
            Direction::Out if reserved => (
                HookPoint::Input,
                Packet::arriving(self.bytes, self.interface),
            ),
            Direction::Out => (
                HookPoint::Prerouting,
                Packet::arriving(self.bytes, self.interface),
            ),
            Direction::In => (
                HookPoint::Postrouting,
                Packet::leaving(self.bytes, self.interface),
            ),
        };
        let packet = Packet {
            input_bridge: Some("br0"),
            output_bridge: Some("br0"),
            // Reserved groups reach the host past connection tracking.
            connection: match direction {
                Direction::Out if reserved => TableState::Invalid,
                _ => STATES[self.state].1,
            },
            ..packet
        };
        let options = Options {
            later_fragments,
            ..Options::default()
        };
        interpreter
            .run_with(hook, &packet, options)
            .map_err(|error| format!("no answer: {error}"))
    }

    fn reserved(&self) -> bool {
        matches!(self.bytes, [0x01, 0x80, 0xc2, 0, 0, 0..=15, ..])
    }

    fn judge(
        &self,
        program: &HostProgram,
        direction: Direction,
        outcome: &Outcome,
        frame: &Frame<'_>,
    ) -> Result<(), String> {
        let claimed = program
            .ports
            .values()
            .find(|port| port.ifindex == self.interface);
        let Some(port) = claimed else {
            let bridge = program.bridges.get("br0");
            let open = bridge.is_none_or(|bridge| {
                !bridge.managed || bridge.uplinks.values().any(|u| *u == Some(self.interface))
            });
            return agree(open, outcome.verdict.passes(), "nobody's interface");
        };
        let state = match direction {
            Direction::Out if self.reserved() => ConnectionState::New,
            _ => STATES[self.state].0,
        };
        let evaluation = evaluate(program, &port.name, direction, self.bytes, state);
        let text = format!("{evaluation:#?}");
        agree(evaluation.passes(), outcome.verdict.passes(), &text)?;
        let answers = direction == Direction::Out
            && evaluation.verdict == Verdict::Reject
            && matches!(frame.network, Network::Ipv4(_) | Network::Ipv6(_));
        let answered = matches!(outcome.verdict, FinalVerdict::Reject(_));
        agree(answers, answered, "answer")?;
        self.counted(&evaluation, outcome)?;
        let zoned = direction == Direction::Out
            && evaluation.passes()
            && outcome
                .zone
                .is_some_and(|zone| port.zone != 0 && zone != port.zone);
        agree(false, zoned, "another network's zone")
    }

    /// What decided counts, and nothing else does.
    fn counted(&self, evaluation: &Evaluation, outcome: &Outcome) -> Result<(), String> {
        let early = |name: &str| {
            name.starts_with("guard/") || ["malformed", "tagged", "isolation"].contains(&name)
        };
        let expected = match &evaluation.decider {
            Decider::Class(_) => None,
            Decider::Connection if evaluation.passes() => None,
            decider => Some(decider.to_string()),
        };
        let same = match (&expected, outcome.counters.as_slice()) {
            (None, []) => true,
            (Some(expected), [counted]) => expected == counted || early(expected) && early(counted),
            _ => false,
        };
        if same {
            Ok(())
        } else {
            Err(format!(
                "{expected:?} decides, {:?} count",
                outcome.counters
            ))
        }
    }
}

fn agree(expected: bool, found: bool, what: &str) -> Result<(), String> {
    if expected == found {
        Ok(())
    } else {
        Err(format!("{expected} expected, {found} found: {what}"))
    }
}
