//! What libvirt really does at each hook operation: every table of docs/libvirt-hooks.md, seen again.

mod migration;
mod table;

use std::process::Output;
use table::{Column, check, keep, table};
use testbed::guest::GuestSpec;
use testbed::libvirtd::{
    Domain, Filter, GuestImage, HookCall, Interface, Libvirtd, LibvirtdSpec, Recorder, Source,
    mac_text,
};

const GUEST: &str = "web-1";
const BRIDGE: Column = ("bridge", [0x52, 0x54, 0, 0, 0, 1]);
const LAN: Column = ("network (bridge)", [0x52, 0x54, 0, 0, 0, 2]);
const NAT: Column = ("network (NAT)", [0x52, 0x54, 0, 0, 0, 3]);
const ETHERNET: Column = ("ethernet", [0x52, 0x54, 0, 0, 0, 4]);
const DIRECT: Column = ("direct", [0x52, 0x54, 0, 0, 0, 5]);
const NAMED: Column = ("bridge, target named", [0x52, 0x54, 0, 0, 0, 6]);
const EXISTING: Column = ("ethernet, managed='no'", [0x52, 0x54, 0, 0, 0, 7]);
const WIRES: Column = ("network (macvtap)", [0x52, 0x54, 0, 0, 0, 8]);
const ADDED: Column = ("the one that is added", [0x52, 0x54, 0, 0, 0, 9]);

/// Where a domain's metadata names profiles.
const NAMESPACE: &str = "https://moat.dev/xmlns/libvirt/1";

const NETWORKS: [&str; 3] = [
    "<network><name>tenants</name><forward mode='bridge'/><bridge name='br0'/>
       <portgroup name='isolated-2102'/><portgroup name='open' default='yes'/></network>",
    "<network><name>default</name><forward mode='nat'/><bridge name='virbr0'/>
       <ip address='192.168.122.1' netmask='255.255.255.0'/></network>",
    "<network><name>wires</name><forward mode='vepa'><interface dev='wire0'/></forward></network>",
];

fn host(name: &str) -> Libvirtd {
    let host = Libvirtd::start(&LibvirtdSpec {
        name: name.to_owned(),
        hooks: Recorder::hooks(),
        ..LibvirtdSpec::default()
    })
    .expect("a hypervisor");
    for (name, xml) in ["tenants", "default", "wires"].into_iter().zip(NETWORKS) {
        host.give_successfully(&["net-define"], xml)
            .expect("a network");
        host.ask(&["net-start", name]).expect("a network");
    }
    host
}

/// A host with a guest of these interfaces, not running, and everything so far forgotten.
fn host_with(columns: &[Column]) -> Libvirtd {
    let host = host("hv-1");
    host.define(&guest(columns)).expect("a guest");
    recorder(&host).take().expect("calls");
    host
}

fn guest(columns: &[Column]) -> Domain {
    let image = GuestImage::new(&GuestSpec::network(&[])).expect("an image");
    let interfaces = columns.iter().map(|column| interface(*column)).collect();
    Domain::new(GUEST, &image, interfaces)
}

fn interface(column: Column) -> Interface {
    let network = |name: &str, portgroup: Option<&str>| Source::Network {
        name: name.to_owned(),
        portgroup: portgroup.map(str::to_owned),
    };
    let source = match column {
        LAN => network("tenants", Some("isolated-2102")),
        NAT => network("default", None),
        WIRES => network("wires", None),
        ETHERNET => Source::Ethernet,
        EXISTING => Source::ExistingTap,
        DIRECT => Source::Direct {
            device: "wire0".to_owned(),
            mode: "vepa".to_owned(),
        },
        _ => Source::Bridge("br0".to_owned()),
    };
    let mut interface = Interface::on(source, column.1);
    interface.target = match column {
        NAMED => Some("webtap".to_owned()),
        EXISTING => Some("owntap".to_owned()),
        _ => None,
    };
    interface
}

fn recorder(host: &Libvirtd) -> Recorder<'_> {
    Recorder::of(host).expect("a recorder")
}

