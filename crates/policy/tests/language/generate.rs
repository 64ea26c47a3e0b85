//! Arbitrary rules and documents: everything that the language can say by itself.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use frame::MacAddress;
use ipnet::IpNet;
use policy::document::{
    Document, Group, Guard, Host, HostBridge, Isolation, Level, Limits, MacPrefix, Member, Network,
    Policy, Port, Profile, Rate, RejectMode, Role, Service, Stateful,
};
use policy::learn::{Learn, LearnMode};
use policy::origin::Origin;
use policy::rule::{
    Field, FieldKind, FieldMatch, FieldValue, IcmpMatch, LogRate, Peer, PortRange, Protocol,
    RateUnit, Rule, RuleDirection, Term, Verdict,
};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

/// Begins with `x`, so that it is no word of the language.
fn name() -> impl Strategy<Value = String> {
    "x[A-Za-z0-9_.:/+-]{0,8}"
}

fn foreign_name() -> impl Strategy<Value = String> {
    prop_oneof![
        name(),
        r#"[a-zé"',\\@#:$]([a-z é"',\\@#:$\[\]{}-]{0,6}[a-zé"',\\@#:])?"#
    ]
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z \"\\\\\n\t#:,'-]{0,12}",
        any::<String>(),
        Just("no".to_owned()),
        Just("null".to_owned())
    ]
}

fn address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<u32>().prop_map(|bits| IpAddr::V4(Ipv4Addr::from(bits))),
        any::<u128>().prop_map(|bits| IpAddr::V6(Ipv6Addr::from(bits))),
        (0_u128..0x1_0000_0000_0000).prop_map(|bits| IpAddr::V6(Ipv6Addr::from(bits))),
    ]
}

fn prefix() -> impl Strategy<Value = IpNet> {
    (address(), 0_u8..=128).prop_map(|(address, length)| {
        let most = if address.is_ipv4() { 32 } else { 128 };
        IpNet::new(address, length.min(most))
            .expect("a length that fits")
            .trunc()
    })
}

fn range() -> impl Strategy<Value = (IpAddr, IpAddr)> {
    (address(), address()).prop_map(|(a, b)| match a.is_ipv4() == b.is_ipv4() {
        true => (a.min(b), a.max(b)),
        false => (a, a),
    })
}

fn unicast() -> impl Strategy<Value = MacAddress> {
    any::<[u8; 6]>().prop_map(|mut octets| {
        octets[0] = (octets[0] & 0xfe) | 2;
        MacAddress(octets)
    })
}

fn term() -> impl Strategy<Value = Term> {
    let port = (1..=u16::MAX, 0..9_u16).prop_map(|(first, more)| PortRange {
        first,
        last: first.saturating_add(more),
    });
    let with_ports =
        (select(vec![6, 17, 33, 132, 136]), vec(port, 0..4)).prop_map(|(number, ports)| {
            Term::Protocol {
                protocol: Protocol::Number(number),
                ports,
                icmp: Vec::new(),
            }
        });
    let icmp =
        (any::<u8>(), option::of(any::<u8>())).prop_map(|(kind, code)| IcmpMatch { kind, code });
    let with_types = (
        select(vec![Protocol::ICMP, Protocol::ICMPV6]),
        vec(icmp, 0..4),
    )
        .prop_map(|(protocol, icmp)| Term::Protocol {
            protocol,
            ports: Vec::new(),
            icmp,
        });
    let others = vec![
        Protocol::Ip,
        Protocol::Ipv4,
        Protocol::Ipv6,
        Protocol::Ether,
        Protocol::Arp,
        Protocol::Rarp,
        Protocol::Vlan,
        Protocol::Stp,
        Protocol::Number(0),
        Protocol::Number(47),
        Protocol::Number(255),
    ];
    let plain = select(others).prop_map(|protocol| Term::Protocol {
        protocol,
        ports: Vec::new(),
        icmp: Vec::new(),
    });
    let service = select(vec!["http", "dns", "dhcp", "ping", "x-service"])
        .prop_map(|s| Term::Service(s.to_owned()));
    prop_oneof![with_ports, with_types, plain, service]
}

