use frame::MacAddress;

use super::*;

const HOOK: &str = include_str!("../../tests/samples/db-1.start.xml");
const LIVE: &str = include_str!("../../tests/samples/web-1.live.xml");
const PREPARE: &str = include_str!("../../tests/samples/db-1.prepare.xml");

fn mac(text: &str) -> MacAddress {
    text.parse().expect("a MAC")
}

fn metadata(inner: &str) -> Result<DomainMetadata, XmlError> {
    let text = format!(
        "<domain type='kvm'>\n<name>a</name>\n<uuid>c7a5fdbdedaf4455926ad65c16db1809</uuid>\n<metadata>\n\
         <x:other xmlns:x='urn:x'><x:any/></x:other>\n\
         <moat:moat xmlns:moat='{NAMESPACE}'>\n{inner}\n</moat:moat></metadata></domain>"
    );
    Domain::parse(&text).map(|domain| domain.metadata)
}

#[test]
fn domain_at_start_says_what_each_interface_turned_out_to_be() {
    let domain = Domain::parse(HOOK).expect("libvirt's own XML");
    assert_eq!((domain.name.as_str(), domain.id), ("db-1", Some(3)));
    assert_eq!(
        domain.uuid.to_string(),
        "c7a5fdbd-edaf-4455-926a-d65c16db1810"
    );
    let kinds: Vec<_> = domain
        .interfaces
        .iter()
        .map(|i| i.kind.word().to_owned())
        .collect();
    assert_eq!(kinds, ["bridge", "network", "user", "direct", "direct"]);
    let [bob, filtered, user, _, pool] = domain.interfaces.as_slice() else {
        panic!("five interfaces");
    };
    assert_eq!(bob.source.network.as_deref(), Some("ovs"));
    assert_eq!(bob.source.portgroup.as_deref(), Some("bob"));
    assert_eq!(bob.source.bridge.as_deref(), Some("br0"));
    assert_eq!(bob.target.as_deref(), Some("vnet3"));
    assert_eq!(bob.alias.as_deref(), Some("net0"));
    assert!(bob.source.port_id.is_some());
    let filter = filtered.filter.as_ref().expect("a filter");
    assert_eq!(filter.filter, "clean-traffic");
    assert_eq!(filter.parameters["IP"], ["10.0.0.1", "10.0.0.2"]);
    assert_eq!(filtered.link_up, Some(false));
    assert_eq!(user.target, None);
    assert_eq!(pool.trust_guest_rx_filters, Some(true));
    assert_eq!(pool.source.device.as_deref(), Some("d0"));
    assert!(domain.interfaces.iter().all(|i| i.unknown.is_empty()));
}

#[test]
fn domain_at_prepare_has_no_devices() {
    let domain = Domain::parse(PREPARE).expect("libvirt's own XML");
    assert_eq!(domain.interfaces.len(), 5);
    assert!(
        domain
            .interfaces
            .iter()
            .all(|i| i.target.is_none() && i.alias.is_none())
    );
    assert_eq!(domain.interfaces[0].kind, InterfaceKind::Network);
}

#[test]
fn live_domain_keeps_its_metadata_and_isolated_port() {
    let domain = Domain::parse(LIVE).expect("libvirt's own XML");
    assert_eq!(domain.metadata.all.profiles, ["web"]);
    assert_eq!(domain.metadata.labels["app"], "web");
    assert_eq!(domain.interfaces[0].isolated, Some(true));
    assert_eq!(domain.interfaces[2].kind, InterfaceKind::Ethernet);
    assert_eq!(domain.interfaces[3].mac, Some(mac("52:54:00:11:22:99")));
}

