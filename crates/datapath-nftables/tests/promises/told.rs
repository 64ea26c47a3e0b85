//! Promises 6 and 7: whoever is refused is told by whom, and what the kernel lacks is refused before anything changes.

use std::time::Duration;

use ::datapath::{Capabilities, resolve};
use datapath_nftables::LOG_GROUP;
use nftables::nflog::{Event, Listener, Options};

use super::host::{Host, port, surroundings, udp};

fn documents(profile: &str) -> String {
    let mut documents = surroundings("managed: true");
    documents.push_str(&format!(
        "---\nkind: Profile\nname: web\nguards: [mac, ipv4, arp]\n{profile}\n"
    ));
    documents.push_str(&port(0, "web"));
    documents.push_str(&port(1, "web"));
    documents
}

/// Frames reported while `work` runs, as their prefixes.
fn reported(host: &Host, work: impl FnOnce()) -> Vec<String> {
    let mut listener = host
        .switch
        .namespace()
        .run(|| Listener::bind(LOG_GROUP, &Options::default()).expect("a listener"));
    work();
    let mut prefixes = Vec::new();
    while let Some(event) = listener
        .next_event(Duration::from_millis(300))
        .expect("an event")
    {
        if let Event::Packet(packet) = event {
            prefixes.push(packet.prefix);
        }
    }
    prefixes
}

#[test]
fn audited_frames_pass_and_are_counted_and_reported() {
    let mut host = Host::new(2);
    host.apply(&documents(
        "stateful: off\naudit: true\ndefault: {in: drop, out: accept}\nrules: [drop out udp 25]",
    ));
    let (smtp, other) = (udp(0, 1, 25, 1).bytes(), udp(0, 1, 80, 1).bytes());
    let prefixes = reported(&host, || {
        assert_eq!(host.deliver(0, 1, &smtp, 1), 1);
        assert_eq!(host.deliver(0, 1, &other, 1), 1);
    });
    let rules = host.counters().rules;
    let (rule, counted) = rules
        .iter()
        .find(|(name, _)| name.starts_with("profile-web/out"))
        .expect("its counter");
    assert_eq!((counted.frames, rules["web/default-in"].frames), (1, 2));
    let audited = |id: &str| {
        prefixes
            .iter()
            .filter(|prefix| **prefix == format!("audit {id}"))
            .count()
    };
    assert_eq!(
        (audited(rule), audited("web/default-in")),
        (1, 2),
        "{prefixes:?}"
    );
}

#[test]
fn drops_are_reported_with_what_dropped_them() {
    let mut host = Host::new(2);
    host.apply(&documents(
        "stateful: off\ndefault: {in: accept, out: accept}\nrules: [drop out udp 25, accept out udp 26 log]",
    ));
    let mut forged = udp(0, 1, 80, 1);
    forged.source_mac = [0x52, 0x54, 0, 9, 9, 9];
    let prefixes = reported(&host, || {
        assert_eq!(host.deliver(0, 1, &udp(0, 1, 25, 1).bytes(), 1), 0);
        assert_eq!(host.deliver(0, 1, &udp(0, 1, 26, 1).bytes(), 1), 1);
        assert_eq!(host.deliver(0, 1, &forged.bytes(), 1), 0);
    });
    let starts = |what: &str| {
        prefixes
            .iter()
            .filter(|prefix| prefix.starts_with(what))
            .count()
    };
    assert_eq!(
        (
            starts("drop profile-web/out-"),
            starts("log profile-web/out-"),
            starts("drop guard/mac")
        ),
        (1, 1, 1),
        "{prefixes:?}"
    );
}

#[test]
fn what_the_kernel_lacks_is_refused_before_anything_changes() {
    let mut host = Host::new(2);
    let program = host.program(&documents(
        "stateful: off\nreject: preferred\nlimits: {out: 1mbit}",
    ));
    let unmet = resolve(&program, &Capabilities::default()).expect_err("a kernel that can nothing");
    let names: Vec<&str> = unmet.iter().map(|unmet| unmet.capability).collect();
    assert_eq!(names, ["limits"]);
    assert!(unmet.iter().all(|unmet| !unmet.remedy.is_empty()));
}
