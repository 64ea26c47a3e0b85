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
        let (_, yaml) = world::documents(&filters, &tree.root, &parameters, "vnet0", "br0");
        let program = world::program(&yaml, &observed);
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
                let expected =
                    model::passes(&filters, &tree.root, &parameters, OWN, direction, &bytes);
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
