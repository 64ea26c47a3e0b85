//! Evaluator and kernel agree: random policies, random frames, sent through real interfaces.
//!
//! `MOAT_SEED` repeats a run, `MOAT_HOURS` (`scripts/differential --hours N`) goes on for so long.

mod bench;
mod bridge;
mod draft;
mod generate;
mod guest;
mod interpreted;
mod known;
mod picked_up;
mod stateful;
mod travelled;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use bench::{Bench, Tally};
use draft::Draft;
use frame::random::{Rng, random_frame};
use generate::{INTERFACES, Tracking};
use policy::HostProgram;
use testbed::guest::inside_guest;

/// Frames for one policy: enough to come to most of its rules, few enough for many policies.
const FRAMES: usize = 250;
const POLICIES: usize = 100;

#[test]
fn random_frames_meet_what_random_policies_say() {
    run(false);
}

#[test]
fn whether_or_not_br_netfilter_looks_at_them() {
    run(true);
}

/// How much to do.
struct Effort {
    seed: u64,
    policies: usize,
    until: Option<Instant>,
}

impl Effort {
    fn of(policies: usize) -> Self {
        let number = |name: &str| -> Option<f64> { std::env::var(name).ok()?.parse().ok() };
        let seed = std::env::var("MOAT_SEED")
            .ok()
            .and_then(|seed| seed.parse().ok());
        let hours = number("MOAT_HOURS").map(|hours| Duration::from_secs_f64(hours * 3600.0));
        Self {
            seed: seed.unwrap_or_else(chance),
            policies,
            until: hours.map(|hours| Instant::now() + hours),
        }
    }

    fn goes_on(&self, done: usize) -> bool {
        match self.until {
            Some(end) => Instant::now() < end,
            None => done < self.policies,
        }
    }
}

/// A seed that nobody chose.
fn chance() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0)
}

fn run(netfilter: bool) {
    let policies = if netfilter { POLICIES / 4 } else { POLICIES };
    // Without a hardware's help everything there takes many times longer.
    let (policies, each) = match inside_guest() {
        true => (policies / 5, FRAMES / 3),
        false => (policies, FRAMES),
    };
    let effort = Effort::of(policies);
    println!("seed {} (MOAT_SEED={0} repeats)", effort.seed);
    let mut rng = Rng::new(effort.seed);
    let vocabulary = generate::vocabulary();
    let mut bench = Bench::new(netfilter);
    let start = Instant::now();
    let (mut frames, mut policies) = (0_usize, 0_usize);
    let mut previous = Draft::default();
    while effort.goes_on(policies) {
        let draft = generate::draft(&mut rng, Tracking::Absent);
        let catalog = draft
            .catalog()
            .unwrap_or_else(|errors| panic!("{errors}\n{}", draft.yaml()));
        let program = bench
            .program(&catalog)
            .unwrap_or_else(|why| panic!("{why}\n{}", draft.yaml()));
        if let Err(why) = bench.install(&program) {
            change_refused(&mut bench, &effort, &previous, &draft, &why);
        }
        previous = draft.clone();
        let before = bench.counted();
        let mut tally = Tally::new();
        let mut sent = Vec::new();
        for _ in 0..each {
            let mut bytes = random_frame(&mut rng, &vocabulary);
            if bytes.get(12..14) != Some(&[0x81, 0]) {
                // packet_snd makes room for customer tags alone.
                bytes.truncate(1514);
            }
            let sender = rng.below(INTERFACES as usize);
            if let Err(why) = bench.compare(&program, sender, &bytes, &mut tally) {
                explain(&mut bench, &effort, &draft, sender, &bytes, &why);
            }
            sent.push((sender, bytes));
            frames += 1;
        }
        let wrong = miscounted(&before, &bench.counted(), &tally);
        if bench.counts_exactly() && !wrong.is_empty() {
            // One by one, to find the frame.
            let guilty = sent.iter().find_map(|(sender, bytes)| {
                Some((
                    sender,
                    bytes,
                    closely(&mut bench, &program, *sender, bytes).err()?,
                ))
            });
            if let Some((sender, bytes, why)) = guilty {
                explain(&mut bench, &effort, &draft, *sender, bytes, &why);
            }
            panic!(
                "seed {}, policy {policies}: counters differ: {wrong:?}",
                effort.seed
            );
        }
        policies += 1;
    }
    println!(
        "compared {frames} frames, {policies} policies, seed {}, in {:.1} s",
        effort.seed,
        start.elapsed().as_secs_f64()
    );
    bench.remove();
}

