use frame::MacAddress;
use libvirt::xml::{Domain, NAMESPACE, Network};
use policy::claim::{Claim, ClaimChange, ProfileSource, settle};
use policy::document::{Document, Isolation, Role};
use policy::language::{Source, load};
use policy::rule::FieldValue;

use super::*;

mod events;
mod hooks;

/// What the real libvirt 9.0 gave.
macro_rules! sample {
    ($name:literal) => {
        include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../libvirt/tests/samples/",
            $name
        ))
    };
}
use sample;

const UUID: &str = "c7a5fdbd-edaf-4455-926a-d65c16db1809";

fn domain(metadata: &str, interfaces: &str) -> Domain {
    let text = format!(
        "<domain type='kvm' id='1'><name>web-1</name><uuid>{UUID}</uuid><metadata>\
         <moat:moat xmlns:moat='{NAMESPACE}'>{metadata}</moat:moat></metadata>\
         <devices>{interfaces}</devices></domain>"
    );
    Domain::parse(&text).unwrap_or_else(|error| panic!("{error}"))
}

fn networks(texts: &[&str]) -> Networks {
    let parse = |text: &&str| Network::parse(text).unwrap_or_else(|error| panic!("{error}"));
    let named = texts
        .iter()
        .map(parse)
        .map(|network| (network.name.clone(), network));
    named.collect()
}

/// An interface in bridge br0, with MAC 52:54:00:00:00:`last`.
fn bridged(last: u8, inner: &str) -> String {
    format!(
        "<interface type='bridge'><mac address='52:54:00:00:00:{last:02x}'/><source bridge='br0'/>\
         <target dev='vnet{last}'/><alias name='net{last}'/>{inner}</interface>"
    )
}

fn one(metadata: &str, interface: &str, known: &[&str]) -> Claim {
    let claims = claims(
        &domain(metadata, interface),
        &networks(known),
        Moment::Running,
    );
    let [claim] = claims.as_slice() else {
        panic!("one claim, not {claims:?}");
    };
    claim.clone()
}

fn on_network(source: &str) -> String {
    format!(
        "<interface type='network'><mac address='52:54:00:00:00:01'/><source {source}/><target dev='vnet1'/></interface>"
    )
}

#[test]
fn domain_at_start_becomes_complete_claims() {
    let domain = Domain::parse(sample!("db-1.start.xml")).expect("a domain");
    let known = networks(&[sample!("network.ovs.xml"), sample!("network.macvtap.xml")]);
    let claims = claims(&domain, &known, Moment::Running);
    let names: Vec<_> = claims.iter().map(|claim| claim.port.as_str()).collect();
    assert_eq!(names, ["db-1/0", "db-1/1", "db-1/2", "db-1/3", "db-1/4"]);
    assert_eq!(claims[0].device.as_deref(), Some("vnet3"));
    assert_eq!(claims[0].bridge.as_deref(), Some("br0"));
    assert_eq!(claims[0].mac, "52:54:00:11:22:44".parse().expect("a MAC"));
    assert_eq!(
        claims[0].device_mac,
        Some("fe:54:00:11:22:44".parse().expect("a MAC"))
    );
    assert_eq!(
        claims[0].uuid.as_deref(),
        Some("c7a5fdbd-edaf-4455-926a-d65c16db1810")
    );
    assert_eq!(claims[1].bridge.as_deref(), Some("virbr8"));
    assert_eq!(
        claims[1].profiles[&ProfileSource::Filter],
        ["nwfilter/clean-traffic"]
    );
    let addresses: Vec<_> = claims[1]
        .addresses
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(addresses, ["10.0.0.1/32", "10.0.0.2/32"]);
    assert!(
        claims[2]
            .refused
            .as_ref()
            .is_some_and(|why| why.contains("interface type user"))
    );
    assert!(
        claims[3]
            .refused
            .as_ref()
            .is_some_and(|why| why.contains("macvtap"))
    );
    assert!(
        claims[4]
            .refused
            .as_ref()
            .is_some_and(|why| why.contains("macvtap"))
    );
}