fn member() -> impl Strategy<Value = Member> {
    prop_oneof![
        address().prop_map(Member::Address),
        prefix().prop_map(Member::Prefix),
        range().prop_map(|(a, b)| Member::Range(a, b)),
        foreign_name().prop_map(Member::Vm),
        name().prop_map(Member::Network),
        name().prop_map(Member::Group),
    ]
}

fn peer() -> impl Strategy<Value = Peer> {
    prop_oneof![
        4 => member().prop_map(Peer::from),
        1 => Just(Peer::Any),
        1 => "[A-Za-z_][A-Za-z0-9_]{0,5}".prop_map(Peer::Variable),
    ]
}

/// A value that belongs to this kind of field.
fn value_of(kind: FieldKind) -> BoxedStrategy<FieldValue> {
    match kind {
        FieldKind::Number(most) => (0..=most, 0..=most)
            .prop_flat_map(move |(a, b)| {
                let pair = FieldValue::Number(a.min(b), a.max(b));
                prop_oneof![
                    Just(pair),
                    Just(FieldValue::Number(a, a)),
                    (0..=most.min(16)).prop_map(|n| FieldValue::Number(n, n))
                ]
            })
            .boxed(),
        FieldKind::Mac => (
            any::<[u8; 6]>(),
            prop_oneof![Just([0xff; 6]), any::<[u8; 6]>()],
        )
            .prop_map(|(mut value, mask)| {
                for (octet, mask) in value.iter_mut().zip(mask) {
                    *octet &= mask;
                }
                FieldValue::Mac {
                    value: MacAddress(value),
                    mask: MacAddress(mask),
                }
            })
            .boxed(),
        FieldKind::Address => prop_oneof![
            range().prop_map(|(a, b)| FieldValue::Address(a, b)),
            prefix().prop_map(|net| FieldValue::Address(net.network(), net.broadcast())),
        ]
        .boxed(),
        FieldKind::Flags => (1..=u8::MAX, any::<u8>())
            .prop_map(|(mask, set)| FieldValue::Flags {
                mask,
                set: set & mask,
            })
            .boxed(),
    }
}

fn condition() -> impl Strategy<Value = FieldMatch> {
    select(Field::ALL.to_vec()).prop_flat_map(|field| {
        let variable = "[A-Z]{1,4}".prop_map(FieldValue::Variable);
        let value = prop_oneof![4 => value_of(field.kind()), 1 => variable];
        (any::<bool>(), vec(value, 1..4)).prop_map(move |(negated, values)| FieldMatch {
            field,
            negated,
            values,
        })
    })
}

pub(super) fn rule() -> impl Strategy<Value = Rule> {
    let units = vec![
        RateUnit::Second,
        RateUnit::Minute,
        RateUnit::Hour,
        RateUnit::Day,
    ];
    let rate = (1..=u32::MAX, select(units)).prop_map(|(count, per)| LogRate { count, per });
    let head = (
        select(vec![Verdict::Accept, Verdict::Drop, Verdict::Reject]),
        select(vec![
            RuleDirection::In,
            RuleDirection::Out,
            RuleDirection::Both,
        ]),
        vec(term(), 0..4),
        vec(peer(), 0..4),
        vec(condition(), 0..3),
    );
    let options = (
        option::of(prop_oneof![rate, Just(LogRate::default())]),
        any::<bool>(),
        option::of(any_text()),
    );
    (head, options).prop_map(
        |((verdict, direction, what, peers, with), (log, stateless, comment))| Rule {
            verdict,
            direction,
            what,
            peers,
            with,
            log,
            stateless,
            comment,
            origin: Origin::default(),
        },
    )
}

fn rate() -> impl Strategy<Value = Rate> {
    prop_oneof![
        (1_u64..1_000_000).prop_map(|n| Rate::BitsPerSecond(n.saturating_mul(1000))),
        (1..=u64::MAX).prop_map(Rate::BitsPerSecond),
        (1..=u64::MAX).prop_map(Rate::FramesPerSecond),
    ]
}