#[test]
fn every_part_of_an_interface_is_read() {
    let text = "<domain type='kvm' id='7'><name>web1</name><uuid>c7a5fdbd-edaf-9455-926a-d65c16db1809</uuid><devices>
      <interface type='bridge' trustGuestRxFilters='no'>
        <mac address='52:54:0:6:87:83'/><source bridge='ovsbr0'/>
        <vlan trunk='yes'><tag id='42' nativeMode='untagged'/><tag id='47'/></vlan>
        <virtualport type='openvswitch'><parameters interfaceid='2b4f' profileid='bob'/></virtualport>
        <target dev='vnet1'/><model type='virtio'/>
        <bandwidth><inbound average='1000' peak='5000' burst='1024' floor='5'/><outbound average='128'/></bandwidth>
        <alias name='ua-front'/><shiny new='yes'/>
      </interface></devices></domain>";
    let domain = Domain::parse(text).expect("a domain");
    let interface = &domain.interfaces[0];
    assert_eq!(
        interface.mac,
        Some(mac("52:54:00:06:87:83")),
        "libvirt reads short octets"
    );
    let vlan = interface.vlan.as_ref().expect("a VLAN");
    assert!(vlan.trunk);
    assert_eq!(
        vlan.tags[0],
        VlanTag {
            id: 42,
            native_tagged: Some(false)
        }
    );
    assert_eq!(
        vlan.tags[1],
        VlanTag {
            id: 47,
            native_tagged: None
        }
    );
    let virtualport = interface.virtualport.as_ref().expect("a virtualport");
    assert_eq!(virtualport.kind.as_deref(), Some("openvswitch"));
    assert_eq!(virtualport.parameters["profileid"], "bob");
    let bandwidth = interface.bandwidth.expect("a bandwidth");
    assert_eq!(bandwidth.inbound.and_then(|limit| limit.floor), Some(5));
    assert_eq!(
        bandwidth.outbound.and_then(|limit| limit.average),
        Some(128)
    );
    assert_eq!(interface.trust_guest_rx_filters, Some(false));
    assert_eq!(interface.unknown, ["shiny"]);
    assert_eq!(interface.position, Position { line: 2, column: 7 });
}

#[test]
fn values_that_are_not_of_their_kind_are_refused_at_their_place() {
    let domain = |interface: &str| {
        Domain::parse(&format!(
            "<domain type='kvm'><name>a</name><uuid>c7a5fdbd-edaf-9455-926a-d65c16db1809</uuid><devices>\n{interface}\n</devices></domain>"
        ))
    };
    for (interface, expected) in [
        (
            "<interface/>",
            "line 2, column 1: <interface> lacks the attribute `type`",
        ),
        (
            "<interface type='bridge'>\n<mac address='5x:54:00:00:00:01'/></interface>",
            "line 3, column 6: <mac address='5x:54:00:00:00:01'>",
        ),
        (
            "<interface type='bridge'><mac/></interface>",
            "<mac> lacks the attribute `address`",
        ),
        (
            "<interface type='bridge'><mac address='52:54:00:00:00:01'/><mac address='52:54:00:00:00:02'/></interface>",
            "a second <mac>",
        ),
        (
            "<interface type='bridge'><vlan><tag id='4096'/></vlan></interface>",
            "not a VLAN id",
        ),
        (
            "<interface type='bridge'><vlan/></interface>",
            "<vlan> has no <tag>",
        ),
        (
            "<interface type='bridge'><port isolated='maybe'/></interface>",
            "not `yes` or `no`",
        ),
        (
            "<interface type='bridge'><link state='off'/></interface>",
            "not `up` or `down`",
        ),
        (
            "<interface type='bridge'><filterref/></interface>",
            "lacks the attribute `filter`",
        ),
        (
            "<interface type='network'><source network='x' portid='7'/></interface>",
            "is not a UUID",
        ),
    ] {
        let error = domain(interface).expect_err(interface).to_string();
        assert!(error.contains(expected), "{error}\n  lacks: {expected}");
    }
    assert!(Domain::parse("<network/>").is_err_and(|e| e.problem.contains("<domain> is expected")));
    assert!(Domain::parse("<domain").is_err());
    assert!(Domain::parse("<!DOCTYPE x [<!ENTITY a 'b'>]><domain>&a;</domain>").is_err());
}