#[test]
fn prepare_knows_networks_and_no_devices() {
    let domain = Domain::parse(sample!("db-1.prepare.xml")).expect("a domain");
    let known = networks(&[sample!("network.ovs.xml"), sample!("network.macvtap.xml")]);
    let claims = claims(&domain, &known, Moment::Prepared);
    assert_eq!(claims[0].port, "db-1/0");
    assert_eq!(claims[0].device, None);
    assert_eq!(claims[0].device_mac, None);
    assert_eq!(claims[0].bridge.as_deref(), Some("br0"), "by the network");
    assert_eq!(claims[1].bridge, None, "its network is not known");
    assert!(
        claims[1]
            .notes
            .iter()
            .any(|note| note.contains("iso is not known yet"))
    );
    assert!(claims[4].refused.is_some(), "a pool of macvtap devices");
}

#[test]
fn made_up_device_names_of_another_life_are_not_believed() {
    let made_up = domain("", &bridged(1, ""));
    let chosen = bridged(1, "").replace("vnet1", "front");
    let chosen = domain("", &chosen);
    let device = |domain, moment| claims(domain, &Networks::new(), moment)[0].device.clone();
    assert_eq!(device(&made_up, Moment::Prepared), None);
    assert_eq!(device(&made_up, Moment::Running).as_deref(), Some("vnet1"));
    assert_eq!(device(&chosen, Moment::Prepared).as_deref(), Some("front"));
}

#[test]
fn ports_keep_their_names_when_another_is_unplugged() {
    let three = domain(
        "",
        &[bridged(0, ""), bridged(1, ""), bridged(2, "")].concat(),
    );
    assert_eq!(port_names(&three), ["web-1/0", "web-1/1", "web-1/2"]);
    let two = domain("", &[bridged(0, ""), bridged(2, "")].concat());
    assert_eq!(port_names(&two), ["web-1/0", "web-1/2"]);
    let chosen = bridged(1, "").replace("net1", "ua-front");
    let mixed = domain("", &[chosen, bridged(0, "")].concat());
    assert_eq!(port_names(&mixed), ["web-1/ua-front", "web-1/0"]);
    // Two without an alias beside one that has the number of the first.
    let bare = "<interface type='bridge'><mac address='52:54:00:00:00:01'/></interface>";
    let mixed = domain("", &format!("{bare}{}{bare}", bridged(0, "")));
    assert_eq!(port_names(&mixed), ["web-1/1", "web-1/0", "web-1/2"]);
}

#[test]
fn every_kind_of_interface_is_enforced_or_refused_with_the_reason() {
    for (kind, enforced) in [
        ("bridge", true),
        ("network", true),
        ("ethernet", true),
        ("direct", false),
        ("hostdev", false),
        ("vhostuser", false),
        ("vdpa", false),
        ("user", false),
        ("internal", false),
        ("udp", false),
        ("server", false),
        ("client", false),
        ("mcast", false),
        ("null", false),
        ("brandnew", false),
    ] {
        let claim = one(
            "",
            &format!("<interface type='{kind}'><mac address='52:54:00:00:00:01'/></interface>"),
            &[],
        );
        match (enforced, &claim.refused) {
            (true, None) => {}
            (false, Some(why)) => assert!(why.contains(kind), "{why}"),
            _ => panic!("{kind}: {:?}", claim.refused),
        }
    }
    let claim = one(
        "",
        "<interface type='bridge'><source bridge='br0'/></interface>",
        &[],
    );
    assert!(claim.refused.is_some_and(|why| why.contains("no MAC")));
}