/// Replaces the policy; what cannot be compiled fails nobody.
fn installs(bench: &mut Bench, draft: &Draft) -> Result<(), String> {
    let program = draft.catalog().and_then(|catalog| bench.program(&catalog));
    program.map_or(Ok(()), |program| bench.install(&program))
}

/// Tells which change the kernel refuses or leaves incomplete, between the smallest policies that do the same.
fn change_refused(bench: &mut Bench, effort: &Effort, from: &Draft, to: &Draft, why: &str) -> ! {
    let mut fails = |from: &Draft, to: &Draft| {
        bench.remove();
        installs(bench, from).ok()?;
        installs(bench, to).err()
    };
    let from = from.shrunk(|from| fails(from, to).is_some());
    let to = to.shrunk(|to| fails(&from, to).is_some());
    let from = from.shrunk(|from| fails(from, &to).is_some());
    let small = fails(&from, &to);
    panic!(
        "seed {}: {why}\nsmallest: {}\n=== from\n{}=== to\n{}",
        effort.seed,
        small.unwrap_or_default(),
        from.yaml(),
        to.yaml()
    );
}

/// Compares what arrives, and what is counted, for one frame.
fn closely(
    bench: &mut Bench,
    program: &HostProgram,
    sender: usize,
    bytes: &[u8],
) -> Result<(), String> {
    let mut tally = Tally::new();
    let before = bench.counted();
    bench.compare(program, sender, bytes, &mut tally)?;
    let wrong = miscounted(&before, &bench.counted(), &tally);
    if wrong.is_empty() || !bench.counts_exactly() {
        Ok(())
    } else {
        Err(format!(
            "(counter, counted, expected): {wrong:?}; deciders: {tally:?}"
        ))
    }
}

/// Counters of rules that differ from what the evaluator says decided. Frames that fail two of the checks before the
/// rules may be counted by either, so these are added up.
fn miscounted(before: &Tally, after: &Tally, tally: &Tally) -> Vec<(String, u64, u64)> {
    let early = |name: &str| {
        name.starts_with("guard/") || ["malformed", "tagged", "isolation"].contains(&name)
    };
    let mut counted = Tally::new();
    let mut expected = Tally::new();
    for (name, value) in after {
        let delta = value.saturating_sub(before.get(name).copied().unwrap_or(0));
        let name = if early(name) { "early" } else { name };
        *counted.entry(name.to_owned()).or_default() += delta;
    }
    for (name, value) in tally {
        let name = if early(name) { "early" } else { name };
        *expected.entry(name.to_owned()).or_default() += value;
    }
    let names: BTreeSet<&String> = counted.keys().chain(expected.keys()).collect();
    let of = |tally: &Tally, name: &String| tally.get(name).copied().unwrap_or(0);
    names
        .into_iter()
        .map(|name| (name.clone(), of(&counted, name), of(&expected, name)))
        .filter(|(_, counted, expected)| counted != expected)
        .collect()
}

/// Tells everything about a frame that met something else than it should, in the smallest policy that does the same.
fn explain(
    bench: &mut Bench,
    effort: &Effort,
    draft: &Draft,
    sender: usize,
    bytes: &[u8],
    why: &str,
) -> ! {
    let directory = match inside_guest() {
        true => std::path::Path::new("/tmp"),
        false => std::path::Path::new(env!("CARGO_TARGET_TMPDIR")),
    };
    let listing = directory.join(format!("differential-{}.nft", effort.seed));
    let incremental = bench.listing();
    let fails = |bench: &mut Bench, draft: &Draft| {
        bench.remove();
        installs(bench, draft).ok()?;
        let program = bench.program(&draft.catalog().ok()?).ok()?;
        closely(bench, &program, sender, bytes).err()
    };
    let (small, text) = if fails(bench, draft).is_some() {
        let small = draft.shrunk(|draft| fails(bench, draft).is_some());
        let why = fails(bench, &small).unwrap_or_default();
        let text = format!("in the smallest policy: {why}");
        std::fs::write(&listing, bench.listing()).expect("written");
        (small, text)
    } else {
        std::fs::write(&listing, incremental).expect("written");
        let text = "only after the change from the policy before: the difference is wrong";
        (draft.clone(), text.to_owned())
    };
    let hex = hexadecimal(bytes);
    if inside_guest() {
        println!("{}", std::fs::read_to_string(&listing).expect("read"));
    }
    panic!(
        "seed {}: {why}\nsender {sender} frame {hex}\n{}\ntable: {}\n{text}\n{}",
        effort.seed,
        frame::describe(bytes),
        listing.display(),
        small.yaml(),
    );
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
