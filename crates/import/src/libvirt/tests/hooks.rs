use super::*;

fn call(driver: &str, object: &str, operation: &str) -> Vec<String> {
    [driver, object, operation, "begin", "-"]
        .map(str::to_owned)
        .to_vec()
}

fn replaced(changes: &[ClaimChange]) -> (&str, &[Claim]) {
    match changes {
        [ClaimChange::Replace { vm, claims }] => (vm, claims),
        other => panic!("one replacement, not {other:?}"),
    }
}

#[test]
fn a_life_of_a_domain_from_prepare_to_release() {
    let mut libvirt = Libvirt::default();
    let mut hook = |driver: &str, operation: &str, input: &str| {
        let changes = libvirt.hook(&call(driver, "db-1", operation), input);
        changes.unwrap_or_else(|error| panic!("{error}"))
    };
    let prepared = hook("qemu", "prepare", sample!("db-1.prepare.xml"));
    let (vm, claims) = replaced(&prepared);
    assert_eq!(vm, "c7a5fdbd-edaf-4455-926a-d65c16db1810");
    assert!(claims.iter().all(|claim| claim.device.is_none()));
    assert_eq!(claims[0].bridge, None);
    // What the network's port tells of its network completes the claim.
    let created = hook(
        "network",
        "port-created",
        sample!("network.ovs.port-created.xml"),
    );
    assert_eq!(replaced(&created).1[0].bridge.as_deref(), Some("br0"));
    assert_eq!(
        hook(
            "network",
            "port-created",
            sample!("network.ovs.port-created.xml")
        ),
        []
    );
    let started = hook("qemu", "start", sample!("db-1.start.xml"));
    assert_eq!(replaced(&started).1[0].device.as_deref(), Some("vnet3"));
    assert_eq!(hook("qemu", "started", sample!("db-1.start.xml")), started);
    assert_eq!(hook("qemu", "stopped", sample!("db-1.start.xml")), []);
    let removed = ClaimChange::Remove { vm: vm.to_owned() };
    assert_eq!(
        hook("qemu", "release", sample!("db-1.prepare.xml")),
        [removed]
    );
}

#[test]
fn reconnect_and_attach_claim_and_incoming_domains_wait_for_prepare() {
    let mut libvirt = Libvirt::default();
    let mut hook = |operation: &str| {
        libvirt.hook(
            &call("qemu", "web-1", operation),
            sample!("web-1.reconnect.xml"),
        )
    };
    assert_eq!(
        replaced(&hook("reconnect").expect("claims")).1[0]
            .device
            .as_deref(),
        Some("vnet0")
    );
    assert_eq!(replaced(&hook("attach").expect("claims")).1.len(), 5);
    assert_eq!(hook("migrate"), Ok(Vec::new()));
    assert_eq!(hook("restore"), Ok(Vec::new()));
    assert_eq!(hook("an-operation-of-tomorrow"), Ok(Vec::new()));
}

#[test]
fn release_ends_claims_even_with_unreadable_xml() {
    let mut libvirt = Libvirt::default();
    libvirt
        .hook(&call("qemu", "db-1", "start"), sample!("db-1.start.xml"))
        .expect("claims");
    let changes = libvirt
        .hook(&call("qemu", "db-1", "release"), "")
        .expect("an end");
    assert!(matches!(changes.as_slice(), [ClaimChange::Remove { .. }]));
    assert!(
        libvirt.hook(&call("qemu", "db-1", "release"), "").is_err(),
        "nothing is known of it"
    );
}

#[test]
fn wrong_calls_say_who_is_at_fault() {
    let mut libvirt = Libvirt::default();
    let error = |libvirt: &mut Libvirt, arguments: &[String], input| {
        libvirt
            .hook(arguments, input)
            .expect_err("a refusal")
            .to_string()
    };
    assert!(error(&mut libvirt, &[], "").contains("0 arguments"));
    assert!(error(&mut libvirt, &call("bhyve", "a", "start"), "").contains("bhyve"));
    let text = error(
        &mut libvirt,
        &call("qemu", "web-1", "start"),
        "<domain>\n</domain>",
    );
    assert!(
        text.contains("start of web-1: libvirt's XML, line 1, column 1: <domain> lacks <name>"),
        "{text}"
    );
}

#[test]
fn a_changed_network_changes_the_claims_of_its_domains_alone() {
    let mut libvirt = Libvirt::default();
    libvirt
        .hook(&call("qemu", "db-1", "start"), sample!("db-1.start.xml"))
        .expect("claims");
    libvirt
        .hook(&call("qemu", "web-1", "start"), sample!("web-1.live.xml"))
        .expect("claims");
    let mut unknown = libvirt.unknown_networks().into_iter();
    assert_eq!(unknown.next().as_deref(), Some("iso"));
    let nat = Network::parse(sample!("network.nat.xml")).expect("a network");
    let changes = libvirt.network(nat.clone());
    let (vm, claims) = replaced(&changes);
    assert_eq!(vm, UUID);
    assert_eq!(
        claims[3].profiles[&ProfileSource::SourceNetwork],
        ["tenant"]
    );
    assert_eq!(libvirt.network(nat), []);
}

#[test]
fn resync_replaces_everything_unless_something_came_meanwhile() {
    let live = || Domain::parse(sample!("web-1.live.xml")).expect("a domain");
    let nat = || Network::parse(sample!("network.nat.xml")).expect("a network");
    let mut stopped = live();
    stopped.id = None;
    let mut libvirt = Libvirt::default();
    libvirt
        .hook(&call("qemu", "db-1", "start"), sample!("db-1.start.xml"))
        .expect("claims");
    let resync = libvirt.ask();
    let Some(ClaimChange::ReplaceAll { claims }) =
        libvirt.resync(resync, vec![nat()], vec![live()])
    else {
        panic!("a resync");
    };
    assert_eq!(claims.len(), 4);
    assert!(
        claims
            .iter()
            .all(|claim| claim.vm.as_deref() == Some("web-1"))
    );
    let resync = libvirt.ask();
    libvirt
        .hook(&call("qemu", "db-1", "start"), sample!("db-1.start.xml"))
        .expect("claims");
    assert_eq!(libvirt.resync(resync, vec![nat()], vec![live()]), None);
    let asked = libvirt.ask();
    assert!(matches!(
        libvirt.domain(asked, stopped.clone()),
        Some(ClaimChange::Remove { .. })
    ));
    assert_eq!(libvirt.domain(asked, stopped), None);
}

#[test]
fn the_end_of_an_earlier_life_leaves_the_present_one_alone() {
    let mut libvirt = Libvirt::default();
    libvirt
        .hook(&call("qemu", "db-1", "start"), sample!("db-1.start.xml"))
        .expect("claims");
    let mut life = libvirt::DomainRef {
        name: "db-1".to_owned(),
        uuid: "c7a5fdbd-edaf-4455-926a-d65c16db1810"
            .parse()
            .expect("a UUID"),
        id: 2,
    };
    assert_eq!(libvirt.ended(&life), ClaimChange::Nothing);
    life.id = 3;
    assert!(matches!(libvirt.ended(&life), ClaimChange::Remove { .. }));
}
