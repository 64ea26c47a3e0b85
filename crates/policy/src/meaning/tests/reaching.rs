//! Pairs of ports.

use super::*;

#[test]
fn a_conversation_is_judged_on_both_sides() {
    let program = web(&["accept in http", "drop out tcp 8080"], 2);
    let matrix = who_can_talk(&program, Conversation::Tcp(80), false);
    let told: Vec<String> = matrix
        .iter()
        .map(|reach| {
            format!(
                "{} > {}: {} {}",
                reach.from,
                reach.to,
                reach.arrives(),
                reach.reason()
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            "web-1/0 > web-2/0: true profile web-server, policies.yaml:9",
            "web-2/0 > web-1/0: true profile web-server, policies.yaml:9",
        ]
    );
    let sender = who_can_talk(&program, Conversation::Tcp(8080), true);
    assert!(sender.iter().all(|reach| !reach.sent.passes()));
    assert_eq!(
        sender.first().map(Reach::reason).as_deref(),
        Some("profile web-server, policies.yaml:10")
    );
    let receiver = who_can_talk(&program, Conversation::Ping, true);
    assert!(
        receiver
            .iter()
            .all(|reach| reach.sent.passes() && !reach.arrives())
    );
}

#[test]
fn a_port_that_nobody_admits_reaches_nothing() {
    let program = web(&[], 1);
    let spec = "icmp 10.0.0.6 > 10.0.0.9".parse().expect("a frame");
    let reach = reach(&program, "nobody", "web-1/0", &spec);
    assert!(!reach.arrives());
    assert_eq!(reach.reason(), "quarantine");
}