fn variables() -> impl Strategy<Value = BTreeMap<String, Vec<FieldValue>>> {
    let value = prop_oneof![
        value_of(FieldKind::Number(0xffff_ffff)),
        value_of(FieldKind::Mac),
        value_of(FieldKind::Address),
        value_of(FieldKind::Flags),
    ];
    btree_map("[A-Za-z_][A-Za-z0-9_]{0,5}", vec(value, 0..3), 0..3)
}

fn labels() -> impl Strategy<Value = BTreeMap<String, String>> {
    btree_map(name(), any_text(), 0..3)
}

fn interface() -> impl Strategy<Value = String> {
    "[a-z][a-z0-9.@-]{0,14}"
}

fn learn() -> impl Strategy<Value = Learn> {
    let limit = || option::of(0..=policy::learn::MOST_ADDRESSES);
    (
        select(LearnMode::ALL.to_vec()),
        btree_set(address(), 0..3),
        limit(),
        limit(),
        btree_set(prefix(), 0..3),
    )
        .prop_map(|(mode, servers, ipv4_limit, ipv6_limit, within)| {
            let said = |said: bool, limit: Option<u8>| limit.filter(|_| said);
            let binds = matches!(mode, LearnMode::FirstPacket | LearnMode::Dhcp);
            Learn {
                mode,
                servers: servers
                    .into_iter()
                    .filter(|_| mode == LearnMode::Dhcp)
                    .collect(),
                ipv4_limit: said(mode != LearnMode::None, ipv4_limit),
                ipv6_limit: said(mode != LearnMode::None, ipv6_limit),
                within: within.into_iter().filter(|_| binds).collect(),
            }
        })
}

fn profile() -> impl Strategy<Value = Profile> {
    let verdict = || {
        option::of(select(vec![
            Verdict::Accept,
            Verdict::Drop,
            Verdict::Reject,
        ]))
    };
    let guards = vec![
        Guard::Mac,
        Guard::Ipv4,
        Guard::Ipv6,
        Guard::Arp,
        Guard::Nd,
        Guard::NoDhcpServer,
        Guard::NoRouterAdvertisement,
    ];
    let head = (
        name(),
        any::<u32>(),
        option::of(any_text()),
        vec(name(), 0..3),
        variables(),
    );
    let modes = (
        option::of(select(vec![
            Stateful::Required,
            Stateful::Preferred,
            Stateful::Off,
        ])),
        option::of(select(vec![RejectMode::Required, RejectMode::Preferred])),
        btree_set(select(guards), 0..4),
        verdict(),
        verdict(),
    );
    let limits = (
        option::of(rate()),
        option::of(rate()),
        option::of(rate()),
        option::of(rate()),
    );
    let vlans = (1_u16..=4094, 1_u16..=4094).prop_map(|(a, b)| (a.min(b), a.max(b)));
    let rest = (
        vec(rule(), 0..4),
        any::<bool>(),
        option::of(any::<bool>()),
        vec(vlans, 0..3),
        btree_set(0x600..=u16::MAX, 0..3),
        option::of(learn()),
    );
    (head, modes, limits, rest).prop_map(|(head, modes, limits, rest)| Profile {
        name: head.0,
        origin: Origin::default(),
        version: head.1,
        comment: head.2,
        include: head.3,
        stateful: modes.0,
        reject: modes.1,
        guards: modes.2,
        default_in: modes.3,
        default_out: modes.4,
        rules: rest.0,
        limits: Limits {
            inward: limits.0,
            outward: limits.1,
            out_broadcast: limits.2,
            in_broadcast: limits.3,
        },
        variables: head.4,
        audit: rest.1,
        dhcp: rest.2,
        tagged: rest.3,
        ethertypes: rest.4,
        learn: rest.5,
    })
}