#[test]
fn every_kind_of_network_is_enforced_or_refused_with_the_reason() {
    for (forward, bridge, expected) in [
        ("", "<bridge name='virbr9'/>", Some("virbr9")),
        (
            "<forward mode='nat'/>",
            "<bridge name='virbr9'/>",
            Some("virbr9"),
        ),
        (
            "<forward mode='route'/>",
            "<bridge name='virbr9'/>",
            Some("virbr9"),
        ),
        (
            "<forward mode='open'/>",
            "<bridge name='virbr9'/>",
            Some("virbr9"),
        ),
        (
            "<forward mode='bridge'/>",
            "<bridge name='br0'/>",
            Some("br0"),
        ),
        (
            "<forward mode='bridge'><interface dev='eth1'/></forward>",
            "",
            None,
        ),
        (
            "<forward mode='vepa'><interface dev='eth1'/></forward>",
            "",
            None,
        ),
        (
            "<forward mode='private'><interface dev='eth1'/></forward>",
            "",
            None,
        ),
        (
            "<forward mode='passthrough'><interface dev='eth1'/></forward>",
            "",
            None,
        ),
        ("<forward mode='hostdev'/>", "", None),
        ("<forward mode='teleport'/>", "", None),
    ] {
        let network = format!("<network><name>n</name>{forward}{bridge}</network>");
        let claim = one("", &on_network("network='n'"), &[&network]);
        match expected {
            Some(bridge) => assert_eq!(
                (claim.bridge.as_deref(), claim.refused),
                (Some(bridge), None),
                "{network}"
            ),
            None => assert!(claim.refused.is_some(), "{network}"),
        }
    }
}

#[test]
fn virtualports_of_other_switches_are_refused_wherever_they_are_named() {
    let interface = bridged(1, "<virtualport type='openvswitch'/>");
    let on_open_vswitch = one("", &interface, &[]);
    assert_eq!(on_open_vswitch.refused, None);
    assert_eq!(on_open_vswitch.switch.as_deref(), Some("openvswitch"));
    let interface = bridged(
        1,
        "<virtualport type='802.1Qbg'><parameters managerid='11'/></virtualport>",
    );
    assert!(
        one("", &interface, &[])
            .refused
            .is_some_and(|why| why.contains("adjacent switch"))
    );
    let network = "<network><name>o</name><forward mode='bridge'/><bridge name='ovsbr0'/><virtualport type='openvswitch'/>\
                   <portgroup name='bob'><virtualport><parameters profileid='b'/></virtualport></portgroup></network>";
    for source in ["network='o'", "network='o' portgroup='bob'"] {
        let claim = one("", &on_network(source), &[network]);
        assert_eq!(claim.refused, None);
        assert_eq!(claim.switch.as_deref(), Some("openvswitch"));
    }
    let untyped = bridged(
        1,
        "<virtualport><parameters interfaceid='b'/></virtualport>",
    );
    assert!(one("", &untyped, &[]).refused.is_some());
}

const PRIVATE: &str = "<network><name>ovs</name><forward mode='bridge'/><bridge name='br0'/>\
    <metadata><moat:moat xmlns:moat='https://moat.dev/xmlns/libvirt/1'>\
    <moat:profile>tenant</moat:profile><moat:promiscuous>52:54:00:aa:00:01</moat:promiscuous>\
    <moat:portgroup name='dmz'><moat:profile>front</moat:profile><moat:network>edge</moat:network></moat:portgroup></moat:moat></metadata>\
    <portgroup name='isolated-2102' default='yes'/><portgroup name='promiscuous-2102'/>\
    <portgroup name='isolated-4095'/><portgroup name='isolated-web'/><portgroup name='dmz'/></network>";

