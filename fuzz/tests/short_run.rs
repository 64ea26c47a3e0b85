//! Replays the corpus and tries mutations of it: a fixed number, from a fixed seed, so that a
//! failure can be repeated. Long, coverage-guided runs: `scripts/fuzz`.

use std::path::{Path, PathBuf};

use frame::random::Rng;
use fuzz::TARGETS;

/// Mutations tried per target.
const TRIES: usize = 20_000;

#[test]
fn every_target_holds_for_its_corpus_and_mutations_of_it() {
    for (name, target) in TARGETS {
        let inputs = corpus(name);
        assert!(!inputs.is_empty(), "fuzz/corpus/{name} is empty");
        for (path, input) in &inputs {
            println!("{name}: {}", path.display());
            target(input);
        }
        let mut random = Rng::new(0x6d6f_6174);
        for _ in 0..TRIES {
            let (_, first) = &inputs[random.below(inputs.len())];
            let (_, second) = &inputs[random.below(inputs.len())];
            let input = mutate(&mut random, first, second);
            target(&input);
        }
        println!("{name}: {} inputs, {TRIES} mutations", inputs.len());
    }
}

fn corpus(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(name);
    let mut paths: Vec<PathBuf> = std::fs::read_dir(&folder)
        .expect("the corpus is part of the repository")
        .map(|entry| entry.expect("a readable folder").path())
        .collect();
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let input = std::fs::read(&path).expect("a readable file");
            (path, input)
        })
        .collect()
}

/// Cuts, doubles, overwrites and splices, as a fuzzer without coverage would.
fn mutate(random: &mut Rng, first: &[u8], second: &[u8]) -> Vec<u8> {
    let mut input = first.to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(input.len() + 1);
        match random.below(6) {
            0 => input.truncate(at),
            1 => {
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
            2 => {
                let value = [0, 1, 0x7f, 0xff, b'-', b':', b'"', b'$', b'@', b'/'];
                let value = value[random.below(value.len())];
                input.insert(at, value);
            }
            3 => {
                let from = random.below(second.len() + 1);
                let length = random.below(64);
                let piece: Vec<u8> = second.iter().copied().skip(from).take(length).collect();
                input.splice(at..at, piece);
            }
            4 => {
                let piece: Vec<u8> = input
                    .iter()
                    .copied()
                    .skip(at)
                    .take(random.below(32))
                    .collect();
                input.splice(at..at, piece);
            }
            _ => {
                let end = (at + random.below(16)).min(input.len());
                input.drain(at..end);
            }
        }
    }
    input.truncate(20_000);
    input
}
