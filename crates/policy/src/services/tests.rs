use super::{builtin, lookup};
use crate::language::is_reserved;
use crate::rule::Term;

#[test]
fn every_row_reads_and_names_protocols_only() {
    for service in builtin() {
        assert!(!service.terms.is_empty(), "{}", service.name);
        assert!(!service.description.is_empty(), "{}", service.name);
        let plain = service
            .terms
            .iter()
            .all(|term| matches!(term, Term::Protocol { .. }));
        assert!(plain, "{} names another service", service.name);
    }
    assert!(builtin().len() >= 120, "{}", builtin().len());
}

#[test]
fn names_are_sorted_unique_and_no_words_of_the_language() {
    for (one, next) in builtin().iter().zip(builtin().iter().skip(1)) {
        assert!(one.name < next.name, "{} before {}", one.name, next.name);
    }
    for service in builtin() {
        assert!(!is_reserved(service.name), "{}", service.name);
        assert_eq!(lookup(service.name), Some(service));
    }
    assert_eq!(lookup("no-such-service"), None);
}

#[test]
fn what_people_mean() {
    let text = |name: &str| {
        let terms = &lookup(name).expect("a built-in service").terms;
        terms
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", ")
    };
    assert_eq!(text("dns"), "tcp 53, udp 53");
    assert_eq!(text("dhcp"), "udp 67-68");
    assert_eq!(text("dhcpv6"), "udp 546-547");
    assert_eq!(text("ping"), "icmp echo-request, icmpv6 echo-request");
    assert_eq!(text("ipsec"), "udp 500, 4500, esp, ah");
    assert_eq!(text("ospf"), "protocol 89");
}