#[test]
fn portgroups_of_seed_000_are_roles_in_a_private_network() {
    for (source, role) in [
        ("network='ovs'", Role::Isolated),
        ("network='ovs' portgroup='isolated-2102'", Role::Isolated),
        (
            "network='ovs' portgroup='promiscuous-2102'",
            Role::Promiscuous,
        ),
    ] {
        let claim = one("", &on_network(source), &[PRIVATE]);
        assert_eq!(
            (claim.refused.as_ref(), claim.role.as_ref(), claim.vlan),
            (None, Some(&role), Some(2102)),
            "{source}"
        );
        let [Document::Network(network)] = claim.documents.as_slice() else {
            panic!("{:?}", claim.documents);
        };
        assert_eq!(
            (network.name.as_str(), network.bridge.as_str()),
            ("br0.2102", "br0")
        );
        assert_eq!(
            (network.vlan, network.isolation),
            (Some(2102), Isolation::Private)
        );
        let router: MacAddress = "52:54:00:aa:00:01".parse().expect("a MAC");
        assert!(network.promiscuous.contains(&router));
    }
    // libvirt tells the portgroup of a running domain, also where it does not tell the network's.
    let claim = one(
        "",
        &on_network("network='ovs' portgroup='isolated-2102' bridge='br0'"),
        &[],
    );
    assert_eq!(
        (claim.role, claim.documents.len()),
        (Some(Role::Isolated), 1)
    );
    let claim = one(
        "",
        &on_network("network='ovs' portgroup='isolated-4095'"),
        &[PRIVATE],
    );
    assert!(
        claim
            .refused
            .is_some_and(|why| why.contains("4095 is no VLAN"))
    );
    let claim = one(
        "",
        &on_network("network='ovs' portgroup='isolated-web'"),
        &[PRIVATE],
    );
    assert_eq!((claim.refused, claim.role, claim.vlan), (None, None, None));
    let both = on_network("network='ovs'").replace("<target", "<vlan><tag id='7'/></vlan><target");
    assert!(
        one("", &both, &[PRIVATE])
            .refused
            .is_some_and(|why| why.contains("VLAN 2102"))
    );
}

#[test]
fn seed_004s_filter_is_mac_filter_on_the_network() {
    let seed =
        "<network><name>mynet</name><bridge name='br7' stp='off'/><filter mac='on'/></network>";
    let kept = "<network><name>mynet</name><bridge name='br7'/><metadata><moat:moat xmlns:moat='https://moat.dev/xmlns/libvirt/1'>\
                <moat:mac-filter>on</moat:mac-filter></moat:moat></metadata></network>";
    for network in [seed, kept] {
        let claim = one("", &on_network("network='mynet'"), &[network]);
        let [Document::Network(network)] = claim.documents.as_slice() else {
            panic!("{:?}", claim.documents);
        };
        assert!(network.mac_filter);
        assert_eq!(
            (network.name.as_str(), network.isolation),
            ("br7", Isolation::Open)
        );
    }
    let plain = seed.replace("<filter mac='on'/>", "");
    assert!(
        one("", &on_network("network='mynet'"), &[&plain])
            .documents
            .is_empty()
    );
}

#[test]
fn profiles_come_from_metadata_filter_and_network() {
    let known = [PRIVATE];
    let interface = on_network("network='ovs' portgroup='dmz'")
        .replace("<target", "<filterref filter='clean-traffic'/><target");
    let claim = one("<moat:profile>web</moat:profile>", &interface, &known);
    assert_eq!(claim.profiles[&ProfileSource::Metadata], ["web"]);
    assert_eq!(
        claim.profiles[&ProfileSource::Filter],
        ["nwfilter/clean-traffic"]
    );
    assert_eq!(claim.profiles[&ProfileSource::SourceNetwork], ["front"]);
    assert_eq!(claim.network.as_deref(), Some("edge"));
    let claim = one("", &on_network("network='ovs'"), &known);
    assert_eq!(claim.profiles[&ProfileSource::SourceNetwork], ["tenant"]);
}