fn boot(host: &Libvirtd) -> Vec<HookCall> {
    host.boot(GUEST).expect("a start");
    recorder(host).take().expect("calls")
}

fn refused(said: Output, operation: &str) {
    let message = String::from_utf8_lossy(&said.stderr).into_owned();
    let expected = format!("the test's hook refuses {operation}");
    assert!(!said.status.success(), "{operation}");
    // The hook's last words reach whoever asked.
    assert!(message.contains(&expected), "{message}");
}

#[test]
fn a_guest_starts_and_stops() {
    let columns = [BRIDGE, LAN, NAT, ETHERNET, DIRECT];
    let host = host("hv-1");
    let recorder = recorder(&host);
    // What macvtap stands on.
    host.run(
        "ip",
        &[
            "link", "add", "wire0", "type", "veth", "peer", "name", "wire1",
        ],
    )
    .expect("a device");
    host.run("ip", &["link", "set", "wire0", "up"]).expect("up");
    let mut domain = guest(&columns);
    domain.metadata = format!(
        "<moat:moat xmlns:moat='{NAMESPACE}'><moat:profile>web-server</moat:profile></moat:moat>"
    );
    let first = domain.interfaces.first_mut().expect("an interface");
    first.filter = Some(Filter {
        name: "clean-traffic".to_owned(),
        parameters: vec![("IP".to_owned(), "10.0.0.5".to_owned())],
    });
    first.more = "<port isolated='yes'/>".to_owned();
    host.define(&domain).expect("a guest");
    recorder.pause("qemu", "started").expect("a pause");
    let calls = recorder.take().expect("calls");
    keep(&calls, "networks");

    let calls = boot(&host);
    check("start", &table(&calls, &columns));
    keep(&calls, "start");

    host.destroy(GUEST).expect("an end");
    let calls = recorder.take().expect("calls");
    check("stop", &table(&calls, &columns));
    keep(&calls, "stop");

    boot(&host);
    host.kill_emulator(GUEST).expect("a crash");
    let calls = recorder.take_until("qemu", "release").expect("calls");
    check("crash", &table(&calls, &columns));
    let state = host.ask(&["domstate", "--reason", GUEST]).expect("a state");
    assert_eq!(state.trim(), "shut off (crashed)");

    // What else an interface can be. Here rather than in a test of its own: macvtap's device nodes are named by
    // interface index and shared by all namespaces.
    let columns = [NAMED, EXISTING, WIRES];
    let address = mac_text(EXISTING.1);
    for arguments in [
        "tuntap add owntap mode tap",
        &format!("link set owntap address {address}"),
    ] {
        let words: Vec<&str> = arguments.split(' ').collect();
        host.run("ip", &words).expect("a tap");
    }
    host.ask(&["undefine", GUEST]).expect("forgotten");
    host.define(&guest(&columns)).expect("a guest");
    let calls = boot(&host);
    check("start others", &table(&calls, &columns));
    keep(&calls, "start-others");
    host.destroy(GUEST).expect("an end");
    let calls = recorder.take().expect("calls");
    check("stop others", &table(&calls, &columns));
}

#[test]
fn a_hook_refuses() {
    let columns = [BRIDGE, LAN];
    let host = host_with(&columns);
    let recorder = recorder(&host);
    for (hook, operation) in [
        ("qemu", "prepare"),
        ("network", "port-created"),
        ("qemu", "start"),
        ("qemu", "started"),
    ] {
        recorder.fail(hook, operation, true).expect("a mark");
        refused(host.virsh(&["start", GUEST]).expect("virsh"), operation);
        let calls = recorder.take().expect("calls");
        check(&format!("{operation} refused"), &table(&calls, &columns));
        recorder.fail(hook, operation, false).expect("no mark");
        let state = host.ask(&["domstate", GUEST]).expect("a state");
        assert_eq!(state.trim(), "shut off");
    }
    // At the end it is too late to refuse.
    boot(&host);
    for operation in ["stopped", "release"] {
        recorder.fail("qemu", operation, true).expect("a mark");
    }
    recorder
        .fail("network", "port-deleted", true)
        .expect("a mark");
    host.destroy(GUEST).expect("an end");
    assert_eq!(host.emulator(GUEST).expect("processes"), None);
}

