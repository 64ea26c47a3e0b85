//! Targets are read as Open vSwitch writes them, and written as it reads them.

use std::net::{IpAddr, Ipv6Addr};

use channel::{Listen, Network, Target};
use proptest::prelude::*;

fn network(network: Network, host: &str, port: u16) -> Target {
    Target::Network {
        network,
        host: host.to_owned(),
        port,
    }
}

#[test]
fn targets_as_open_vswitch_writes_them() {
    for (text, wanted) in [
        (
            "unix:/run/openvswitch/db.sock",
            Target::Unix("/run/openvswitch/db.sock".into()),
        ),
        (
            "tcp:192.0.2.1:6640",
            network(Network::Tcp, "192.0.2.1", 6640),
        ),
        (
            "ssl:[2001:db8::1]:6653",
            network(Network::Tls, "2001:db8::1", 6653),
        ),
        (
            "ssl:[fe80::1%eth0]:6653",
            network(Network::Tls, "fe80::1%eth0", 6653),
        ),
        (
            "ssl:hv-1.example:6640",
            network(Network::Tls, "hv-1.example", 6640),
        ),
    ] {
        assert_eq!(text.parse(), Ok(wanted.clone()));
        assert_eq!(wanted.to_string(), text);
    }
    assert_eq!(
        Target::parse("ssl:192.0.2.1", 6653),
        Ok(network(Network::Tls, "192.0.2.1", 6653))
    );
    assert_eq!(
        Target::parse("tcp:[::1]", 6653),
        Ok(network(Network::Tcp, "::1", 6653))
    );
}

#[test]
fn places_to_listen_as_open_vswitch_writes_them() {
    let listen = |network, port, address: &str| Listen::Network {
        network,
        port,
        address: address.parse().expect("an address"),
    };
    for (text, wanted) in [
        (
            "punix:/run/moat/db.sock",
            Listen::Unix("/run/moat/db.sock".into()),
        ),
        ("ptcp:6640", listen(Network::Tcp, 6640, "0.0.0.0")),
        (
            "pssl:6640:192.0.2.1",
            listen(Network::Tls, 6640, "192.0.2.1"),
        ),
        ("pssl:6653:[::]", listen(Network::Tls, 6653, "::")),
    ] {
        assert_eq!(text.parse(), Ok(wanted.clone()));
        assert_eq!(wanted.to_string(), text);
    }
    assert_eq!("ptcp:0:::1".parse(), Ok(listen(Network::Tcp, 0, "::1")));
}

#[test]
fn what_is_no_target_is_refused_with_what_is_expected() {
    for text in [
        "",
        "ssl",
        "ssl:",
        "ssl::6640",
        "ssl:host:0",
        "ssl:host:65536",
        "ssl:host:+1",
        "ssl:host:66 ",
        "unix:",
        "tcp:[::1",
        "tcp:[::1]6640",
        "tcp:::1:6640",
        "udp:host:1",
        "pssl:6640",
        "ssl:a b:1",
        "tcp:host/x:1",
    ] {
        let error = text.parse::<Target>().expect_err(text).to_string();
        assert!(error.contains("expected is unix:PATH"), "{text}: {error}");
    }
    for text in [
        "pssl:",
        "ptcp:x",
        "ptcp:1:host",
        "ssl:host:1",
        "punix:",
        "ptcp:1:[::1",
    ] {
        let error = text.parse::<Listen>().expect_err(text).to_string();
        assert!(error.contains("expected is punix:PATH"), "{text}: {error}");
    }
    let error = "ssl:host"
        .parse::<Target>()
        .expect_err("no port")
        .to_string();
    assert!(error.contains("ssl:HOST:6640"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn targets_are_read_as_they_are_written(six in any::<Option<u128>>(), four in any::<u32>(), port in 1..u16::MAX, tls in any::<bool>()) {
        let address = six.map_or(IpAddr::from(four.to_be_bytes()), |bits| Ipv6Addr::from_bits(bits).into());
        let kind = if tls { Network::Tls } else { Network::Tcp };
        let target = network(kind, &address.to_string(), port);
        prop_assert_eq!(target.to_string().parse(), Ok(target));
        let listen = Listen::Network { network: kind, port, address };
        prop_assert_eq!(listen.to_string().parse(), Ok(listen));
    }

    #[test]
    fn any_text_is_a_target_or_an_error(text in "(p?(unix|tcp|ssl)):?[\\PC:\\[\\]]{0,20}") {
        if let Ok(target) = text.parse::<Target>() {
            prop_assert_eq!(target.to_string().parse(), Ok(target));
        }
        let _ = text.parse::<Listen>();
    }
}