#[test]
fn an_interfaces_own_metadata_comes_before_that_for_all() {
    let metadata = "<moat:profile>base</moat:profile><moat:address>10.0.0.1</moat:address>\
        <moat:label name='app'>web</moat:label><moat:variable name='A'>1</moat:variable>\
        <moat:port alias='net2'><moat:profile>db</moat:profile><moat:role>community:db</moat:role>\
        <moat:network>tenant-7</moat:network><moat:variable name='B'>10.0.0.0/24</moat:variable></moat:port>\
        <moat:port mac='52:54:00:00:00:03'><moat:address>2001:db8::/64</moat:address></moat:port>";
    let domain = domain(
        metadata,
        &[bridged(1, ""), bridged(2, ""), bridged(3, "")].concat(),
    );
    let claims = claims(&domain, &Networks::new(), Moment::Running);
    assert_eq!(claims[0].profiles[&ProfileSource::Metadata], ["base"]);
    assert_eq!(claims[1].profiles[&ProfileSource::Metadata], ["db"]);
    assert_eq!(claims[2].profiles[&ProfileSource::Metadata], ["base"]);
    assert_eq!(claims[1].role, Some(Role::Community("db".to_owned())));
    assert_eq!(claims[1].network.as_deref(), Some("tenant-7"));
    assert_eq!(claims[1].addresses[0].to_string(), "10.0.0.1/32");
    assert_eq!(claims[2].addresses[0].to_string(), "2001:db8::/64");
    assert_eq!(claims[1].variables["A"], [FieldValue::Number(1, 1)]);
    assert_eq!(claims[1].variables.len(), 2);
    assert!(
        claims
            .iter()
            .all(|claim| claim.labels["app"] == "web" && claim.notes.is_empty())
    );
}

#[test]
fn metadata_that_misses_its_interface_is_told_and_twofold_one_refused() {
    let claim = one(
        "<moat:port mac='52:54:00:00:00:99'><moat:profile>db</moat:profile></moat:port>",
        &bridged(1, ""),
        &[],
    );
    assert!(
        claim
            .notes
            .iter()
            .any(|note| note.contains("52:54:00:00:00:99"))
    );
    let claim = one(
        "<moat:port alias='net1'/><moat:port index='0'/>",
        &bridged(1, ""),
        &[],
    );
    assert!(
        claim
            .refused
            .is_some_and(|why| why.contains("several <port>"))
    );
    let claim = one(
        "<moat:variable name='A'>what?</moat:variable>",
        &bridged(1, ""),
        &[],
    );
    assert!(claim.refused.is_some_and(|why| why.contains("variable A")));
}

#[test]
fn filter_parameters_become_addresses_and_variables() {
    let filter = "<filterref filter='mine'><parameter name='IP' value='10.0.0.1'/><parameter name='IPV6' value='2001:db8::1'/>\
        <parameter name='MAC' value='52:54:00:00:00:01'/><parameter name='PORTS' value='80'/><parameter name='PORTS' value='443'/>\
        <parameter name='DHCPSERVER' value='10.0.0.254'/><parameter name='CTRL_IP_LEARNING' value='dhcp'/></filterref>";
    let claim = one("", &bridged(1, filter), &[]);
    assert_eq!(claim.addresses.len(), 2);
    assert_eq!(
        claim.variables["PORTS"],
        [FieldValue::Number(80, 80), FieldValue::Number(443, 443)]
    );
    assert!(claim.variables.contains_key("DHCPSERVER"));
    assert_eq!(claim.variables.len(), 2);
    assert_eq!(claim.filters[0].name, "mine");
    assert_eq!(claim.filters[0].parameters["CTRL_IP_LEARNING"], ["dhcp"]);
    let wrong = "<filterref filter='mine'><parameter name='IP' value='10.0.0.300'/></filterref>";
    assert!(
        one("", &bridged(1, wrong), &[])
            .refused
            .is_some_and(|why| why.contains("10.0.0.300"))
    );
}