#[test]
fn an_interface_is_added_changed_and_removed() {
    let columns = [BRIDGE, LAN];
    let host = host_with(&columns);
    let recorder = recorder(&host);
    boot(&host);
    let attach = ["attach-device", "--live", GUEST];
    let of_network = Interface {
        mac: ADDED.1,
        ..interface(LAN)
    };

    host.give_successfully(&attach, &interface(ADDED).xml())
        .expect("attached");
    check(
        "attach bridge",
        &table(&recorder.take().expect("calls"), &[ADDED]),
    );

    let mut second = of_network.clone();
    second.mac[5] = 10;
    let second_column = (ADDED.0, second.mac);
    recorder
        .fail("network", "port-created", true)
        .expect("a mark");
    refused(
        host.give(&attach, &second.xml()).expect("virsh"),
        "port-created",
    );
    let calls = recorder.take().expect("calls");
    check("attach network refused", &table(&calls, &[second_column]));
    recorder
        .fail("network", "port-created", false)
        .expect("no mark");

    host.give_successfully(&attach, &second.xml())
        .expect("attached");
    let calls = recorder.take().expect("calls");
    check("attach network", &table(&calls, &[second_column]));
    keep(&calls, "attach");

    // What the guest has: of the link, the filter and the bridge no hook hears.
    let tap = host.device_of(GUEST, BRIDGE.1).expect("a device");
    let with = |more: &str| Interface {
        more: format!("<alias name='net0'/>{more}"),
        ..interface(BRIDGE)
    };
    host.run("ip", &["link", "add", "br9", "type", "bridge"])
        .expect("a bridge");
    let update = ["update-device", "--live", GUEST];
    let filtered = with("<filterref filter='clean-traffic'/>");
    let mut elsewhere = with("");
    elsewhere.source = Source::Bridge("br9".to_owned());
    for changed in [with("<link state='down'/>"), filtered, elsewhere] {
        host.give_successfully(&update, &changed.xml())
            .expect("changed");
    }
    assert_eq!(host.device_of(GUEST, BRIDGE.1).expect("a device"), tap);
    host.ask(&["metadata", GUEST, NAMESPACE, "--live", "--key", "moat"])
        .expect_err("there is none yet");
    host.ask(&[
        "metadata", GUEST, NAMESPACE, "--live", "--key", "moat", "--set", "<port/>",
    ])
    .expect("metadata");
    host.ask(&["reset", GUEST]).expect("reset");
    host.ask(&["suspend", GUEST]).expect("stopped");
    host.ask(&["resume", GUEST]).expect("running");
    let calls = recorder.take().expect("calls");
    check("changes", &table(&calls, &[BRIDGE]));

    // Another portgroup: libvirt 9.0 says yes and leaves it at the old one.
    let mut regrouped = interface(LAN);
    regrouped.more = "<alias name='net1'/>".to_owned();
    regrouped.source = Source::Network {
        name: "tenants".to_owned(),
        portgroup: Some("open".to_owned()),
    };
    host.give_successfully(&update, &regrouped.xml())
        .expect("changed");
    let calls = recorder.take().expect("calls");
    check("portgroup changed", &table(&calls, &[LAN]));
    let xml = host.ask(&["dumpxml", GUEST]).expect("XML");
    assert!(!xml.contains("portgroup='open'"), "{xml}");

    // The guest has to let go of the device.
    host.await_console(GUEST, "the command starts")
        .expect("a guest that runs");
    host.give_successfully(&["detach-device", "--live", GUEST], &second.xml())
        .expect("detached");
    let calls = recorder
        .take_until("network", "port-deleted")
        .expect("calls");
    check("detach network", &table(&calls, &[second_column]));

    host.give_successfully(&["detach-device", "--live", GUEST], &interface(ADDED).xml())
        .expect("detached");
    check(
        "detach bridge",
        &table(&recorder.take().expect("calls"), &[ADDED]),
    );
}

