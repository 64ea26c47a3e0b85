//! Bonds: several interfaces that are one port.

use std::collections::BTreeSet;

use datapath_openvswitch::topology::{Bond, BondMode, PortVlan, TopologyPort};
use frame::{FrameBuilder, MacAddress};

use super::bench::Bench;
use super::draft::Draft;
use super::generate::Tracking;

/// vnet0 and vnet1 are managed, vnet4 and vnet5 (ports 5 and 6) make the uplink.
fn start(mode: BondMode) -> Bench {
    let mut bench = Bench::new(Tracking::Absent);
    let bond = Bond {
        members: vec![5, 6],
        mode,
    };
    bench.replace(
        &["vnet4", "vnet5"],
        "bond0",
        TopologyPort {
            number: 5,
            bond: Some(bond),
            vlan: PortVlan::Trunk,
            ifindex: None,
        },
    );
    let mut draft = Draft::default();
    draft.add(
        "kind: Host\nname: hv-1\nbridges: {br0: {uplinks: [bond0], managed: true}}",
        Vec::new(),
    );
    draft.add(
        "kind: Network\nname: lan\nbridge: br0\nmac-filter: true",
        Vec::new(),
    );
    draft.add(
        "kind: Profile\nname: all\nstateful: off\ndefault: {in: accept, out: accept}",
        Vec::new(),
    );
    for number in 0..2 {
        let mac = number + 1;
        draft.add(
            format!("kind: Port\nname: port-{number}\ndevice: vnet{number}\nmac: '52:54:00:00:00:0{mac}'\nnetwork: lan\nprofiles: [all]"),
            Vec::new(),
        );
    }
    let catalog = draft.catalog().unwrap_or_else(|errors| panic!("{errors}"));
    let program = bench
        .program(&catalog)
        .unwrap_or_else(|why| panic!("{why}"));
    bench
        .install(&program)
        .unwrap_or_else(|why| panic!("{why}"));
    bench
}

fn packet(source: u8, destination: MacAddress) -> Vec<u8> {
    FrameBuilder::new(MacAddress([0x52, 0x54, 0, 0, 0, source]), destination)
        .ipv4([10, 0, 0, source].into(), [10, 0, 0, 99].into())
        .udp(1000, 2000)
        .payload([0; 20])
        .build()
}

/// Where a frame comes out.
fn goes(bench: &mut Bench, sender: usize, source: u8, destination: MacAddress) -> BTreeSet<usize> {
    let heard = bench.exchange(sender, &packet(source, destination));
    assert!(heard.iter().all(|frames| frames.len() < 2));
    (0..heard.len())
        .filter(|port| !heard[*port].is_empty())
        .collect()
}

const FAR: MacAddress = MacAddress([0x02, 0xcc, 0, 0, 0, 1]);
const NEAR: MacAddress = MacAddress([0x52, 0x54, 0, 0, 0, 2]);

#[test]
fn one_member_at_a_time() {
    let bench = &mut start(BondMode::ActiveBackup);
    assert_eq!(goes(bench, 0, 1, MacAddress::BROADCAST), [1, 4].into());
    assert_eq!(goes(bench, 0, 1, FAR), [4].into());
    assert_eq!(goes(bench, 4, 77, MacAddress::BROADCAST), [0, 1].into());
    assert_eq!(
        goes(bench, 5, 77, MacAddress::BROADCAST),
        [].into(),
        "the passive member"
    );
    assert_eq!(
        goes(bench, 4, 77, FAR),
        [].into(),
        "nothing goes back where it came from"
    );
}

#[test]
fn members_that_share_the_load() {
    for mode in [BondMode::Spread, BondMode::Aggregated] {
        let bench = &mut start(mode);
        let used: BTreeSet<usize> = (0..2_u8)
            .flat_map(|port| goes(bench, port.into(), port + 1, FAR))
            .collect();
        assert!(
            used.is_subset(&[4, 5].into()) && !used.is_empty(),
            "{used:?}"
        );
        assert_eq!(
            goes(bench, 0, 1, MacAddress::BROADCAST).len(),
            2,
            "one member of the bond hears it"
        );
        assert_eq!(goes(bench, 4, 77, MacAddress::BROADCAST), [0, 1].into());
        let again = goes(bench, 5, 77, MacAddress::BROADCAST);
        let expected: BTreeSet<usize> = if mode == BondMode::Spread {
            [].into()
        } else {
            [0, 1].into()
        };
        assert_eq!(again, expected, "{mode:?}");
        assert_eq!(goes(bench, 5, 77, NEAR), [1].into());
        if mode == BondMode::Spread {
            assert_eq!(
                goes(bench, 4, 1, MacAddress::BROADCAST),
                [].into(),
                "a frame that comes back"
            );
        }
    }
}