#[test]
fn vlans_and_what_libvirt_enforces_itself_are_told() {
    let claim = one("", &bridged(1, "<vlan><tag id='42'/></vlan>"), &[]);
    assert_eq!((claim.vlan, claim.notes.len()), (Some(42), 0));
    let trunk = "<vlan trunk='yes'><tag id='42' nativeMode='untagged'/><tag id='47'/></vlan>";
    let claim = one("", &bridged(1, trunk), &[]);
    assert_eq!(claim.vlan, Some(42));
    assert!(claim.notes[0].contains("tagged: [47]"));
    assert!(
        one("", &bridged(1, "<vlan><tag id='4095'/></vlan>"), &[])
            .refused
            .is_some()
    );
    let rest = "<port isolated='yes'/><bandwidth><inbound average='1'/></bandwidth><shiny/>";
    let interface =
        bridged(1, rest).replace("type='bridge'", "type='bridge' trustGuestRxFilters='yes'");
    let notes = one("", &interface, &[]).notes.join("\n");
    for word in [
        "isolated='yes'",
        "<bandwidth>",
        "trustGuestRxFilters",
        "<shiny>",
    ] {
        assert!(notes.contains(word), "{notes}");
    }
}

#[test]
fn claims_settle_into_ports_of_a_catalog() {
    let text = "kind: Profile\nname: tenant\n";
    let declared = load(&[Source::new("here.yaml", text)]).expect("documents");
    let claim = one("", &on_network("network='ovs'"), &[PRIVATE]);
    let settled = settle(&declared, None, &[claim]);
    let port = &settled.catalog.ports["web-1/0"];
    assert_eq!(
        (port.network.as_str(), port.profiles.as_slice()),
        ("br0.2102", ["tenant".to_owned()].as_slice())
    );
    assert_eq!(
        settled.catalog.networks["br0.2102"].isolation,
        Isolation::Private
    );
}

#[test]
fn filters_become_profiles_where_nothing_stronger_decides() {
    let mut filters = crate::nwfilter::Filters::default();
    let text = "<filter name='mine' chain='root'><rule action='drop' direction='out' priority='500'>\
                <mac match='no' srcmacaddr='$MAC'/></rule></filter>";
    let read = crate::nwfilter::parse("mine.xml", text);
    filters.insert(read.unwrap_or_else(|error| panic!("{error:?}")));
    let mine = bridged(1, "<filterref filter='mine'/>");
    let other = bridged(1, "<filterref filter='other'/>");
    let web = "<moat:profile>web</moat:profile>";
    let settled = |metadata: &str, interface: &str| {
        let mut claims = [one(metadata, interface, &[])];
        bring_filters(&mut claims, &filters);
        let [claim] = claims;
        claim
    };
    let claim = settled("", &mine);
    assert_eq!(claim.refused, None);
    assert_eq!(claim.profiles[&ProfileSource::Filter], ["nwfilter/mine"]);
    assert!(
        matches!(claim.documents.as_slice(), [Document::Profile(profile)] if profile.name == "nwfilter/mine")
    );
    assert!(
        settled("", &other)
            .refused
            .is_some_and(|why| why.starts_with("filter other: "))
    );
    assert_eq!(settled(web, &other).refused, None);
}

#[test]
fn a_filter_without_an_address_learns_it_as_libvirt_does() {
    use policy::learn::LearnMode;
    let learned = |parameters: &str| {
        let filter = format!("<filterref filter='clean-traffic'>{parameters}</filterref>");
        one("", &bridged(1, &filter), &[]).learn
    };
    let unset = learned("").unwrap_or_default();
    assert_eq!(unset.mode, LearnMode::FirstPacket);
    assert_eq!(unset.ipv6_limit, Some(0), "libvirt never learns IPv6");
    let leased = "<parameter name='CTRL_IP_LEARNING' value='dhcp'/>\
                  <parameter name='DHCPSERVER' value='10.0.0.1'/>";
    let leased = learned(leased).unwrap_or_default();
    assert_eq!(leased.mode, LearnMode::Dhcp);
    assert_eq!(leased.servers.len(), 1);
    assert_eq!(learned("<parameter name='IP' value='10.0.0.5'/>"), None);
    assert_eq!(
        learned("<parameter name='CTRL_IP_LEARNING' value='none'/>"),
        None
    );
}

