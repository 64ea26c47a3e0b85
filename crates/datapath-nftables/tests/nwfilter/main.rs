//! Proof of meaning: filters applied by the real libvirt to one port and, converted, by moat to another; the
//! same frames at both. Needs root and libvirt's packages. `MOAT_SEED` repeats a run, `MOAT_FILTERS` says how
//! many random trees of filters.

mod bench;
mod defects;
mod differences;
#[path = "../../../import/tests/nwfilter/generate.rs"]
mod generate;
mod shipped;
#[path = "../../../import/tests/nwfilter/world.rs"]
mod world;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use bench::Bench;
use frame::random::Rng;
use frame::{Frame, Network};
use generate::{Generator, Tree};
use import::nwfilter::{Filters, Parameters};
use policy::program::{ConnectionState, Direction};
use policy::{HostProgram, evaluate};

const FILTERS: usize = 100;
const FRAMES: usize = 150;
/// Binding and unbinding take libvirt 1.7 s, most of which it waits.
const AT_ONCE: usize = 3;

fn seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    let given = std::env::var("MOAT_SEED").ok();
    given
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(|| RandomState::new().hash_one(0))
}

/// What came of a comparison.
#[derive(Default)]
struct Tally {
    frames: AtomicUsize,
    passed: AtomicUsize,
}

#[test]
fn random_filters_mean_the_same_to_libvirt_and_moat() {
    let seed = seed();
    println!("seed {seed} (MOAT_SEED={seed} repeats)");
    let wanted = std::env::var("MOAT_FILTERS").ok();
    let wanted = wanted
        .and_then(|wanted| wanted.parse().ok())
        .unwrap_or(FILTERS);
    let next = AtomicUsize::new(0);
    let tally = Tally::default();
    std::thread::scope(|scope| {
        for worker in 0..AT_ONCE {
            let (next, tally) = (&next, &tally);
            scope.spawn(move || {
                let mut bench = Bench::new(&format!("hv-{worker}"));
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= wanted {
                        break;
                    }
                    let mut rng = Rng::new(seed.wrapping_add(number as u64));
                    random_filter(&mut bench, &mut rng, number, tally);
                }
            });
        }
    });
    let frames = tally.frames.load(Ordering::Relaxed);
    let passed = tally.passed.load(Ordering::Relaxed);
    println!("compared {wanted} random filters, {frames} frames, {passed} pass, seed {seed}");
    assert!(
        passed > frames / 20 && passed < frames / 20 * 19,
        "too one-sided to prove much"
    );
}

fn random_filter(bench: &mut Bench, rng: &mut Rng, number: usize, tally: &Tally) {
    static SUBNET: AtomicU8 = AtomicU8::new(1);
    let subnet = SUBNET.fetch_add(1, Ordering::Relaxed).max(1);
    let mut generator = Generator { rng, subnet };
    let tree = generator.tree(&format!("t{number}"));
    let filters = world::filters(&tree.texts);
    let address = format!("10.{subnet}.0.1");
    let parameters = world::parameters(&[("IP", &[&address])]);
    let frames: Vec<Vec<u8>> = (0..FRAMES).map(|_| generator.frame()).collect();
    for text in &tree.texts {
        bench.define(text);
    }
    compare(bench, &filters, &tree, &parameters, &frames, tally);
    for name in filters.names().filter(|name| *name == tree.root) {
        bench.undefine(name);
    }
    for name in filters.names().filter(|name| *name != tree.root) {
        bench.undefine(name);
    }
}

/// Applies the filter on both sides, sends the frames both ways, and panics where the sides differ.
fn compare(
    bench: &mut Bench,
    filters: &Filters,
    tree: &Tree,
    parameters: &Parameters,
    frames: &[Vec<u8>],
    tally: &Tally,
) {
    if let Err(why) = bench.bind(&tree.root, parameters) {
        panic!("libvirt refuses: {why}\n{}", tree.texts.join("\n"));
    }
    let device = bench.moat_device().to_owned();
    let (_, yaml) = world::documents(filters, &tree.root, parameters, &device, "br1");
    let program = world::program(&yaml, bench.observed());
    let program = bench.install(&program);
    let mut flows = BTreeSet::new();
    for direction in [Direction::Out, Direction::In] {
        let mut distinct = BTreeSet::new();
        let chosen: Vec<Vec<u8>> = frames
            .iter()
            .filter(|frame| distinct.insert(frame.as_slice()))
            .filter(|frame| !tree.packets || begins_a_connection(frame, &mut flows))
            .cloned()
            .collect();
        let [libvirt, moat] = bench.sent(direction, &chosen);
        for ((frame, libvirt), moat) in chosen.iter().zip(libvirt).zip(moat) {
            let said = judged(&program, direction, frame);
            let wrong = if moat != said {
                Some("moat's switch and evaluator differ")
            } else if libvirt != moat {
                Some("libvirt and moat differ")
            } else {
                None
            };
            if let Some(wrong) = wrong {
                panic!(
                    "{wrong}: {direction:?} {}\nlibvirt {libvirt}, moat {moat}, evaluator {said}\n{}\n{yaml}\n{}",
                    frame::describe(frame),
                    tree.texts.join("\n"),
                    bench.rules(),
                );
            }
            tally.frames.fetch_add(1, Ordering::Relaxed);
            tally
                .passed
                .fetch_add(usize::from(libvirt), Ordering::Relaxed);
        }
    }
    bench.unbind();
}

fn judged(program: &HostProgram, direction: Direction, frame: &[u8]) -> bool {
    evaluate(
        program,
        world::PORT,
        direction,
        frame,
        ConnectionState::Untracked,
    )
    .passes()
}

/// Whether libvirt's connection tracking takes the packet for a connection's first: not an answer to one sent
/// before, and not neighbour discovery, which the kernel does not track.
fn begins_a_connection(frame: &[u8], flows: &mut BTreeSet<Vec<u8>>) -> bool {
    let Ok(parsed) = Frame::parse(frame) else {
        return true;
    };
    if parsed.tag.is_some() {
        return true;
    }
    let (from, to): (Vec<u8>, Vec<u8>) = match &parsed.network {
        Network::Ipv4(ip) => (ip.source.octets().into(), ip.destination.octets().into()),
        Network::Ipv6(ip) => {
            if matches!(ip.transport.icmpv6(), Some((130..=137 | 143, _))) {
                return false;
            }
            (ip.source.octets().into(), ip.destination.octets().into())
        }
        _ => return true,
    };
    let Some(transport) = parsed.transport() else {
        return true;
    };
    let port = |port: Option<u16>| port.unwrap_or_default().to_be_bytes();
    let (sport, dport) = (
        port(transport.source_port()),
        port(transport.destination_port()),
    );
    let key = |a: &[u8], b: &[u8], p: [u8; 2], q: [u8; 2]| {
        [&[transport.protocol()], a, b, &p[..], &q[..]].concat()
    };
    if flows.contains(&key(&to, &from, dport, sport)) {
        return false;
    }
    flows.insert(key(&from, &to, sport, dport));
    // To itself: the answer is the same flow.
    from != to
}