#[test]
fn the_daemon_restarts() {
    let columns = [BRIDGE, LAN, NAT];
    let host = host_with(&columns);
    let recorder = recorder(&host);
    boot(&host);
    host.restart_daemon().expect("restarted");
    let calls = recorder.take_until("qemu", "reconnect").expect("calls");
    check("reconnect", &table(&calls, &columns));
    keep(&calls, "restart");

    recorder.fail("qemu", "reconnect", true).expect("a mark");
    host.restart_daemon().expect("restarted");
    let calls = recorder.take_until("qemu", "release").expect("calls");
    check("reconnect refused", &table(&calls, &columns));
    assert_eq!(host.emulator(GUEST).expect("processes"), None, "killed");
}

#[test]
fn the_daemon_restarts_after_a_guest_has_ended() {
    let columns = [BRIDGE, LAN];
    let host = host_with(&columns);
    boot(&host);
    host.stop_daemon().expect("stopped");
    host.kill_emulator(GUEST).expect("a crash");
    host.start_daemon().expect("started");
    let calls = recorder(&host)
        .take_until("qemu", "release")
        .expect("calls");
    check("ended meanwhile", &table(&calls, &columns));
}

#[test]
fn a_guest_is_saved_and_restored() {
    let columns = [BRIDGE, LAN];
    let host = host_with(&columns);
    let recorder = recorder(&host);
    boot(&host);
    host.ask(&["managedsave", GUEST]).expect("saved");
    check("save", &table(&recorder.take().expect("calls"), &columns));
    recorder.pause("qemu", "started").expect("a pause");
    let calls = boot(&host);
    check("restore", &table(&calls, &columns));
    keep(&calls, "restore");
}

#[test]
fn a_network_starts_changes_and_stops() {
    let host = host("hv-1");
    let recorder = recorder(&host);
    host.ask(&[
        "net-update",
        "tenants",
        "add",
        "portgroup",
        "<portgroup name='dmz'/>",
        "--live",
    ])
    .expect("changed");
    host.ask(&["net-destroy", "tenants"]).expect("stopped");
    let calls = recorder.take().expect("calls");
    check("network", &table(&calls, &[]));
    keep(&calls, "network");

    recorder.fail("network", "start", true).expect("a mark");
    refused(
        host.virsh(&["net-start", "tenants"]).expect("virsh"),
        "start",
    );
}

#[test]
fn the_daemon_looks_for_hooks_when_it_starts_and_never_again() {
    let host = Libvirtd::new().expect("a hypervisor");
    host.define(&guest(&[BRIDGE])).expect("a guest");
    let recorder = recorder(&host);
    for (name, script) in Recorder::hooks() {
        host.add_hook(&name, &script).expect("a hook");
    }
    assert_eq!(boot(&host), [], "a hook that was added after the start");
    host.restart_daemon().expect("restarted");
    let calls = recorder.take_until("qemu", "reconnect").expect("calls");
    assert_eq!(calls.len(), 1);
    // And where there was one when it started, others beside it are found at each call, in order of their names.
    for (name, text) in [("20-late", "two"), ("10-early", "one")] {
        let script = format!("#!/bin/sh\necho {text} $2 >> /run/beside\n");
        host.add_hook(&format!("qemu.d/{name}"), &script)
            .expect("a hook");
    }
    host.destroy(GUEST).expect("an end");
    let beside = std::fs::read_to_string(host.path("/run/beside")).expect("calls");
    assert_eq!(
        beside,
        "one stopped\ntwo stopped\none release\ntwo release\n"
    );
}

#[test]
fn what_a_hook_writes_matters_at_restore_alone() {
    let host = host_with(&[BRIDGE]);
    let speaks = "#!/bin/sh\necho hello\n";
    host.add_hook("qemu", speaks).expect("a hook");
    host.boot(GUEST).expect("a start");
    host.ask(&["managedsave", GUEST]).expect("saved");
    let said = host.virsh(&["start", GUEST]).expect("virsh");
    let message = String::from_utf8_lossy(&said.stderr).into_owned();
    println!("{message}");
    assert!(
        !said.status.success(),
        "output at restore is taken for the guest's XML"
    );
}