#[test]
fn what_a_port_had_learned_comes_with_the_domain() {
    let learned = |mac: &str| {
        format!(
            "<learned xmlns='{}'><port mac='{mac}'><address ip='10.0.0.5' from='lease' since='1' \
             until='9'/></port></learned>",
            libvirt::xml::LEARNED_NAMESPACE
        )
    };
    let domain = |learned: &str, interfaces: &str| {
        let text = format!(
            "<domain type='kvm' id='1'><name>web-1</name><uuid>{UUID}</uuid><metadata>{learned}\
             </metadata><devices>{interfaces}</devices></domain>"
        );
        Domain::parse(&text).unwrap_or_else(|error| panic!("{error}"))
    };
    let of = |domain: &Domain| {
        let claims = claims(domain, &Networks::new(), Moment::Prepared);
        let learned = claims.into_iter().map(|claim| claim.learned);
        learned
            .map(|learned| learned.iter().map(|one| one.address.to_string()).collect())
            .collect::<Vec<Vec<String>>>()
    };
    let two = format!("{}{}", bridged(1, ""), bridged(2, ""));
    let came = domain(&learned("52:54:00:00:00:02"), &two);
    assert_eq!(of(&came), [vec![], vec!["10.0.0.5".to_owned()]]);
    // Another MAC's addresses are nobody's, and two ports with one MAC cannot be told apart.
    let stranger = domain(&learned("52:54:00:00:00:03"), &two);
    assert_eq!(of(&stranger), [Vec::<String>::new(), vec![]]);
    let twins = format!("{}{}", bridged(2, ""), bridged(2, ""));
    let twins = domain(&learned("52:54:00:00:00:02"), &twins);
    assert_eq!(of(&twins), [Vec::<String>::new(), vec![]]);
    // What is not understood is told, and refuses nothing.
    let strange = domain(&learned("here"), &bridged(2, ""));
    let claims = claims(&strange, &Networks::new(), Moment::Prepared);
    let [claim] = claims.as_slice() else {
        panic!("one claim, not {claims:?}");
    };
    assert_eq!(claim.refused, None);
    assert!(claim.notes.iter().any(|note| note.contains("learned anew")));
}

#[test]
fn the_connections_of_a_port_come_with_the_domain() {
    let namespace = libvirt::xml::CONNECTIONS_NAMESPACE;
    let of = |text: &str, interfaces: &str| {
        let text = format!(
            "<domain type='kvm' id='1'><name>web-1</name><uuid>{UUID}</uuid><metadata>\
             <connections xmlns='{namespace}'><port mac='52:54:00:00:00:02'>{text}</port></connections>\
             </metadata><devices>{interfaces}</devices></domain>"
        );
        let domain = Domain::parse(&text).unwrap_or_else(|error| panic!("{error}"));
        claims(&domain, &Networks::new(), Moment::Prepared)
    };
    let two = format!("{}{}", bridged(1, ""), bridged(2, ""));
    let came = of(
        "tcp 10.0.0.5:1 192.0.2.9:2 3; udp 10.0.0.5:1 192.0.2.9:2 3",
        &two,
    );
    let counts: Vec<usize> = came.iter().map(|claim| claim.connections.len()).collect();
    assert_eq!(counts, [0, 2]);
    let twins = of(
        "tcp 10.0.0.5:1 192.0.2.9:2 3",
        &format!("{}{}", bridged(2, ""), bridged(2, "")),
    );
    assert!(twins.iter().all(|claim| claim.connections.is_empty()));
    // What is not understood is told, and refuses nothing.
    let strange = of("tcp 10.0.0.5:1 192.0.2.9:2 3; tcp to you", &bridged(2, ""));
    let [claim] = strange.as_slice() else {
        panic!("one claim, not {strange:?}");
    };
    assert!(claim.connections.is_empty() && claim.refused.is_none());
    assert!(
        claim.notes.iter().any(|note| note.contains("tcp to you")),
        "{:?}",
        claim.notes
    );
}