#[test]
fn metadata_says_all_that_a_port_document_can() {
    let read = metadata(
        "<moat:profile>base</moat:profile><moat:profile>web</moat:profile>
         <moat:label name='app'>web</moat:label>
         <moat:port mac='52:54:00:00:00:01'><moat:profile>db</moat:profile><moat:network>tenant-7</moat:network>
           <moat:address>10.0.0.5</moat:address><moat:address>2001:db8::/64</moat:address>
           <moat:role>community:db</moat:role><moat:variable name='PORTS'>80</moat:variable>
           <moat:variable name='PORTS'>443</moat:variable></moat:port>
         <moat:port alias='ua-front'><moat:role>promiscuous</moat:role></moat:port>
         <moat:port index='2'/>",
    )
    .expect("metadata");
    assert!(read.present);
    assert_eq!(read.all.profiles, ["base", "web"]);
    let [(first, port), (second, other), (third, _)] = read.ports.as_slice() else {
        panic!("three ports");
    };
    assert_eq!(*first, PortSelector::Mac(mac("52:54:00:00:00:01")));
    assert_eq!(*second, PortSelector::Alias("ua-front".to_owned()));
    assert_eq!(*third, PortSelector::Index(2));
    assert_eq!(port.network.as_deref(), Some("tenant-7"));
    assert_eq!(port.addresses.len(), 2);
    assert_eq!(port.addresses[1].1, 64);
    assert_eq!(port.role, Some(MetadataRole::Community("db".to_owned())));
    assert_eq!(port.variables["PORTS"], ["80", "443"]);
    assert_eq!(other.role, Some(MetadataRole::Promiscuous));
}

#[test]
fn nothing_in_the_metadata_is_passed_over() {
    for (inner, expected) in [
        (
            "<moat:profil>web</moat:profil>",
            "line 7, column 1: <profil> means nothing here",
        ),
        ("<profile>web</profile>", "not in the namespace"),
        ("<moat:profile/>", "<profile> is empty"),
        ("<moat:profile name='web'/>", "<profile> is empty"),
        (
            "<moat:profile x='y'>web</moat:profile>",
            "has no attribute `x`",
        ),
        ("<moat:role>member</moat:role>", "is no role"),
        (
            "<moat:role>isolated</moat:role><moat:role>isolated</moat:role>",
            "a second <role>",
        ),
        (
            "<moat:address>10.0.0.0/33</moat:address>",
            "neither an address nor a prefix",
        ),
        (
            "<moat:port><moat:profile>web</moat:profile></moat:port>",
            "exactly one of",
        ),
        (
            "<moat:port mac='52:54:00:00:00:01' index='0'/>",
            "exactly one of",
        ),
        (
            "<moat:port index='0'/><moat:port index='0'/>",
            "has a <port> already",
        ),
        (
            "<moat:port index='0'><moat:label name='a'>b</moat:label></moat:port>",
            "<label> means nothing here",
        ),
        ("<moat:label>web</moat:label>", "lacks the attribute `name`"),
    ] {
        let error = metadata(inner).expect_err(inner).to_string();
        assert!(error.contains(expected), "{error}\n  lacks: {expected}");
    }
    assert!(
        !metadata("")
            .expect("empty")
            .all
            .profiles
            .iter()
            .any(|_| true)
    );
}

