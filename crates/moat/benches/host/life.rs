//! A NIC's life: how long it takes until a port that appears is protected and a filter that changes
//! holds, by the agent and by what people use today, all as they are called.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::Duration;

use agent::protocol::{PortClaim, Reply, Request};
use testbed::libvirtd::{Libvirtd, LibvirtdSpec};
use testbed::{NamespaceOptions, Switch, SwitchPort, SwitchSpec};

use crate::documents;
use crate::peers::feed;
use crate::table::{Lap, Sample, Table, short};

/// How often the same is done.
const ROUNDS: usize = 15;

pub(crate) fn measure(table: &mut Table) {
    table.head("A NIC's life");
    for nics in [1, 200, 1_000] {
        Host::new(nics).measure(table);
    }
    for nics in [1, 200, 1_000] {
        by_ebtables(table, nics);
    }
    // A thousand take libvirt hours.
    let most = std::env::var("MOAT_BENCH_NWFILTER").ok();
    let most = most.map_or(20, |text| text.parse().expect("a number of NICs"));
    let counts = [1, 20, 200, 1_000].into_iter();
    let counts: Vec<usize> = counts.filter(|count| *count <= most).collect();
    by_libvirt(table, &counts);
}

/// One host with the agent, and as many claimed ports as asked for.
struct Host {
    nics: u32,
    switch: Switch,
    folder: PathBuf,
    agent: Child,
}

fn mac(number: u32) -> [u8; 6] {
    let [_, high, middle, low] = number.saturating_add(1).to_be_bytes();
    [0x52, 0x54, 0, high, middle, low]
}

fn mac_text(number: u32) -> String {
    testbed::libvirtd::mac_text(mac(number))
}

/// What libvirt gives its hook at `start`, as far as moat reads it.
fn domain(number: u32, device: &str) -> String {
    let mac = mac_text(number);
    format!(
        "<domain type='kvm' id='{number}'><name>vm-{number}</name>\
         <uuid>c7a5fdbd-edaf-4455-926a-{number:012x}</uuid><metadata>\
         <moat:moat xmlns:moat='https://moat.dev/xmlns/libvirt/1'><moat:profile>web-server</moat:profile>\
         <moat:network>lan-0</moat:network><moat:address>{}</moat:address></moat:moat></metadata><devices>\
         <interface type='bridge'><mac address='{mac}'/><source bridge='br0'/><target dev='{device}'/>\
         <alias name='net0'/></interface></devices></domain>",
        documents::address(number)
    )
}

impl Host {
    fn new(nics: u32) -> Self {
        let switch = Switch::new().expect("a switch");
        let folder = std::env::temp_dir().join(format!("moat-life-{}-{nics}", std::process::id()));
        fs::create_dir_all(folder.join("documents")).expect("a folder");
        let shared = documents::shared(1, 1, documents::USUAL);
        fs::write(folder.join("documents/shared.yaml"), shared.text).expect("a file");
        let path = |name: &str| folder.join(name).to_str().expect("text").to_owned();
        let agent = switch
            .namespace()
            .command(env!("CARGO_BIN_EXE_moat"))
            .args([
                "agent",
                &path("documents"),
                "--no-libvirt",
                "--no-openvswitch",
            ])
            .args(["--socket", &path("agent.sock"), "--state", &path("state")])
            .args(["--runtime", &path("runtime")])
            .stdin(Stdio::null())
            .stderr(fs::File::create(path("log")).expect("a file"))
            .spawn()
            .expect("the binary runs");
        let host = Self {
            nics,
            switch,
            folder,
            agent,
        };
        while UnixStream::connect(host.folder.join("agent.sock")).is_err() {
            std::thread::sleep(Duration::from_millis(10));
        }
        let ports = host.switch.add_ports(0, nics - 1).expect("ports");
        for (number, port) in (0_u32..).zip(&ports) {
            host.claim(number, port);
        }
        host
    }

    /// By the socket alone: no process is begun.
    fn claim(&self, number: u32, port: &SwitchPort) {
        let claim = PortClaim {
            name: format!("vm-{number}/0"),
            mac: frame::MacAddress(mac(number)),
            device: Some(port.device.clone()),
            network: Some("lan-0".to_owned()),
            addresses: vec![std::net::IpAddr::from(documents::address(number)).into()],
            profiles: vec!["web-server".to_owned()],
            ..PortClaim::default()
        };
        self.ask(&Request::Claim { port: claim });
    }

