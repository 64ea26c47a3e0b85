//! The same again, and what this machine's kernel may lack, inside a guest with a distribution's kernel.

use testbed::guest::{GuestOutcome, GuestSpec};

#[test]
fn another_kernel_agrees() {
    let outcome = again(&["random_frames", "whether", "known::"]);
    let compared = outcome.output.matches("compared ").count();
    assert_eq!(compared, 2, "{}", outcome.output);
}

#[test]
fn another_kernel_tracks_connections() {
    let outcome = again(&["stateful::", "picked_up::", "travelled::"]);
    assert!(!outcome.output.contains(" 0 passed"), "{}", outcome.output);
}

/// Runs tests of this binary in a guest.
fn again(tests: &[&str]) -> GuestOutcome {
    let arguments = [tests, &["--nocapture", "--test-threads=1"]].concat();
    let mut spec = GuestSpec::this_test_binary(&arguments).expect("a spec");
    if let Ok(seed) = std::env::var("MOAT_SEED") {
        spec.environment.push(("MOAT_SEED".to_owned(), seed));
    }
    let outcome = spec
        .run_watched(|line| println!("guest| {line}"))
        .expect("a guest");
    println!("boot {:?}, total {:?}", outcome.boot, outcome.total);
    assert_eq!(outcome.status, 0, "{}", outcome.output);
    outcome
}
