//! The grammar of rule lines, case by case.

use policy::language::parse_rule;
use policy::rule::{FieldValue, LogRate, Peer, RateUnit, Term};

/// Lines and how they are written canonically (`""`: as they are).
const LINES: &[(&str, &str)] = &[
    ("accept in", ""),
    ("drop both telnet", ""),
    ("  accept   in\thttp ,https", "accept in http, https"),
    ("accept in tcp 80, 443, 8000-8080", ""),
    ("accept in http, tcp 8080, udp 53 from @a, 10.0.0.0/8", ""),
    ("accept in tcp, udp, tcp 80", ""),
    ("accept out to 10.0.0.1-10.0.0.9, 2001:db8::/64, ::1", ""),
    ("accept both tcp 22 to vm:a", "accept both tcp 22 from vm:a"),
    (r#"drop in from vm:"build server, old", network:lan"#, ""),
    (
        "accept in icmp 8, 3/4, echo-reply",
        "accept in icmp echo-request, destination-unreachable/4, echo-reply",
    ),
    (
        "accept in icmpv6 neighbor-solicitation, 250/1",
        "accept in icmpv6 neighbour-solicitation, 250/1",
    ),
    ("accept in protocol 6 80", "accept in tcp 80"),
    ("accept in protocol 89, igmp", ""),
    ("accept out stp, arp, rarp, vlan, ether, ipv4, ipv6, ip", ""),
    (
        "drop in tcp with tcp.flags syn+ack+fin+rst/syn, all/none",
        "drop in tcp with tcp.flags fin+syn+rst+ack/syn, all/none",
    ),
    (
        "drop out arp with arp.operation reply, 0x1 with arp.sender-mac not $MAC",
        "drop out arp with arp.operation reply, request with arp.sender-mac not $MAC",
    ),
    (
        "drop out ether with ether.type lldp, 0x0800-0x0805",
        "drop out ether with ether.type 0x88cc, 2048-2053",
    ),
    (
        "drop out with ether.dst 01:00:00:00:00:00/01:00:00:00:00:00",
        "",
    ),
    (
        "drop out with ip.src 10.0.0.0-10.0.0.255, 10.0.1.7-10.0.1.7",
        "drop out with ip.src 10.0.0.0/24, 10.0.1.7",
    ),
    ("accept in ssh log", ""),
    ("accept in ssh log 10/second", "accept in ssh log"),
    (
        "accept in ssh stateless log 3/hour from any",
        "accept in ssh from any log 3/hour stateless",
    ),
    (r#"accept in ssh comment "a \"b\" \\ \n\u{7}""#, ""),
];

#[test]
fn lines_and_their_canonical_form() {
    for (line, canonical) in LINES {
        let rule = parse_rule(line).unwrap_or_else(|error| panic!("{line}\n{error}"));
        let expected = if canonical.is_empty() {
            line
        } else {
            canonical
        };
        assert_eq!(rule.to_string(), *expected);
        assert_eq!(parse_rule(expected).expect("canonical"), rule);
    }
}

#[test]
fn what_is_in_a_line() {
    let rule =
        parse_rule("reject in tcp 80, http from $PEERS, any with sport $X, 0x10-0x20 log 5/day")
            .expect("valid");
    assert_eq!(rule.what[1], Term::Service("http".to_owned()));
    assert_eq!(rule.peers, [Peer::Variable("PEERS".to_owned()), Peer::Any]);
    assert_eq!(
        rule.with[0].values,
        [
            FieldValue::Variable("X".to_owned()),
            FieldValue::Number(16, 32)
        ]
    );
    assert_eq!(
        rule.log,
        Some(LogRate {
            count: 5,
            per: RateUnit::Day
        })
    );
}

/// Wrong lines, the text that the caret is under, and a part of what is said.
const WRONG: &[(&str, &str, &str)] = &[
    ("", "", "a verdict is missing"),
    ("accept", "", "a direction is missing"),
    ("allow in http", "allow", "`allow` is not a verdict"),
    ("accept inn http", "inn", "did you mean `in`?"),
    ("accept in HTTP://x", "HTTP://x", ""),
    ("accept in TCP 80", "TCP", "`tcp`"),
    ("accept in 80", "80", "write `tcp 80` or `udp 80`"),
    ("accept in tcp 80 443", "443", "a comma goes between ports"),
    ("accept in tcp 0", "0", "port 0"),
    ("accept in tcp 65536", "65536", "too large"),
    ("accept in tcp 443-80", "443-80", "write 80-443"),
    ("accept in tcp 080", "080", "leading zeros"),
    ("accept in gre 80", "80", "no ports"),
    (
        "accept in icmp echo-requst",
        "echo-requst",
        "did you mean `echo-request`?",
    ),
    ("accept in icmp 8/256", "256", "too large"),
    ("accept in protocol 256", "256", "too large"),
    ("accept in http,", "", "missing"),
    ("accept in , http", ",", "missing"),
    ("accept in http from", "", "a peer is missing"),
    ("accept in http to any", "to", "write `from`"),
    ("accept out http from any", "from", "write `to`"),
    ("accept in from admins", "admins", "`@admins`"),
    (
        "accept in from 10.0.0.1/8",
        "10.0.0.1/8",
        "write 10.0.0.0/8",
    ),
    (
        "accept in from 2001:db8::1/64",
        "2001:db8::1/64",
        "write 2001:db8::/64",
    ),
    ("accept in from 10.0.0.010", "10.0.0.010", "write 10.0.0.10"),
    ("accept in from 10.0.0.0/33", "33", "at most 32"),
    (
        "accept in from 10.0.0.0/255.0.0.0",
        "10.0.0.0/255.0.0.0",
        "write 10.0.0.0/8",
    ),
    (
        "accept in from 10.0.0.9-10.0.0.1",
        "10.0.0.9-10.0.0.1",
        "write 10.0.0.1-10.0.0.9",
    ),
    ("accept in from 10.0.0.1-::1", "10.0.0.1-::1", "family"),
    ("accept in from 10.0.0", "10.0.0", "not an IP address"),
    ("accept in from fe80::1%eth0", "fe80::1%eth0", "zone"),
    ("accept in from @", "", "empty name"),
    ("accept in http from any from any", "from", "second time"),
    (
        "accept in with ip.sorc 1.1.1.1",
        "ip.sorc",
        "did you mean `ip.src`?",
    ),
    (
        "accept in with ether.src 52-54-00-00-00-01",
        "52-54-00-00-00-01",
        "write 52:54:00:00:00:01",
    ),
    (
        "accept in with ether.src 52:54:0:0:0:1",
        "52:54:0:0:0:1",
        "write 52:54:00:00:00:01",
    ),
    (
        "accept in with ether.src 02:00:00:00:00:01/ff:00:00:00:00:00",
        "02:00:00:00:00:01/ff:00:00:00:00:00",
        "write 02:00:00:00:00:00/",
    ),
    ("accept in with vlan.id 4096", "4096", "at most 4095"),
    (
        "accept in with tcp.flags syn+akc",
        "akc",
        "did you mean `ack`?",
    ),
    ("accept in with tcp.flags syn/ack", "syn/ack", "MASK/SET"),
    ("accept in with ip.dscp", "", "a value is missing"),
    ("accept in log 0/second", "0/second", "leave `log` out"),
    ("accept in log 5/secnd", "5/secnd", "did you mean `second`?"),
    ("accept in comment why", "why", "quotes"),
    ("accept in comment \"why", "\"why", "not closed"),
    ("accept in comment \"\\q\"", "\\", "escape"),
    ("accept in http form any", "form", "did you mean `from`?"),
];

#[test]
fn wrong_lines_say_where_and_why() {
    for (line, caret, said) in WRONG {
        let error = parse_rule(line).expect_err(line);
        let [diagnostic] = error.list.as_slice() else {
            panic!("{line}: {error}")
        };
        let span = diagnostic.span.bytes.clone();
        assert_eq!(line.get(span), Some(*caret), "{error}");
        let all = diagnostic.to_json().to_string();
        assert!(
            all.contains(&said.replace('"', "\\\"")),
            "{said:?} is not in {all}"
        );
    }
}
