//! Real agents on two hosts whose ports churn at random while every port forges frames: nothing of it
//! passes, nothing leaks, and at the end the switches are what was declared and said. `MOAT_SEED`
//! repeats a run, `MOAT_CHURN_MINUTES` makes a long one (`scripts/churn`).

mod churn;
mod documents;
mod flood;
mod host;
mod prober;
mod random;

use std::time::{Duration, Instant};

use churn::Churn;
use random::Random;

/// How long each of both halves churns, and how many machines there are.
fn size() -> (Duration, usize) {
    let minutes = std::env::var("MOAT_CHURN_MINUTES").ok();
    let minutes = minutes.map(|text| text.parse::<f64>().expect("MOAT_CHURN_MINUTES is a number"));
    match minutes {
        Some(minutes) => (Duration::from_secs_f64(minutes * 30.0), 500),
        None => (Duration::from_secs(8), 60),
    }
}

#[test]
fn ports_that_churn_leave_nothing_behind_and_are_never_open() {
    let (half, machines) = size();
    let mut churn = Churn::new(Random::seeded("churn"), machines);
    let tables: Vec<String> = churn.hosts.iter().map(|host| host.table()).collect();
    let files: Vec<_> = churn.hosts.iter().map(|host| host.files()).collect();

    // The same processes all the while: what they hold is compared.
    churn.fill();
    churn.compare_all();
    let begin: Vec<_> = churn.hosts.iter().map(|host| host.footprint()).collect();
    let end = Instant::now() + half;
    while Instant::now() < end {
        churn.step(false);
    }
    churn.compare_all();
    for (host, begin) in churn.hosts.iter().zip(&begin) {
        let now = host.footprint();
        println!("agent, from {begin:?}\n        to {now:?}");
        assert_eq!(now.descriptors, begin.descriptors, "descriptors");
        assert_eq!(now.threads, begin.threads, "threads");
        let grown = now.resident.saturating_sub(begin.resident);
        assert!(grown < MOST_GROWTH, "{grown} KiB more");
    }

    // Processes that die at any moment.
    let end = Instant::now() + half;
    let mut flushed = Instant::now();
    while Instant::now() < end {
        churn.step(true);
        if flushed.elapsed() > half / 3 {
            churn.pay();
            churn.flush();
            flushed = Instant::now();
        }
    }
    churn.compare_all();
    println!("{} machines run", churn.running());

    churn.drain();
    churn.set_profile(0);
    churn.compare_all();
    churn.prober.pause(&churn.hosts);
    let counted = churn.prober.count();
    println!("{}\n{counted:?}", churn.done);
    for (at, host) in churn.hosts.iter().enumerate() {
        assert_eq!(host.table(), tables[at], "the table is as it began");
        let bound = host.folder.join("runtime/bound.json");
        let kept = std::fs::read_to_string(&bound).expect("a file");
        assert_eq!(kept, "{}", "no interface is anybody's");
        let mut now = host.files();
        now.remove(&bound);
        assert_eq!(now, files[at], "the files are as they began");
    }
    assert_eq!(counted.forged_arrived, 0, "{counted:?}");
    assert_eq!(counted.stray_arrived, 0, "{counted:?}");
    assert_eq!(counted.honest_arrived, counted.honest_sent, "{counted:?}");
    assert_eq!(counted.admitted_arrived, churn.admitted, "{counted:?}");
    assert!(
        counted.forged_sent > 1000 && churn.admitted > 10,
        "{counted:?}"
    );
}

/// In KiB: an agent that forgets nothing that it heard grows by more.
const MOST_GROWTH: u64 = 16 << 10;
