use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::claim::ProfileSource;
use crate::document::{Document, Network};
use crate::language::{Source, load};

const DOCUMENTS: &str = "\
kind: Profile
name: web
---
kind: Network
name: tenant
bridge: br0
profiles: [web]
---
kind: Network
name: first
bridge: br1
---
kind: Network
name: second
bridge: br1
---
kind: Host
name: hv-1
profiles: [web]
bridges: {br0: {managed: true}}
---
kind: Port
name: web-1/0
mac: 52:54:00:00:00:01
network: tenant
";

fn documents() -> Arc<Catalog> {
    let loaded = load(&[Source::new("here.yaml", DOCUMENTS)]);
    Arc::new(loaded.unwrap_or_else(|error| panic!("{error:?}")))
}

/// Claims that get into each other's way: few names, few MACs, networks that others bring.
fn any_claim() -> impl Strategy<Value = Claim> {
    (
        (0_u8..7, 1_u8..5, 0_u8..4, 0_u8..4),
        (0_u8..3, any::<bool>(), 0_u8..8, 0_u8..8),
    )
        .prop_map(
            |((port, mac, bridge, network), (profile, device, brings, refused))| {
                let mut claim = Claim {
                    port: match port {
                        0 => "web-1/0".to_owned(),
                        port => format!("vm-{port}/0"),
                    },
                    source: "libvirt".to_owned(),
                    device: device.then(|| format!("vnet{port}")),
                    mac: MacAddress::from([0x52, 0x54, 0, 0, 0, mac]),
                    bridge: (bridge > 0).then(|| format!("br{}", bridge - 1)),
                    network: match network {
                        0 => Some("tenant".to_owned()),
                        1 => Some("brought".to_owned()),
                        _ => None,
                    },
                    refused: (refused == 0).then(|| "macvtap".to_owned()),
                    ..Claim::default()
                };
                if profile > 0 {
                    let name = ["web", "none"][usize::from(profile - 1)];
                    let found = vec![name.to_owned()];
                    claim.profiles.insert(ProfileSource::Metadata, found);
                }
                if brings == 0 {
                    claim.documents.push(Document::Network(Network {
                        name: "brought".to_owned(),
                        bridge: "br2".to_owned(),
                        ..Network::default()
                    }));
                }
                claim
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn what_changed_alone_gives_the_same_as_everything(
        steps in vec((vec(any_claim(), 0..6), any::<bool>()), 1..12),
    ) {
        let declared = documents();
        let mut settling = Settling::default();
        let mut claims: Vec<Claim> = Vec::new();
        for (new, anew) in steps {
            // Either all are others, or one after the other is.
            if anew {
                claims = new;
            } else if let Some(claim) = new.into_iter().next() {
                claims.retain(|it| it.port != claim.port);
                claims.push(claim);
            }
            let before = settling.settled().clone();
            let resettled = settling.settle(&declared, None, &claims);
            let settled = settling.settled();
            prop_assert_eq!(settled, &settle(&declared, None, &claims));
            if let Resettled::Ports(ports) = resettled {
                let mut shared = before.catalog.clone();
                shared.ports.clone_from(&settled.catalog.ports);
                prop_assert_eq!(&shared, &settled.catalog, "documents other than ports");
                for (name, port) in before.catalog.ports.iter().chain(&settled.catalog.ports) {
                    let same = settled.catalog.ports.get(name) == before.catalog.ports.get(name);
                    prop_assert!(same || ports.contains(name), "{} {:?}", name, port);
                }
            }
        }
    }
}

#[test]
fn one_more_of_many_concerns_it_alone() {
    let declared = documents();
    let claim = |number: u8| Claim {
        port: format!("vm-{number}/0"),
        mac: MacAddress::from([0x52, 0x54, 0, 0, 1, number]),
        bridge: Some("br0".to_owned()),
        ..Claim::default()
    };
    let mut claims: Vec<Claim> = (0..100).map(claim).collect();
    let mut settling = Settling::default();
    assert_eq!(
        settling.settle(&declared, None, &claims),
        Resettled::Everything
    );
    claims.push(claim(100));
    claims.remove(7);
    let changed = ["vm-100/0", "vm-7/0"].map(str::to_owned);
    assert_eq!(
        settling.settle(&declared, None, &claims),
        Resettled::Ports(BTreeSet::from(changed))
    );
    assert_eq!(
        settling.settle(&declared, None, &claims),
        Resettled::Ports(BTreeSet::new())
    );
    let other = documents();
    assert_eq!(
        settling.settle(&other, None, &claims),
        Resettled::Everything
    );
}
