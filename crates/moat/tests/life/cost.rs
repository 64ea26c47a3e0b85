//! What one call of a hook costs on a full host: shown, not judged, for machines differ.

use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::documents::{guarded, mac, metadata};
use crate::host::{Host, attacker};
use testbed::SwitchPort;
use testbed::libvirtd::{Domain, Interface, Recorder, mac_text};

const PORTS: u32 = 1_000;
const CALLS: usize = 21;

/// These ports in `br0`, and the host for guests.
fn documents(ports: &[SwitchPort]) -> String {
    let mut text = "kind: Host\nname: hv-1\nbridges: {br0: {managed: true}}\n---\n".to_owned()
        + &guarded("guarded", "")
        + "kind: Network\nname: lan\nbridge: br0\nprofiles: [guarded]\n";
    for port in ports {
        let (device, mac) = (&port.device, mac_text(port.mac));
        let [.., high, low] = port.mac;
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "---\nkind: Port\nname: {device}\ndevice: {device}\nmac: {mac}\nnetwork: lan\n\
             addresses: [10.1.{high}.{low}]\n"
        );
    }
    text
}

#[test]
fn a_hook_is_quick_on_a_full_host() {
    let mut host = Host::new("hv-1", 1);
    let ports = host.libvirt.switch().add_ports(0, PORTS).expect("ports");
    // It keeps what libvirt says at `start`.
    for (name, text) in Recorder::hooks() {
        host.libvirt.add_hook(&name, &text).expect("a recorder");
    }
    host.protect(&documents(&ports));
    let recorder = Recorder::of(&host.libvirt).expect("a recorder");
    let mut domain = Domain::new("web-1", &attacker(), vec![Interface::bridge("br0", mac(1))]);
    domain.metadata = metadata(&[(1, None)]);
    host.libvirt.define(&domain).expect("a guest");
    let begin = Instant::now();
    host.libvirt.boot("web-1").expect("a start");
    let start = begin.elapsed();
    host.await_state("web-1/0", "enforced");
    let calls = recorder.take_until("qemu", "started").expect("calls");
    let call = calls.iter().find(|call| call.operation == "start");
    let input = &call.expect("a start").input;
    host.libvirt
        .write("/run/input.xml", input.as_bytes())
        .expect("a file");

    let timed = |arguments: &[&str]| {
        let mut times: Vec<Duration> = (0..CALLS).map(|_| run(&host, arguments)).collect();
        times.sort();
        times[CALLS / 2]
    };
    let hook = ["hook", "libvirt", "qemu", "web-1"];
    let prepare = timed(&[&hook[..], &["prepare", "begin", "-"]].concat());
    let again = timed(&[&hook[..], &["start", "begin", "-"]].concat());
    let nothing = timed(&["--version"]);
    let port = host.port("web-1/0");
    assert_eq!(port["state"], "enforced", "{port}");
    println!(
        "at {PORTS} ports: hook start {again:?}, hook prepare {prepare:?} (of which starting the program {nothing:?}), \
         virsh start {start:?}"
    );
}

/// One run of moat in the hypervisor's namespaces, without nsenter's own time.
fn run(host: &Host, arguments: &[&str]) -> Duration {
    let script = format!(
        "exec < /run/input.xml; begin=$(date +%s%N); {} {} > /dev/null || exit 1; end=$(date +%s%N); \
         echo $((end - begin))",
        env!("CARGO_BIN_EXE_moat"),
        arguments.join(" ")
    );
    let mut command: Command = host.libvirt.command("sh");
    let said = command.args(["-c", &script]).stderr(Stdio::inherit());
    let said = said.output().expect("a run");
    assert!(said.status.success());
    let text = String::from_utf8(said.stdout).expect("a number");
    Duration::from_nanos(text.trim().parse().expect("a number"))
}
