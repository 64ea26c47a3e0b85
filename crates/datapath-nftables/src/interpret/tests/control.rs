//! Chains: jumps, returns, policies, priorities, and tables that no kernel accepts.

use frame::{FrameBuilder, MacAddress};
use nftables::{
    Chain, Element, Expression, Family, Hook, HookPoint, Installed, Object, ObjectKind, Policy,
    Reject, Rule, Set, Table, TableContents, TableId, Verdict,
};

use crate::interpret::{FinalVerdict, InterpretError, Interpreter, Outcome, Packet, StepResult};

pub(super) fn some_frame() -> Vec<u8> {
    FrameBuilder::new(
        MacAddress([2, 0, 0, 0, 0, 1]),
        MacAddress([2, 0, 0, 0, 0, 2]),
    )
    .ether(0x88cc, &[1, 2, 3, 4])
}

fn base(name: &str, priority: i32, policy: Policy) -> Chain {
    Chain::base(name, Hook::filter(HookPoint::Prerouting, priority, policy))
}

fn count(name: &str) -> Expression {
    Expression::Object {
        kind: ObjectKind::COUNTER,
        name: name.to_owned(),
    }
}

/// A rule that counts under its own name, then decides.
fn rule(chain: &str, name: &str, verdict: Verdict) -> Rule {
    Rule::new(chain, vec![count(name), Expression::Verdict(verdict)]).with_comment(name)
}

fn run(chains: &[Chain], rules: &[Rule]) -> Result<Outcome, InterpretError> {
    let names = rules.iter().filter_map(|rule| rule.userdata.as_comment());
    let objects: Vec<Object> = names.map(Object::counter).collect();
    let no_sets: [(&Set, &[Element]); 0] = [];
    let frame = some_frame();
    Interpreter::from_parts(chains, rules, no_sets, &objects)
        .trace(HookPoint::Prerouting, &Packet::arriving(&frame, 4))
}

#[test]
fn a_jump_comes_back_and_a_goto_comes_back_to_the_callers_caller() {
    let chains = [
        base("base", 0, Policy::Drop),
        Chain::regular("a"),
        Chain::regular("b"),
        Chain::regular("c"),
    ];
    let rules = [
        rule("base", "1", Verdict::jump("a")),
        rule("base", "5", Verdict::Accept),
        rule("a", "2", Verdict::jump("b")),
        rule("a", "not after return", Verdict::Return),
        rule("b", "3", Verdict::goto("c")),
        rule("b", "not after goto", Verdict::Drop),
        rule("c", "4", Verdict::Break),
    ];
    let outcome = run(&chains, &rules).expect("known");
    assert_eq!(
        outcome.counters,
        ["1", "2", "3", "4", "not after return", "5"]
    );
    assert_eq!(outcome.verdict, FinalVerdict::Accept);
    let rule = outcome.decisive.and_then(|decision| decision.rule);
    let rule = rule.expect("a rule decided");
    assert_eq!((rule.index, rule.comment.as_deref()), (1, Some("5")));
    assert_eq!(outcome.steps.len(), 6);
    assert_eq!(outcome.steps[4].what, StepResult::Verdict(Verdict::Return));
}

#[test]
fn a_goto_from_a_base_chain_ends_in_its_policy() {
    let chains = [base("base", 0, Policy::Drop), Chain::regular("a")];
    let rules = [
        rule("base", "1", Verdict::goto("a")),
        rule("base", "never", Verdict::Accept),
        rule("a", "2", Verdict::Continue),
    ];
    let outcome = run(&chains, &rules).expect("known");
    assert_eq!(outcome.counters, ["1", "2"]);
    assert_eq!(outcome.verdict, FinalVerdict::Drop);
    let decision = outcome.decisive.expect("the policy decided");
    assert_eq!((decision.chain.as_str(), decision.rule), ("base", None));
}

#[test]
fn return_in_a_base_chain_applies_its_policy() {
    let chains = [base("base", 0, Policy::Accept)];
    let rules = [
        rule("base", "1", Verdict::Return),
        rule("base", "never", Verdict::Drop),
    ];
    let outcome = run(&chains, &rules).expect("known");
    assert_eq!(outcome.verdict, FinalVerdict::Accept);
    assert_eq!(outcome.counters, ["1"]);
}