fn network() -> impl Strategy<Value = Network> {
    let prefix_of_mac = (unicast(), 0_u8..=48).prop_map(|(mac, length)| {
        let bits = mac
            .0
            .iter()
            .fold(0_u64, |bits, octet| bits << 8 | u64::from(*octet));
        let mask = if length == 0 {
            0
        } else {
            u64::MAX << (48 - length)
        };
        let [_, _, octets @ ..] = (bits & mask).to_be_bytes();
        MacPrefix {
            address: MacAddress(octets),
            length,
        }
    });
    let isolation = select(vec![
        Isolation::Open,
        Isolation::Members,
        Isolation::Private,
    ]);
    let head = (
        name(),
        option::of(any_text()),
        interface(),
        option::of(1_u16..=4094),
        isolation,
    );
    let macs = || btree_set(unicast(), 0..3);
    let members = (
        macs(),
        macs(),
        macs(),
        btree_map(name(), vec(foreign_name(), 0..3), 0..3),
    );
    let rest = (
        option::of(prefix_of_mac),
        any::<bool>(),
        vec(prefix(), 0..3),
        vec(name(), 0..3),
        option::of(learn()),
    );
    (head, members, rest).prop_map(|(head, members, rest)| Network {
        name: head.0,
        origin: Origin::default(),
        comment: head.1,
        bridge: head.2,
        vlan: head.3,
        isolation: head.4,
        promiscuous: members.0,
        gateways: members.1,
        members: members.2,
        communities: members.3,
        mac_prefix: rest.0,
        mac_filter: rest.1,
        addresses: rest.2,
        profiles: rest.3,
        learn: rest.4,
    })
}

fn port() -> impl Strategy<Value = Port> {
    let role = prop_oneof![
        Just(Role::Isolated),
        Just(Role::Promiscuous),
        name().prop_map(Role::Community)
    ];
    let head = (
        foreign_name(),
        option::of(any_text()),
        option::of(foreign_name()),
        labels(),
        option::of(interface()),
    );
    let rest = (
        option::of(name()),
        unicast(),
        vec(prefix(), 0..3),
        name(),
        role,
        vec(name(), 0..3),
        variables(),
        option::of(learn()),
    );
    (head, rest).prop_map(|(head, rest)| Port {
        name: head.0,
        origin: Origin::default(),
        comment: head.1,
        vm: head.2,
        labels: head.3,
        device: head.4,
        host: rest.0,
        mac: rest.1,
        addresses: rest.2,
        network: rest.3,
        role: rest.4,
        profiles: rest.5,
        variables: rest.6,
        learn: rest.7,
    })
}

fn policy() -> impl Strategy<Value = Policy> {
    let level = prop_oneof![
        Just(Level::Everything),
        name().prop_map(Level::Pool),
        name().prop_map(Level::Network),
        foreign_name().prop_map(Level::Vm),
        foreign_name().prop_map(Level::Port),
        labels().prop_map(Level::Select),
    ];
    (
        name(),
        option::of(any_text()),
        level,
        vec(rule(), 0..3),
        vec(rule(), 0..3),
    )
        .prop_map(|(name, comment, level, mandatory, rules)| Policy {
            name,
            origin: Origin::default(),
            comment,
            level,
            mandatory,
            rules,
        })
}

/// Any document; the names in it need not exist.
pub(super) fn document() -> impl Strategy<Value = Document> {
    let heading = || (name(), option::of(any_text()));
    let group = (heading(), vec(member(), 0..4), labels()).prop_map(
        |((name, comment), members, select)| {
            Document::Group(Group {
                name,
                origin: Origin::default(),
                comment,
                members,
                select,
            })
        },
    );
    let service_heading = ("x[A-Za-z0-9_.+-]{0,8}", option::of(any_text()));
    let service = (service_heading, vec(term(), 0..4)).prop_map(|((name, comment), matches)| {
        Document::Service(Service {
            name,
            origin: Origin::default(),
            comment,
            matches,
        })
    });
    let bridge = (btree_set(interface(), 0..3), any::<bool>())
        .prop_map(|(uplinks, managed)| HostBridge { uplinks, managed });
    let host = (
        heading(),
        option::of(name()),
        vec(name(), 0..3),
        btree_map(interface(), bridge, 0..3),
    )
        .prop_map(|((name, comment), pool, profiles, bridges)| {
            Document::Host(Host {
                name,
                origin: Origin::default(),
                comment,
                pool,
                profiles,
                bridges,
            })
        });
    prop_oneof![
        3 => profile().prop_map(Document::Profile),
        1 => network().prop_map(Document::Network),
        1 => port().prop_map(Document::Port),
        1 => policy().prop_map(Document::Policy),
        1 => group,
        1 => service,
        1 => host,
    ]
}
