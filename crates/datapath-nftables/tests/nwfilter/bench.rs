//! Two bridges in one throw-away host: a port of one is filtered by the real libvirt, a port of the other by
//! moat; what each lets through of the same frames. Knows how to bind and to send; filters and frames are
//! left to the tests.

use std::collections::BTreeSet;

use ::datapath::{Capabilities, Datapath, resolve};
use datapath_nftables::NftablesDatapath;
use import::nwfilter::Parameters;
use policy::HostProgram;
use policy::observation::Observation;
use policy::program::Direction;
use testbed::libvirtd::{Libvirtd, LibvirtdSpec};
use testbed::{NamespaceOptions, RawPort, SwitchPort, SwitchSpec};

use super::generate::OWN;

/// A filtered port and who it talks with.
struct Side {
    port: SwitchPort,
    near: RawPort,
    far: RawPort,
}

pub(crate) struct Bench {
    hypervisor: Libvirtd,
    libvirt: Side,
    moat: Side,
    observed: Observation,
    datapath: NftablesDatapath,
    capabilities: Capabilities,
}

impl Bench {
    pub(crate) fn new(name: &str) -> Self {
        let hypervisor = Libvirtd::start(&LibvirtdSpec {
            name: name.to_owned(),
            switch: SwitchSpec {
                bridges: 2,
                // A hub: no frame stays away because of an address that was learned.
                ageing_seconds: 0,
                namespace: NamespaceOptions {
                    bridge_calls_iptables: true,
                    ..NamespaceOptions::default()
                },
                ..SwitchSpec::default()
            },
            ..LibvirtdSpec::default()
        })
        .expect("libvirt");
        let switch = hypervisor.switch();
        let side = |bridge, names: [&str; 2]| {
            let plug = |device: &str| {
                let mut port = switch.draft(bridge, switch.ends(), None);
                device.clone_into(&mut port.device);
                // None of the addresses in frames may be the host's own.
                port.mac[0] = 0x06;
                switch.plug_as(port).expect("a port")
            };
            let (port, other) = (plug(names[0]), plug(names[1]));
            Side {
                near: port.open().expect("a raw port"),
                far: other.open().expect("a raw port"),
                port,
            }
        };
        let (libvirt, moat) = (side(0, ["lv0", "lv1"]), side(1, ["mt0", "mt1"]));
        let (observed, datapath, capabilities) = switch.namespace().run(|| {
            let mut datapath = NftablesDatapath::open().expect("netlink");
            let capabilities = datapath.capabilities().expect("capabilities");
            (
                inventory::observe().expect("interfaces"),
                datapath,
                capabilities,
            )
        });
        Self {
            hypervisor,
            libvirt,
            moat,
            observed,
            datapath,
            capabilities,
        }
    }

    pub(crate) fn observed(&self) -> &Observation {
        &self.observed
    }

    /// Makes a filter known to libvirt.
    pub(crate) fn define(&self, xml: &str) {
        let given = self.hypervisor.give_successfully(&["nwfilter-define"], xml);
        given.unwrap_or_else(|error| panic!("{error}\n{xml}"));
    }

    /// Has libvirt forget a filter.
    pub(crate) fn undefine(&self, name: &str) {
        self.hypervisor
            .ask(&["nwfilter-undefine", name])
            .expect("undefined");
    }

    /// Binds libvirt's port to a filter.
    pub(crate) fn bind(&self, filter: &str, parameters: &Parameters) -> Result<(), String> {
        let given: String = parameters
            .iter()
            .flat_map(|(name, values)| values.iter().map(move |value| (name, value)))
            .map(|(name, value)| format!("<parameter name='{name}' value='{value}'/>"))
            .collect();
        let xml = format!(
            "<filterbinding><owner><name>vm</name><uuid>c7a5fdbd-cdaf-9455-926a-d65c16db1809</uuid></owner>\
             <portdev name='lv0'/><mac address='{OWN}'/><filterref filter='{filter}'>{given}</filterref>\
             </filterbinding>"
        );
        let bound = self
            .hypervisor
            .give_successfully(&["nwfilter-binding-create"], &xml);
        bound.map(drop).map_err(|error| error.to_string())
    }

    pub(crate) fn unbind(&self) {
        self.hypervisor
            .ask(&["nwfilter-binding-delete", "lv0"])
            .expect("deleted");
    }

    pub(crate) fn moat_device(&self) -> &str {
        &self.moat.port.device
    }

    /// Has moat enforce a program.
    pub(crate) fn install(&mut self, program: &HostProgram) -> HostProgram {
        let resolved = resolve(program, &self.capabilities).expect("this kernel can");
        let installed = self.datapath.read().expect("the table");
        let change = self.datapath.plan(&resolved.program, &installed);
        self.datapath.commit(&change).expect("committed");
        resolved.program
    }

    /// Which of the frames arrive, at libvirt's side and at moat's. The frames differ from each other.
    pub(crate) fn sent(&mut self, direction: Direction, frames: &[Vec<u8>]) -> [Vec<bool>; 2] {
        let mut sides = [&mut self.libvirt, &mut self.moat];
        for side in &mut sides {
            for frame in frames {
                let from = match direction {
                    Direction::Out => &side.near,
                    Direction::In => &side.far,
                };
                from.send(frame).expect("sent");
            }
        }
        self.hypervisor.switch().settle().expect("settled");
        sides.map(|side| {
            let (to, from) = match direction {
                Direction::Out => (&mut side.far, &mut side.near),
                Direction::In => (&mut side.near, &mut side.far),
            };
            let arrived: BTreeSet<Vec<u8>> = to.drain().expect("received").into_iter().collect();
            // Answers to rejected packets.
            from.drain().expect("received");
            frames.iter().map(|frame| arrived.contains(frame)).collect()
        })
    }

    /// libvirt's rules as the kernel shows them.
    pub(crate) fn rules(&self) -> String {
        let mut text = String::new();
        for (program, arguments) in [
            ("ebtables", &["-t", "nat", "-L"][..]),
            ("iptables-save", &[]),
            ("ip6tables-save", &[]),
        ] {
            text.push_str(&self.hypervisor.run(program, arguments).unwrap_or_default());
        }
        text
    }
}
