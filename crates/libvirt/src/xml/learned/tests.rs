use std::net::{Ipv4Addr, Ipv6Addr};

use super::*;
use crate::xml::Domain;

fn domain(metadata: &str) -> Domain {
    let text = format!(
        "<domain type='kvm'><name>web-1</name><uuid>c7a5fdbd-edaf-4455-926a-d65c16db1809</uuid>\
         <metadata>{metadata}</metadata></domain>"
    );
    Domain::parse(&text).unwrap_or_else(|error| panic!("{error}"))
}

/// As libvirt gives it back: with the namespace on every element.
fn stored(element: &str) -> String {
    let start = format!("<{LEARNED_PREFIX}:learned xmlns:{LEARNED_PREFIX}='{LEARNED_NAMESPACE}'>");
    element
        .replace("<learned>", &start)
        .replace("</", &format!("</{LEARNED_PREFIX}:"))
        .replace("<port", &format!("<{LEARNED_PREFIX}:port"))
        .replace("<address", &format!("<{LEARNED_PREFIX}:address"))
}

fn ports() -> Vec<LearnedPort> {
    vec![LearnedPort {
        mac: MacAddress([0x52, 0x54, 0, 0, 0, 1]),
        addresses: vec![
            LearnedAddress {
                address: Ipv4Addr::new(10, 0, 0, 5).into(),
                origin: LearnedOrigin::Lease,
                since: 1_700_000_000,
                until: Some(1_700_003_600),
                server: Some(Ipv4Addr::new(10, 0, 0, 1).into()),
                client: u64::MAX,
            },
            LearnedAddress {
                address: Ipv6Addr::LOCALHOST.into(),
                origin: LearnedOrigin::Use,
                since: 0,
                until: None,
                server: None,
                client: 0,
            },
        ],
    }]
}

#[test]
fn what_is_written_is_read() {
    let element = learned_element(&ports()).expect("something is learned");
    let domain = domain(&stored(&element));
    assert_eq!(domain.learned, Ok(ports()));
    // It says nothing of what people wish for the domain.
    assert_eq!(domain.metadata, crate::xml::DomainMetadata::default());
}

#[test]
fn nothing_is_no_element() {
    assert_eq!(learned_element(&[]), None);
    let mut ports = ports();
    for port in &mut ports {
        port.addresses.clear();
    }
    assert_eq!(learned_element(&ports), None);
    assert_eq!(domain("").learned, Ok(Vec::new()));
}

#[test]
fn what_is_not_understood_does_not_keep_the_domain_from_starting() {
    for wrong in [
        "<learned><port/></learned>",
        "<learned><port mac='52:54:00:00:00:01'><address ip='10.0.0.5' from='a dream' since='1'/></port></learned>",
        "<learned><port mac='52:54:00:00:00:01'><address ip='ten' from='use' since='1'/></port></learned>",
        "<learned><port mac='52:54:00:00:00:01'><address from='use' since='1'/></port></learned>",
        "<learned><port mac='52:54:00:00:00:01' more='1'></port></learned>",
    ] {
        assert!(domain(&stored(wrong)).learned.is_err(), "{wrong}");
    }
    let flood = "<address ip='10.0.0.5' from='use' since='1'/>".repeat(MOST_ADDRESSES + 1);
    let flood = format!("<learned><port mac='52:54:00:00:00:01'>{flood}</port></learned>");
    assert!(domain(&stored(&flood)).learned.is_err());
}