    fn ask(&self, request: &Request) {
        let mut stream = UnixStream::connect(self.folder.join("agent.sock")).expect("the agent");
        let mut line = serde_json::to_vec(request).expect("JSON");
        line.push(b'\n');
        stream.write_all(&line).expect("it reads");
        let mut answer = String::new();
        BufReader::new(stream)
            .read_line(&mut answer)
            .expect("an answer");
        let reply: Reply = serde_json::from_str(&answer).expect("a reply");
        assert!(matches!(reply, Reply::Done { .. }), "{reply:?}");
    }

    fn moat(&self, words: &[&str], input: &str) {
        let mut command = self.switch.namespace().command(env!("CARGO_BIN_EXE_moat"));
        command.args(words);
        feed(&mut command, input);
    }

    fn measure(&self, table: &mut Table) {
        let last = self.nics - 1;
        let port = self.switch.add_port().expect("a port");
        let socket = self.folder.join("agent.sock");
        let socket = socket.to_str().expect("text");
        let name = format!("vm-{last}/0");
        let (mac, address) = (mac_text(last), documents::address(last).to_string());
        let mut samples: [Sample; 4] = std::array::from_fn(|_| Sample::new());
        let [asked, added, hooked, reloaded] = &mut samples;
        for _ in 0..ROUNDS {
            let mut clock = Lap::start();
            self.claim(last, &port);
            asked.push(clock.next());
            self.ask(&Request::Unclaim { port: name.clone() });

            let mut clock = Lap::start();
            let words = [
                "port",
                "add",
                &name,
                "--mac",
                &mac,
                "--device",
                &port.device,
            ];
            let more = ["--network", "lan-0", "--profile", "web-server"];
            let rest = ["--address", &address, "--socket", socket];
            self.moat(&[&words[..], &more, &rest].concat(), "");
            added.push(clock.next());
            self.ask(&Request::Unclaim { port: name.clone() });

            let xml = domain(last, &port.device);
            let vm = format!("vm-{last}");
            let call = |operation: &str| {
                let words = [
                    "hook", "--socket", socket, "libvirt", "qemu", &vm, operation,
                ];
                self.moat(&[&words[..], &["begin", "-"]].concat(), &xml);
            };
            let mut clock = Lap::start();
            call("start");
            hooked.push(clock.next());
            call("release");
        }
        self.claim(last, &port);
        for round in 0..ROUNDS {
            let version = u32::try_from(round).expect("few") + 2;
            let text = documents::shared(1, version, &format!("tcp {}", 8_001 + round)).text;
            let file = self.folder.join("documents/shared.yaml");
            fs::write(self.folder.join("new"), text).expect("a file");
            let mut clock = Lap::start();
            fs::rename(self.folder.join("new"), file).expect("a file");
            self.moat(&["reload", "--socket", socket], "");
            reloaded.push(clock.next());
        }
        let nics = self.nics;
        table.beside(
            &format!("one NIC, {nics} in all: asked by the socket"),
            &asked.text(),
        );
        table.beside(
            &format!("one NIC, {nics} in all: moat port add"),
            &added.text(),
        );
        table.timed(
            &format!("one NIC, {nics} in all: moat hook libvirt … start"),
            Duration::from_millis(10),
            hooked,
        );
        table.beside(
            &format!("a profile changed that {nics} NICs use: moat reload"),
            &reloaded.text(),
        );
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.agent.kill();
        let _ = self.agent.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Seed 001: two rules for each NIC, each by a call of its own. Seed 004: one rule for each NIC that
/// lets its MAC pass. Neither has more than the MAC, and a rule for addresses would be one call more.
fn by_ebtables(table: &mut Table, nics: u32) {
    let switch = Switch::new().expect("a switch");
    let run = |line: &str| {
        let mut command = switch.namespace().command("ebtables-nft");
        feed(command.args(line.split(' ')), "");
    };
    let mut rules = "*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n".to_owned();
    for number in 0..nics - 1 {
        let mac = mac_text(number);
        rules.push_str(&format!(
            "-A FORWARD -s ! 52:54:00:00:00:00/ff:ff:ff:ff:ff:00 -o vnet{number} -j DROP\n\
             -A FORWARD -s ! {mac} -i vnet{number} -j DROP\n"
        ));
    }
    feed(
        &mut switch.namespace().command("ebtables-nft-restore"),
        &rules,
    );
    let device = format!("vnet{}", nics - 1);
    let mac = mac_text(nics - 1);
    let two = [
        format!("FORWARD -s ! 52:54:00:00:00:00/ff:ff:ff:ff:ff:00 -o {device} -j DROP"),
        format!("FORWARD -s ! {mac} -i {device} -j DROP"),
    ];
    let (mut first, mut fourth) = (Sample::new(), Sample::new());
    for _ in 0..ROUNDS {
        let mut clock = Lap::start();
        two.iter().for_each(|rule| run(&format!("-A {rule}")));
        first.push(clock.next());
        two.iter().for_each(|rule| run(&format!("-D {rule}")));
        let accept = format!("FORWARD -s {mac} -i {device} -j ACCEPT");
        let mut clock = Lap::start();
        run(&format!("-A {accept}"));
        fourth.push(clock.next());
        run(&format!("-D {accept}"));
    }
    table.beside(
        &format!("one NIC, {nics} in all: seed 001's two rules (ebtables)"),
        &first.text(),
    );
    table.beside(
        &format!("one NIC, {nics} in all: seed 004's rule (ebtables)"),
        &fourth.text(),
    );
}

/// libvirt's own filters, bound to NICs one by one; then one that all of them use is changed.
fn by_libvirt(table: &mut Table, counts: &[usize]) {
    let hypervisor = Libvirtd::start(&LibvirtdSpec {
        switch: SwitchSpec {
            namespace: NamespaceOptions {
                bridge_calls_iptables: true,
                ..NamespaceOptions::default()
            },
            ..SwitchSpec::default()
        },
        ..LibvirtdSpec::default()
    })
    .expect("libvirt");
    let define = |port: usize| {
        let xml = format!(
            "<filter name='life' chain='root'><uuid>c7a5fdbd-edaf-9455-926a-d65c16db1899</uuid>\
             <filterref filter='clean-traffic'/>\
             <rule action='drop' direction='out' priority='500'><tcp dstportstart='{port}'/></rule></filter>"
        );
        let said = hypervisor.give_successfully(&["nwfilter-define"], &xml);
        said.expect("a filter");
    };
    define(25);
    let (mut bound, mut bind) = (0_u32, Sample::new());
    for &count in counts {
        for number in bound..u32::try_from(count).expect("few") {
            let port = hypervisor.switch().add_port().expect("a port");
            let xml = format!(
                "<filterbinding><owner><name>vm-{number}</name>\
                 <uuid>c7a5fdbd-cdaf-9455-926a-{number:012x}</uuid></owner><portdev name='{}'/>\
                 <mac address='{}'/><filterref filter='life'><parameter name='IP' value='{}'/></filterref>\
                 </filterbinding>",
                port.device,
                mac_text(number),
                documents::address(number)
            );
            let mut clock = Lap::start();
            let said = hypervisor.give_successfully(&["nwfilter-binding-create"], &xml);
            said.expect("bound");
            bind.push(clock.next());
        }
        bound = u32::try_from(count).expect("few");
        table.beside(
            &format!("one NIC, up to {count} in all: nwfilter clean-traffic (virsh)"),
            &bind.text(),
        );
        let mut changed = Sample::new();
        // Some 1.5 s for each NIC.
        let rounds = if count > 20 { 1 } else { 2 };
        for round in 0..rounds {
            let mut clock = Lap::start();
            define(1_000 + round);
            changed.push(clock.next());
        }
        table.beside(
            &format!("a filter changed that {count} NICs use: nwfilter (virsh)"),
            &changed.text(),
        );
    }
    // What a call costs in which nothing is done: the rest is libvirt's.
    let mut nothing = Sample::new();
    for _ in 0..5 {
        let mut clock = Lap::start();
        hypervisor.ask(&["nwfilter-list"]).expect("a list");
        nothing.push(clock.next());
    }
    table.beside("virsh alone (nwfilter-list)", &short(nothing.median()));
}
