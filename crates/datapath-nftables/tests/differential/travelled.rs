//! A machine moves from one host to another in the midst of a download: what it takes along of its
//! connections decides whether the download goes on. docs/limits.md says what that means for people.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::thread;
use std::time::Duration;

use ::datapath::{ConnectionMemory as _, Remembered};
use ::datapath::{Datapath as _, resolve};
use datapath_nftables::{KernelMemory, NftablesDatapath};
use policy::HostProgram;
use policy::connection::{Connection, concerns, may_go_on};
use policy::language::{Source, load};
use testbed::guest::inside_guest;
use testbed::{Machine, MachineSpec, Namespace, Switch, SwitchSpec, join};

/// The machine's port lets nothing in that it did not ask for.
const DOCUMENTS: &str = "
kind: Host
name: hv
bridges: {br0: {managed: true, uplinks: [uplink0, outside]}}
---
kind: Network
name: NETWORK
bridge: br0
isolation: members
gateways: ['52:54:00:00:00:09']
---
kind: Profile
name: client
guards: [mac, ipv4, arp]
default: {in: drop, out: accept}
rules: [drop out tcp 25]
---
kind: Port
name: vm/0
device: vnet0
mac: 52:54:00:00:00:01
addresses: [10.0.0.1]
network: NETWORK
profiles: [client]
";

const SERVER: &str = "10.0.0.9";

/// For what must come: the sender repeats what was lost after ever longer times.
const PATIENCE: Duration = Duration::from_secs(60);

/// A host with the policy in force, as its agent would have it.
struct Host {
    switch: Switch,
    datapath: NftablesDatapath,
    network: &'static str,
    program: HostProgram,
}

impl Host {
    fn new(network: &'static str) -> Self {
        // Nobody has to announce where the machine is: what is for it goes everywhere.
        let spec = SwitchSpec {
            ageing_seconds: 0,
            ..SwitchSpec::default()
        };
        let switch = Switch::with(&spec).expect("a switch");
        let datapath = switch.namespace().run(NftablesDatapath::open);
        Self {
            datapath: datapath.expect("netlink"),
            switch,
            network,
            program: HostProgram::default(),
        }
    }

    /// Brings the policy into force for whatever is in the bridge now; whether this kernel can.
    fn enforce(&mut self) -> bool {
        let text = DOCUMENTS.replace("NETWORK", self.network);
        let catalog = load(&[Source::new("test.yaml", text)]).expect("documents");
        let observed = self.switch.namespace().run(inventory::observe);
        let observed = observed.expect("interfaces");
        let program = policy::compile(&catalog, None, &observed).expect("a program");
        let capabilities = self.datapath.capabilities().expect("capabilities");
        if !capabilities.connection_tracking.present {
            assert!(!inside_guest(), "the guest tracks connections");
            assert!(program.ports.is_empty() || resolve(&program, &capabilities).is_err());
            return false;
        }
        let resolved = resolve(&program, &capabilities);
        self.program = resolved.unwrap_or_else(|unmet| panic!("{unmet:?}")).program;
        ::datapath::converge(&mut self.datapath, &self.program).expect("in force");
        true
    }

    fn memory(&self) -> KernelMemory {
        self.switch
            .namespace()
            .run(KernelMemory::open)
            .expect("netlink")
    }

    fn zone(&self) -> u16 {
        self.program.ports["vm/0"].zone
    }

    /// What the port takes along.
    fn export(&self) -> Vec<String> {
        let port = &self.program.ports["vm/0"];
        let mut connections = Vec::new();
        let zones = BTreeSet::from([port.zone]);
        let mut keep = |_, connection: Connection| {
            if concerns(port, &connection) {
                connections.push(connection.to_string());
            }
        };
        self.memory().list(&zones, &mut keep).expect("readable");
        connections
    }

    fn import(&self, lines: &[String]) -> Remembered {
        let connections: Vec<Connection> = lines
            .iter()
            .map(|line| line.parse().expect("a connection"))
            .collect();
        for connection in &connections {
            assert_eq!(may_go_on(&self.program, "vm/0", connection), Ok(()));
        }
        let remembered = self.memory().remember(self.zone(), &connections);
        remembered.expect("answered")
    }

    /// Packets towards the machine that its policy refused.
    fn refused(&mut self) -> u64 {
        let port = &self.program.ports["vm/0"];
        let id = self.program.behaviours[&port.behaviour]
            .default_in
            .id
            .clone();
        let installed = self.datapath.read().expect("the table");
        let counters = NftablesDatapath::counters(&installed);
        counters.rules.get(&id).map_or(0, |counted| counted.frames)
    }
}

/// Two hosts on one wire, a machine at the first and somebody outside who sends to it without pause.
struct Scene {
    hosts: [Host; 2],
    _machines: [Machine; 2],
    download: TcpStream,
}