#[test]
fn base_chains_run_by_priority_and_of_equals_the_last_added_first() {
    let chains = [
        base("third", 10, Policy::Accept),
        base("second", -5, Policy::Accept),
        base("first", -5, Policy::Accept),
        base("never", 11, Policy::Accept),
        Chain::base(
            "elsewhere",
            Hook::filter(HookPoint::Input, -9, Policy::Drop),
        ),
    ];
    let rules = [
        rule("first", "1", Verdict::Accept),
        rule("second", "2", Verdict::Continue),
        rule("third", "3", Verdict::Drop),
        rule("never", "4", Verdict::Accept),
    ];
    let outcome = run(&chains, &rules).expect("known");
    assert_eq!(outcome.counters, ["1", "2", "3"]);
    assert_eq!(outcome.verdict, FinalVerdict::Drop);
}

#[test]
fn a_hook_without_chains_accepts_and_nobody_decided() {
    let outcome = run(&[Chain::regular("a")], &[]).expect("known");
    assert_eq!(outcome.verdict, FinalVerdict::Accept);
    assert_eq!(outcome.decisive, None);
}

#[test]
fn a_dormant_table_sees_nothing() {
    let installed = |chain| Installed {
        handle: 1,
        value: chain,
    };
    let mut contents = TableContents {
        generation: 1,
        table: Installed {
            handle: 1,
            value: Table::new(TableId::new(Family::Bridge, "t")),
        },
        chains: vec![installed(base("base", 0, Policy::Drop))],
        rules: Vec::new(),
        sets: Vec::new(),
        objects: Vec::new(),
    };
    let frame = some_frame();
    let verdict = |contents: &TableContents| {
        let packet = Packet::arriving(&frame, 4);
        let outcome = Interpreter::new(contents).run(HookPoint::Prerouting, &packet);
        outcome.expect("known").verdict
    };
    assert_eq!(verdict(&contents), FinalVerdict::Drop);
    contents.table.value.flags = 1;
    assert_eq!(verdict(&contents), FinalVerdict::Accept);
}

#[test]
fn reject_ends_everything() {
    let chains = [
        base("base", 0, Policy::Accept),
        base("next", 1, Policy::Accept),
    ];
    let reject = Reject::IcmpBothFamilies(3);
    let rules = [Rule::new("base", vec![Expression::Reject(reject)])];
    let outcome = run(&chains, &rules).expect("known");
    assert_eq!(outcome.verdict, FinalVerdict::Reject(reject));
    assert!(!outcome.verdict.passes());
}

#[test]
fn sixteen_jumps_are_enough_and_seventeen_too_many() {
    let nested = |depth: usize| {
        let mut chains = vec![base("0", 0, Policy::Drop)];
        chains.extend((1..=depth).map(|number| Chain::regular(number.to_string())));
        let jump = |number: usize| {
            let target = Verdict::jump((number + 1).to_string());
            Rule::new(number.to_string(), vec![Expression::Verdict(target)])
        };
        let mut rules: Vec<Rule> = (0..depth).map(jump).collect();
        let accept = Expression::Verdict(Verdict::Accept);
        rules.push(Rule::new(depth.to_string(), vec![accept]));
        run(&chains, &rules).map(|outcome| outcome.verdict)
    };
    assert_eq!(nested(16), Ok(FinalVerdict::Accept));
    let chain = "17".to_owned();
    assert_eq!(nested(17), Err(InterpretError::TooDeep { chain }));
}

#[test]
fn circles_and_missing_names_are_told() {
    let chains = [base("base", 0, Policy::Accept), Chain::regular("a")];
    let circle = [
        rule("base", "1", Verdict::goto("a")),
        rule("a", "2", Verdict::goto("a")),
    ];
    assert!(matches!(
        run(&chains, &circle),
        Err(InterpretError::Endless { .. })
    ));
    let missing = run(&chains, &[rule("base", "1", Verdict::jump("b"))]);
    assert!(
        matches!(&missing, Err(InterpretError::Missing { kind: "chain", name, .. }) if name == "b")
    );
    let queue = run(&chains, &[rule("base", "1", Verdict::Other(3))]);
    assert!(matches!(queue, Err(InterpretError::Unsupported { .. })));
}
