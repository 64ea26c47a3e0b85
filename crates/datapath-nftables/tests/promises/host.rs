//! A host with one bridge and as many interfaces as a test asks for, and the documents it enforces.

use ::datapath::{Counters, Datapath, resolve};
use datapath_nftables::{Change, NftablesDatapath};
use nftables::Statistics;
use policy::HostProgram;
use policy::language::{Source, load};
use testbed::{MarkedFrame, Switch, SwitchPort, SwitchSpec};

pub(crate) struct Host {
    pub(crate) switch: Switch,
    pub(crate) ports: Vec<SwitchPort>,
    datapath: NftablesDatapath,
}

impl Host {
    /// A hub, so that every frame goes everywhere the policy lets it go.
    pub(crate) fn new(ports: u32) -> Self {
        let spec = SwitchSpec {
            ageing_seconds: 0,
            ..SwitchSpec::default()
        };
        let switch = Switch::with(&spec).expect("a switch");
        let ports = switch.add_ports(0, ports).expect("ports");
        let datapath = switch
            .namespace()
            .run(|| NftablesDatapath::open().expect("netlink"));
        let mut host = Self {
            switch,
            ports,
            datapath,
        };
        host.datapath.capabilities().expect("capabilities");
        host
    }

    pub(crate) fn program(&mut self, documents: &str) -> HostProgram {
        self.switch
            .namespace()
            .run(|| program(&mut self.datapath, documents))
    }

    /// What it takes to get from what is in the kernel to what the documents say.
    pub(crate) fn plan(&mut self, documents: &str) -> Change {
        let program = self.program(documents);
        let installed = self.datapath.read().expect("a reading");
        self.datapath.plan(&program, &installed)
    }

    pub(crate) fn apply(&mut self, documents: &str) -> Statistics {
        let change = self.plan(documents);
        self.datapath.commit(&change).expect("committed");
        change.cost()
    }

    pub(crate) fn counters(&mut self) -> Counters {
        NftablesDatapath::counters(&self.datapath.read().expect("a reading"))
    }

    pub(crate) fn generation(&mut self) -> u32 {
        self.datapath.read().expect("a reading").generation
    }

    pub(crate) fn remove(&mut self) {
        self.datapath.remove().expect("removed");
    }

    /// Runs nft as a stranger would and returns what it prints.
    pub(crate) fn nft(&self, arguments: &[&str]) -> String {
        let output = self
            .switch
            .namespace()
            .command("nft")
            .args(arguments)
            .output()
            .expect("nft runs: install the package nftables");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "nft {arguments:?}: {told}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Tells the bridge where a port is. A hub of a thousand ports makes a thousand copies of each
    /// frame, as many as the kernel keeps waiting for a processor (netdev_max_backlog) before it
    /// drops some.
    pub(crate) fn know(&self, port: usize) {
        let port = &self.ports[port];
        let mac = port.mac.map(|byte| format!("{byte:02x}")).join(":");
        let status = self
            .switch
            .namespace()
            .command("bridge")
            .args(["fdb", "replace", &mac, "dev"])
            .arg(&port.device)
            .args(["master", "static"])
            .status()
            .expect("bridge runs: install the package iproute2");
        assert!(status.success(), "{mac}");
    }

    /// How many copies of the frame, sent so often, arrive at another interface.
    pub(crate) fn deliver(&self, from: usize, to: usize, bytes: &[u8], times: usize) -> usize {
        let sender = self.ports[from].open().expect("a raw port");
        let mut receiver = self.ports[to].open().expect("a raw port");
        for _ in 0..times {
            sender.send(bytes).expect("sent");
        }
        self.switch.settle().expect("settled");
        let heard = receiver.drain().expect("drained");
        heard.iter().filter(|frame| *frame == bytes).count()
    }
}

pub(crate) fn program(datapath: &mut NftablesDatapath, documents: &str) -> HostProgram {
    let catalog = load(&[Source::new("test.yaml", documents)])
        .unwrap_or_else(|errors| panic!("{}", errors.render(false, 100)));
    let observed = inventory::observe().expect("interfaces");
    let program = policy::compile(&catalog, None, &observed).expect("a program");
    let refused: Vec<_> = program
        .refused
        .values()
        .filter(|port| !port.absent)
        .collect();
    assert!(refused.is_empty(), "{refused:?}");
    let capabilities = datapath.capabilities().expect("capabilities");
    resolve(&program, &capabilities).expect("met").program
}

/// UDP between two of the host's ports, whose addresses are 10.0.N.M for interface N·256 + M − 1.
pub(crate) fn udp(from: u32, to: u32, port: u16, marker: u32) -> MarkedFrame {
    let mac = |number: u32| {
        let [_, a, b, c] = (number + 1).to_be_bytes();
        [0x52, 0x54, 0, a, b, c]
    };
    MarkedFrame {
        source_mac: mac(from),
        destination_mac: mac(to),
        source: (address(from), 40000).into(),
        destination: (address(to), port).into(),
        marker,
        length: 60,
    }
}

pub(crate) fn address(number: u32) -> std::net::Ipv4Addr {
    let [_, _, high, low] = (number + 1).to_be_bytes();
    [10, 0, high, low].into()
}

/// Document of the port at interface `vnetN`.
pub(crate) fn port(number: u32, profile: &str) -> String {
    let [_, a, b, c] = (number + 1).to_be_bytes();
    let address = address(number);
    format!(
        "---\nkind: Port\nname: port-{number}\ndevice: vnet{number}\nmac: '52:54:00:{a:02x}:{b:02x}:{c:02x}'\n\
         addresses: [{address}]\nnetwork: lan\nprofiles: [{profile}]\n"
    )
}

/// Documents of host and network; `bridge` is what the host says of `br0`.
pub(crate) fn surroundings(bridge: &str) -> String {
    format!(
        "kind: Host\nname: hv-1\nbridges: {{br0: {{{bridge}}}}}\n---\nkind: Network\nname: lan\nbridge: br0\n"
    )
}