#[test]
fn networks_of_every_kind_are_read() {
    let nat =
        Network::parse(include_str!("../../tests/samples/network.nat.xml")).expect("a network");
    assert_eq!(
        nat.forward.as_ref().map(|f| &f.mode),
        Some(&ForwardMode::Nat)
    );
    assert_eq!(nat.bridge.as_deref(), Some("virbr7"));
    assert_eq!(nat.metadata.all.profiles, ["tenant"]);
    assert_eq!(nat.isolated, Some(true));
    assert_eq!(
        nat.addresses,
        [("192.168.77.1".parse().expect("an address"), Some(24))]
    );
    assert!(nat.mac.is_some());
    let pool =
        Network::parse(include_str!("../../tests/samples/network.macvtap.xml")).expect("a network");
    assert_eq!(
        (pool.bridge, pool.forward.map(|f| f.devices)),
        (None, Some(vec!["d0".to_owned()]))
    );
    let ovs =
        Network::parse(include_str!("../../tests/samples/network.ovs.xml")).expect("a network");
    assert_eq!(
        ovs.portgroup(None).map(|g| g.name.as_str()),
        Some("isolated-2102")
    );
    assert_eq!(
        ovs.portgroup(Some("bob")).map(|g| g.name.as_str()),
        Some("bob")
    );
    assert_eq!(ovs.portgroup(Some("none")), None);
}

#[test]
fn seed_004s_network_filters_macs() {
    let network = Network::parse(
        "<network><name>mynet</name><uuid>920debe0-c3ef-4395-8241-ee82d4b49c2d</uuid>\
         <bridge name=\"br%d\" stp=\"off\"/><filter mac=\"on\"/></network>",
    )
    .expect("a network");
    assert!(network.mac_filter);
    assert_eq!(
        network.bridge, None,
        "a name that libvirt has yet to fill in"
    );
    assert_eq!(network.forward, None);
}

#[test]
fn portgroups_carry_their_vlans() {
    let network = Network::parse(
        "<network><name>o</name><forward mode='bridge'/><virtualport type='openvswitch'/>
         <portgroup name='bob' default='yes'><vlan trunk='yes'><tag id='666'/></vlan>
         <virtualport><parameters profileid='bob-profile'/></virtualport></portgroup></network>",
    )
    .expect("a network");
    let bob = network.portgroup(None).expect("a default");
    assert_eq!(bob.vlan.as_ref().map(|vlan| vlan.tags[0].id), Some(666));
    assert_eq!(bob.virtualport.as_ref().and_then(|v| v.kind.clone()), None);
    assert_eq!(
        network.virtualport.and_then(|v| v.kind).as_deref(),
        Some("openvswitch")
    );
}

#[test]
fn network_hook_names_network_and_port() {
    let data = HookData::parse(include_str!(
        "../../tests/samples/network.ovs.port-created.xml"
    ))
    .expect("hook data");
    let port = data.port.expect("a port");
    assert_eq!(data.network.name, "ovs");
    assert_eq!(
        (port.owner.name.as_str(), port.group.as_deref()),
        ("db-1", Some("bob"))
    );
    assert_eq!(port.mac, mac("52:54:00:11:22:44"));
    let plug = port.plug.expect("a plug");
    assert_eq!(
        (plug.kind.as_str(), plug.bridge.as_deref()),
        ("bridge", Some("br0"))
    );
    let pool = HookData::parse(include_str!(
        "../../tests/samples/network.mv.port-created.xml"
    ))
    .expect("hook data");
    assert_eq!(pool.port.and_then(|p| p.trust_guest_rx_filters), Some(true));
    let port =
        NetworkPort::parse(include_str!("../../tests/samples/networkport.xml")).expect("a port");
    assert_eq!(port.isolated, Some(true));
}

#[test]
fn filter_binding_has_device_and_parameters() {
    let binding =
        FilterBinding::parse(include_str!("../../tests/samples/binding.xml")).expect("a binding");
    assert_eq!(binding.device, "vnet4");
    assert_eq!(binding.filter.parameters["MAC"], ["52:54:00:11:22:45"]);
    assert_eq!(binding.owner.name, "db-1");
}

#[test]
fn deep_and_broad_texts_are_survived() {
    let deep = "<domain>".repeat(200_000);
    assert!(Domain::parse(&deep).is_err());
    let closed = format!("{}{}", deep, "</domain>".repeat(200_000));
    assert!(Domain::parse(&closed).is_err());
    let long = format!("<domain>{}</domain>", " ".repeat(11 * 1024 * 1024));
    assert!(Domain::parse(&long).is_err());
}
