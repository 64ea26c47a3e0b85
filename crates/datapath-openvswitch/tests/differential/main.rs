//! Evaluator and Open vSwitch agree: random policies, random frames, sent through real interfaces.
//!
//! `MOAT_SEED` repeats a run, `MOAT_FRAMES` says how many frames.

mod beginning;
mod bench;
mod bonded;
#[path = "../../../datapath-nftables/tests/differential/draft.rs"]
mod draft;
#[path = "../../../datapath-nftables/tests/differential/generate.rs"]
mod generate;
mod reading;
mod stateful;
mod vlan;

use std::time::Instant;

use bench::Bench;
use draft::Draft;
use frame::random::{Rng, random_frame};
use generate::{INTERFACES, Tracking};

/// Frames for one policy: enough to come to most of its rules, few enough for many policies.
const FRAMES: usize = 200;
const ALL: usize = 20_000;
/// Frames that are sent before it is looked what came of them.
const BATCH: usize = 20;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// A seed that nobody chose.
fn chance() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0)
}

#[test]
fn random_frames_meet_what_random_policies_say() {
    run(Tracking::Absent, ALL, 1);
}

#[test]
fn random_frames_do_too_where_the_switch_reads_two_tags() {
    run(Tracking::Absent, ALL / 10, 2);
}

#[test]
fn random_frames_that_begin_connections_do_too() {
    run(Tracking::Present, ALL / 10, 1);
}

fn run(tracking: Tracking, all: usize, tags: u8) {
    let seed = number("MOAT_SEED").unwrap_or_else(chance);
    let all = number("MOAT_FRAMES").map_or(all, |frames| frames as usize);
    println!("seed {seed} (MOAT_SEED={seed} repeats)");
    let mut rng = Rng::new(seed);
    let vocabulary = generate::vocabulary();
    let mut bench = Bench::new(tracking);
    bench.read_tags(tags);
    let start = Instant::now();
    let (mut frames, mut policies, mut delivered, mut losses, mut exceeding) = (0, 0, 0, 0, 0);
    while frames < all {
        let draft = generate::draft(&mut rng, tracking);
        bench.shuffle(&mut rng);
        let catalog = draft
            .catalog()
            .unwrap_or_else(|errors| panic!("{errors}\n{}", draft.yaml()));
        let program = bench
            .program(&catalog)
            .unwrap_or_else(|why| panic!("{why}\n{}", draft.yaml()));
        bench
            .install(&program)
            .unwrap_or_else(|why| panic!("seed {seed}: {why}\n{}", draft.yaml()));
        if bench.exceeds() {
            exceeding += 1;
            continue;
        }
        let until = (frames + FRAMES).min(all);
        while frames < until {
            let sender = rng.below(INTERFACES as usize);
            let mut batch = Vec::new();
            if tracking == Tracking::Present {
                bench.forget();
            }
            while batch.len() < BATCH && frames + batch.len() < until {
                let mut bytes = random_frame(&mut rng, &vocabulary);
                if bytes.get(12..14) != Some(&[0x81, 0]) {
                    // packet_snd makes room for customer tags alone.
                    bytes.truncate(1514);
                }
                // Most of what has another's source goes no further than the guards.
                if sender < generate::MACS.len() && rng.one_in(2) {
                    let mac: frame::MacAddress = generate::MACS[sender].parse().expect("a MAC");
                    bytes.splice(6..12, mac.0);
                }
                if rng.one_in(3) {
                    bytes.splice(..6, [0xff; 6]);
                }
                if tracking == Tracking::Present && !beginning::begins(&bytes, &batch) {
                    continue;
                }
                batch.push(bytes);
            }
            let mut result = bench.compare(&program, sender, &batch);
            for _ in 0..5 {
                if !matches!(&result, Err(why) if why.contains(bench::LOST)) {
                    break;
                }
                // While the switch rearranges itself, it loses what would need an upcall (`dp_netdev_upcall`).
                losses += 1;
                bench.forget();
                result = bench.compare(&program, sender, &batch);
            }
            match result {
                Ok(arrived) => delivered += arrived,
                Err(why) => explain(&mut bench, seed, &draft, sender, &batch, &why),
            }
            frames += batch.len();
        }
        policies += 1;
    }
    println!(
        "compared {frames} frames, {delivered} deliveries, {policies} policies, {losses} batches sent again, {exceeding} policies with too many flows, {} flows at the end, seed {seed}, in {:.1} s",
        bench.flows(),
        start.elapsed().as_secs_f64()
    );
    println!(
        "read otherwise by Open vSwitch, so not compared: {:?}",
        bench.otherwise()
    );
}

/// Tells everything about a frame that met something else than it should, in the smallest policy that does the same.
fn explain(
    bench: &mut Bench,
    seed: u64,
    draft: &Draft,
    sender: usize,
    batch: &[Vec<u8>],
    first: &str,
) -> ! {
    let fails = |bench: &mut Bench, draft: &Draft, bytes: &Vec<u8>| {
        bench.forget();
        let program = bench.program(&draft.catalog().ok()?).ok()?;
        bench.install(&program).ok()?;
        bench
            .compare(&program, sender, std::slice::from_ref(bytes))
            .err()
    };
    let guilty = batch
        .iter()
        .find_map(|bytes| Some((bytes, fails(bench, draft, bytes)?)));
    let Some((bytes, why)) = guilty else {
        panic!(
            "seed {seed}: frames of a batch differ, none of them alone: {first}\n{}",
            draft.yaml()
        );
    };
    let small = draft.shrunk(|draft| fails(bench, draft, bytes).is_some());
    let least = fails(bench, &small, bytes).unwrap_or_default();
    let traced = bench.trace(sender, bytes);
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    panic!(
        "seed {seed}: {why}\n{:?}\nsender {sender} frame {hex}\n{}\nin the smallest policy: {least}\n{}\n{traced}",
        bench.vlans(),
        frame::describe(bytes),
        small.yaml(),
    );
}