/// `None` where the kernel does not track connections.
fn scene() -> Option<Scene> {
    // The same network by another name has another zone.
    let mut hosts = [Host::new("lan"), Host::new("here-it-is-called-otherwise")];
    let [one, other] = &hosts;
    join((&one.switch, 0), (&other.switch, 0), "uplink0").expect("a wire");
    let machine = |device: &str, last: u8, address: &str| {
        let spec = MachineSpec {
            device: Some(device.to_owned()),
            mac: Some([0x52, 0x54, 0, 0, 0, last]),
            addresses: vec![(address.parse().expect("an address"), 24)],
            link_local: false,
        };
        Machine::new(&one.switch, 0, &spec).expect("a machine")
    };
    let (machine, server) = (
        machine("vnet0", 1, "10.0.0.1"),
        machine("outside", 9, SERVER),
    );
    // Else what it says while it is nowhere waits for an answer to "who has", and is sent then.
    let neighbour = [
        "neigh",
        "replace",
        SERVER,
        "lladdr",
        "52:54:00:00:00:09",
        "dev",
        "eth0",
    ];
    ip(
        machine.namespace(),
        &[&neighbour[..], &["nud", "permanent"]].concat(),
    );
    let tracks: Vec<bool> = hosts.iter_mut().map(Host::enforce).collect();
    if tracks.contains(&false) {
        return None;
    }
    let to = SocketAddr::new(SERVER.parse().expect("an address"), 80);
    let listener = server
        .namespace()
        .run(|| TcpListener::bind(to))
        .expect("a listener");
    // It ends when the machine's side of the connection does.
    thread::spawn(move || {
        if let Ok((mut stream, _)) = listener.accept() {
            while stream.write_all(&[7; 1024]).is_ok() {
                thread::sleep(Duration::from_millis(5));
            }
        }
    });
    let download = machine.connect_tcp(to, PATIENCE);
    let mut scene = Scene {
        hosts,
        _machines: [machine, server],
        download: download.expect("a connection"),
    };
    assert!(scene.receives());
    Some(scene)
}

impl Scene {
    /// Takes the machine out of the first host, without its knowing, and plugs it in at the second when
    /// `before` has been done there: its policy is in force then.
    fn move_machine(&mut self, before: impl FnOnce(&Host)) {
        let [one, other] = &mut self.hosts;
        let (from, to) = (one.switch.namespace(), other.switch.namespace().clone());
        let target = to.path().display().to_string();
        ip(from, &["link", "set", "vnet0", "down"]);
        ip(from, &["link", "set", "vnet0", "netns", &target]);
        // What it had to acknowledge it acknowledges now, to nobody: it has nothing to say any more.
        wait_at_most(&self.download, Duration::from_millis(300));
        while self.download.read(&mut [0; 65536]).is_ok() {}
        wait_at_most(&self.download, PATIENCE);
        ip(&to, &["link", "set", "vnet0", "master", "br0"]);
        assert!(other.enforce());
        before(other);
        ip(&to, &["link", "set", "vnet0", "up"]);
    }

    /// Whether a whole second of the stream comes.
    fn receives(&mut self) -> bool {
        self.download.read_exact(&mut [0; 200 * 1024]).is_ok()
    }
}

fn wait_at_most(stream: &TcpStream, time: Duration) {
    stream.set_read_timeout(Some(time)).expect("set");
}

fn ip(namespace: &Namespace, arguments: &[&str]) {
    let mut command: Command = namespace.command("ip");
    let output = command.args(arguments).output().expect("ip runs");
    assert!(output.status.success(), "{arguments:?}: {output:?}");
}

#[test]
fn a_download_goes_on_by_what_travels_with_the_machine() {
    let Some(mut scene) = scene() else { return };
    let carried = scene.hosts[0].export();
    assert_eq!(carried.len(), 1, "{carried:?}");
    assert_ne!(scene.hosts[1].network, scene.hosts[0].network);
    scene.move_machine(|host| {
        let remembered = host.import(&carried);
        assert_eq!(
            (remembered.added, remembered.refused),
            (1, 0),
            "{remembered:?}"
        );
        assert_eq!(
            host.import(&carried).refused,
            0,
            "again, as after an earlier stay"
        );
    });
    assert!(scene.receives());
    assert_eq!(scene.hosts[1].refused(), 0, "no packet of it was refused");
    assert_ne!(scene.hosts[0].zone(), scene.hosts[1].zone());
}

#[test]
fn without_it_the_download_waits_for_its_own_side_and_goes_on_when_it_comes_late() {
    let Some(mut scene) = scene() else { return };
    let carried = scene.hosts[0].export();
    // What the machine had to say was said.
    scene.move_machine(|_| ());
    wait_at_most(&scene.download, Duration::from_millis(100));
    while scene.hosts[1].refused() < 4 {
        let read = scene.download.read(&mut [0; 65536]);
        assert!(read.is_err(), "{read:?} although nothing may come in");
    }
    assert_eq!(scene.hosts[1].import(&carried).added, 1);
    wait_at_most(&scene.download, PATIENCE);
    assert!(scene.receives());
}

#[test]
fn what_is_not_permitted_there_does_not_travel() {
    let Some(mut scene) = scene() else { return };
    scene.move_machine(|host| {
        for text in [
            "tcp 10.0.0.1:40000 10.0.0.9:25 1000",
            "tcp 10.0.0.9:40000 10.0.0.1:22 1000",
            "tcp 10.0.0.2:40000 10.0.0.9:80 1000",
        ] {
            let connection: Connection = text.parse().expect("a connection");
            assert!(
                may_go_on(&host.program, "vm/0", &connection).is_err(),
                "{text}"
            );
        }
    });
}
