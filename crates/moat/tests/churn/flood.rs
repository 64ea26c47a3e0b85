//! A guest that invents addresses as fast as it can while other ports come and go: the agent's work
//! and memory do not follow it, and the others are served.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use agent::protocol::{Reply, Request};
use frame::{FrameSpec, MacAddress};
use testbed::{MarkedFrame, RawPort};

use crate::documents;
use crate::host::Host;
use crate::prober::{Prober, identities};

const FLOODER: [u8; 6] = [0x52, 0x54, 0, 2, 0, 1];

const LEARNS: &str = r#"kind: Profile
name: curious
stateful: off
guards: [mac, ipv4, ipv6, arp, nd]
learn: first-packet
default: {in: accept, out: accept}
---
kind: Port
name: flooder/0
device: flood0
mac: 52:54:00:02:00:01
network: lan
profiles: [curious]
"#;

/// Ports that come and go meanwhile.
const OTHERS: usize = 50;

/// The frame with this number, from an address that none before it had: IPv4, IPv6, ARP, ND in turn.
fn invented(number: u32) -> Vec<u8> {
    let [a, b, c, d] = number.to_be_bytes();
    let (four, six) = (
        Ipv4Addr::new(11, b, c, d),
        Ipv6Addr::from([0x20, 1, 0xd, 0xb8, 9, 9, 0, 0, 0, 0, 0, 0, a, b, c, d]),
    );
    let marked = |source, destination| MarkedFrame {
        source_mac: FLOODER,
        destination_mac: [0xff; 6],
        source,
        destination,
        marker: number,
        length: 0,
    };
    let spec = |text: String| {
        let spec: FrameSpec = text.parse().expect("a frame");
        spec.to_frame(MacAddress(FLOODER), MacAddress([0xff; 6]))
    };
    match number % 4 {
        0 => marked(
            (four, 4000).into(),
            (Ipv4Addr::new(10, 0, 0, 254), 4000).into(),
        )
        .bytes(),
        1 => {
            let to = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 254);
            marked((six, 4000).into(), (to, 4000).into()).bytes()
        }
        2 => spec(format!("arp request {four} > 10.0.0.254")),
        _ => spec(format!("na {six} target {six}")),
    }
}

fn flood(wire: &RawPort, ends: &AtomicBool, sent: &AtomicU64) {
    let mut number = 0;
    while !ends.load(Ordering::SeqCst) {
        let frames: Vec<Vec<u8>> = (number..number + 64).map(invented).collect();
        number += 64;
        let frames: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
        let done = wire.send_batch(&frames).unwrap_or_default();
        sent.fetch_add(done as u64, Ordering::SeqCst);
    }
}

/// How often the agent has looked at everything.
fn looks(host: &Host) -> u64 {
    let Some(Reply::Done { output, .. }) = host.ask(&Request::Metrics) else {
        panic!("no metrics")
    };
    let line = output
        .lines()
        .find_map(|line| line.strip_prefix("moat_looks_total "));
    line.expect("looks").parse().expect("a number")
}

#[test]
fn a_guest_that_invents_addresses_costs_the_agent_little_and_others_nothing() {
    let hosts = [Host::new(&[
        ("base.yaml", documents::BASE.to_owned()),
        ("profile.yaml", documents::profile(0)),
        ("learns.yaml", LEARNS.to_owned()),
    ])];
    let host = &hosts[0];
    let mut draft = host.switch.draft(0, host.switch.ends(), None);
    draft.device = "flood0".to_owned();
    draft.mac = FLOODER;
    let flooder = host.switch.plug_as(draft).expect("a port");
    host.wait_until("admission", || {
        let ports = host.status().ports;
        let mut ports = ports.iter().filter(|port| port.port == "flooder/0");
        ports.any(|port| port.ifindex == Some(flooder.index))
    });
    let mut prober = Prober::new(&hosts);
    // Once before it counts: what every port costs is there then.
    let mut admitted = churn(host, &mut prober);
    let (before, looked) = (host.footprint(), looks(host));
    admitted += churn(host, &mut prober);
    let (quiet, quiet_looks) = (host.footprint(), looks(host) - looked);

    let (ends, sent) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    let thread = thread::spawn({
        let wire = flooder.open().expect("a wire");
        let (ends, sent) = (Arc::clone(&ends), Arc::clone(&sent));
        move || flood(&wire, &ends, &sent)
    });
    let looked = looks(host);
    admitted += churn(host, &mut prober);
    let loud_looks = looks(host) - looked;
    ends.store(true, Ordering::SeqCst);
    thread.join().expect("the flood ends");
    let loud = host.footprint();
    prober.pause(&hosts);
    let counted = prober.count();

    let status = host.status();
    let mut ports = status.ports.iter();
    let port = ports.find(|port| port.port == "flooder/0").expect("it");
    let sent = sent.load(Ordering::SeqCst);
    println!(
        "{sent} invented addresses: {} learned, {} refused; agent's processor time for {OTHERS} ports that come \
         and go {} ms, without flood {} ms; looks {loud_looks}, without {quiet_looks}; resident {} KiB, before {} KiB",
        port.learned.len(),
        port.refused_addresses,
        (loud.ticks - quiet.ticks) * 10,
        (quiet.ticks - before.ticks) * 10,
        loud.resident,
        quiet.resident,
    );
    assert!(sent > 10_000, "{sent}");
    // `first-packet` learns one IPv4 and four IPv6 addresses.
    assert!(
        !port.learned.is_empty() && port.learned.len() <= 5,
        "{port:?}"
    );
    assert!(port.refused_addresses * 100 < sent, "{port:?}");
    let grown = loud.resident.saturating_sub(quiet.resident);
    assert!(grown < 4 << 10, "{grown} KiB more");
    assert_eq!(loud.descriptors, quiet.descriptors);
    // Each port's device, plug, carrier, claim, end and vanishing are told; and five addresses are learned.
    assert!(loud_looks <= 10 * OTHERS as u64, "{loud_looks} looks");
    assert_eq!(counted.admitted_arrived, admitted, "{counted:?}");
    assert_eq!(counted.forged_arrived, 0, "{counted:?}");
}

/// Ports come, are admitted, send, and go. Gives back how many honest frames were sent.
fn churn(host: &Host, prober: &mut Prober) -> u64 {
    let mut admitted = 0;
    for number in 0..OTHERS {
        let mut draft = host.switch.draft(0, host.switch.ends(), None);
        let who = identities(number);
        (draft.device, draft.mac) = (format!("tap{number}"), who.mac);
        let port = host.switch.plug_as(draft).expect("a port");
        let probe = prober.add(&port, number);
        let claim = format!(
            "port add port-{number}/0 --mac {} --device tap{number} --network lan --profile guest --address {} \
             --address {}",
            documents::mac(who.mac),
            who.ipv4,
            who.ipv6
        );
        served(host, &claim);
        admitted += u64::from(prober.admitted(probe, number));
        served(host, &format!("port remove port-{number}/0"));
        prober.remove(probe);
        host.switch.unplug(&[port]).expect("it goes");
    }
    admitted
}

fn served(host: &Host, line: &str) {
    let words: Vec<&str> = line.split(' ').collect();
    let socket = host.socket();
    let mut command = host.moat(&words);
    let output = command.arg("--socket").arg(socket).output();
    let output = output.expect("the binary runs");
    assert!(
        output.status.success(),
        "{line}: {output:?}\n{}",
        host.log()
    );
}
