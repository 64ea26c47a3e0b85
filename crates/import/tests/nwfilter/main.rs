//! A converted filter means what the filter means: random trees of filters and random frames, judged by
//! the policy's evaluator and by an independent model of what libvirt's rules do. That the model is right
//! is shown with the real libvirt (`datapath-nftables`, tests/nwfilter).

mod generate;
mod model;
mod world;

use frame::random::Rng;
use generate::{Generator, OWN};
use policy::evaluate;
use policy::observation::{Observation, ObservedBridge, ObservedInterface};
use policy::program::{ConnectionState, Direction};

const TREES: usize = 400;
const FRAMES: usize = 200;

#[test]
fn random_filters_mean_what_the_model_says() {
    let seed = std::env::var("MOAT_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seed: u64 = seed.unwrap_or_else(|| {
        use std::hash::{BuildHasher, RandomState};
        RandomState::new().hash_one(0)
    });
    println!("seed {seed} (MOAT_SEED={seed} repeats)");
    let mut rng = Rng::new(seed);
    let observed = imagined();
    let (mut frames, mut passed, mut rules, mut layered) = (0_usize, 0_usize, 0_usize, 0_usize);
    for _ in 0..TREES {
        let mut generator = Generator {
            rng: &mut rng,
            subnet: 7,
        };
        let tree = generator.tree("t");
        layered += usize::from(tree.packets);
        let filters = world::filters(&tree.texts);
        let parameters = world::parameters(&[("IP", &["10.7.0.1", "10.7.0.2"])]);
        let (converted, yaml) = world::documents(&filters, &tree.root, &parameters, "vnet0", "br0");
        let program = world::program(&yaml, &observed);
        let tracks =
            |note: &import::nwfilter::Note| note.text.starts_with("connections are tracked");
        let tracked = converted.notes.iter().any(tracks).then(|| {
            let yaml = yaml.replace("stateful: \"off\"", "stateful: required");
            world::program(&yaml, &observed)
        });
        rules += program
            .lists
            .values()
            .map(|list| list.inward.len() + list.outward.len())
            .sum::<usize>();
        for _ in 0..FRAMES {
            let bytes = generator.frame();
            for direction in [Direction::Out, Direction::In] {
                let evaluation = evaluate(
                    &program,
                    world::PORT,
                    direction,
                    &bytes,
                    ConnectionState::Untracked,
                );
                let model = |begins| {
                    let (parameters, root) = (&parameters, &tree.root);
                    model::passes(&filters, root, parameters, OWN, direction, &bytes, begins)
                };
                let expected = model(true);
                if let Some(program) = &tracked {
                    let judge =
                        |state| evaluate(program, world::PORT, direction, &bytes, state).passes();
                    let told = || {
                        let texts = tree.texts.join("\n");
                        format!("seed {seed}: {}\n{texts}\n{yaml}", frame::describe(&bytes))
                    };
                    assert_eq!(judge(ConnectionState::New), expected, "{}", told());
                    // What fits no connection never passes where libvirt drops it.
                    assert!(
                        !judge(ConnectionState::Invalid) || model(false) || untracked(&bytes),
                        "{}",
                        told()
                    );
                }
                assert_eq!(
                    evaluation.passes(),
                    expected,
                    "seed {seed}: {direction:?} {}\n{}\n{yaml}\n{evaluation:#?}",
                    frame::describe(&bytes),
                    tree.texts.join("\n"),
                );
                frames += 1;
                passed += usize::from(expected);
            }
        }
    }
    println!(
        "compared {frames} frames at {TREES} trees of filters, {layered} of them with both layers ({rules} rules): \
         {passed} pass, seed {seed}"
    );
    assert!(
        passed > frames / 20 && passed < frames / 20 * 19,
        "too one-sided to prove much"
    );
}

/// A bridge `br0` with a device `vnet0`.
fn imagined() -> Observation {
    let mut observed = Observation::default();
    let bridge = ObservedBridge {
        ifindex: 1,
        ..ObservedBridge::default()
    };
    observed.bridges.insert("br0".to_owned(), bridge);
    let interface = ObservedInterface {
        ifindex: 10,
        bridge: "br0".to_owned(),
        ..ObservedInterface::default()
    };
    observed.interfaces.insert("vnet0".to_owned(), interface);
    observed
}

#[test]
fn a_connection_that_was_accepted_goes_on_and_no_other_begins() {
    let text = "<filter name='ssh'><rule action='accept' direction='in'><tcp dstportstart='22'/></rule>\
                <rule action='drop' direction='inout' priority='1000'><all/></rule></filter>";
    let filters = world::filters(&[text]);
    let (converted, yaml) = world::documents(
        &filters,
        "ssh",
        &world::parameters(&[("IP", &["10.7.0.1"])]),
        "vnet0",
        "br0",
    );
    assert!(
        converted
            .notes
            .iter()
            .any(|note| note.text.starts_with("connections are tracked"))
    );
    let tracked = yaml.replace("stateful: \"off\"", "stateful: required");
    let program = world::program(&tracked, &imagined());
    let passes = |direction, spec: &str, state| {
        let spec: frame::FrameSpec = spec.parse().expect("a frame");
        let bytes = spec.to_frame(OWN, OWN);
        evaluate(&program, world::PORT, direction, &bytes, state).passes()
    };
    use ConnectionState::{Established, Invalid, New, Related};
    let (request, answer) = (
        "tcp 10.7.0.9:4000 > 10.7.0.1:22",
        "tcp 10.7.0.1:22 > 10.7.0.9:4000",
    );
    assert!(passes(Direction::In, request, New));
    assert!(passes(Direction::In, request, Established));
    assert!(passes(Direction::Out, answer, Established));
    assert!(passes(
        Direction::In,
        "icmp 10.7.0.9 > 10.7.0.1 type 3",
        Related
    ));
    // What port 22 would let in does not let the VM out from port 22.
    assert!(!passes(Direction::Out, answer, New));
    assert!(!passes(
        Direction::In,
        "tcp 10.7.0.9:4000 > 10.7.0.1:23",
        New
    ));
    assert!(!passes(Direction::In, request, Invalid));
}

/// Neighbour discovery has no state, and is judged as if it began something.
fn untracked(bytes: &[u8]) -> bool {
    let parsed = frame::Frame::parse(bytes).expect("a frame");
    let icmpv6 = parsed.transport().and_then(|transport| transport.icmpv6());
    matches!(icmpv6, Some((130..=137 | 143, _)))
}
