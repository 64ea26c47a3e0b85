//! A tap script's calls, with an environment that says everything, little, and nonsense.

use std::collections::BTreeMap;

use policy::claim::{ClaimChange, ProfileSource};

use crate::hook::Call;

fn call(line: &str, environment: &[(&str, &str)]) -> Result<ClaimChange, String> {
    let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let environment: BTreeMap<String, String> = environment.iter().map(owned).collect();
    let call = Call {
        arguments: &arguments,
        input: "",
        environment: &environment,
    };
    let answer = super::hook(call).map_err(|error| error.to_string())?;
    Ok(answer.change)
}

#[test]
fn an_interface_comes_and_goes() {
    let environment = [
        ("MOAT_PORT", "web-1/0"),
        ("MOAT_VM", "web-1"),
        ("MOAT_MAC", "52:54:00:00:00:01"),
        ("MOAT_BRIDGE", "br0"),
        ("MOAT_VLAN", "7"),
        ("MOAT_ADDRESSES", "10.0.0.5, 2001:db8::/64"),
        ("MOAT_PROFILES", "web,base"),
    ];
    let Ok(ClaimChange::Replace { vm, claims }) = call("up tap0", &environment) else {
        panic!("not claimed")
    };
    assert_eq!(vm, "tap0");
    assert_eq!(claims[0].port, "web-1/0");
    assert_eq!(claims[0].device.as_deref(), Some("tap0"));
    assert_eq!(claims[0].vlan, Some(7));
    assert_eq!(claims[0].addresses.len(), 2);
    assert_eq!(
        claims[0].profiles[&ProfileSource::Metadata],
        ["web", "base"]
    );
    // QEMU calls the other script while the interface is still there.
    assert_eq!(call("down tap0", &[]), Ok(ClaimChange::Release { vm }));
}

#[test]
fn little_is_enough() {
    let environment = [("MOAT_MAC", "52:54:00:00:00:01"), ("MOAT_NETWORK", "lan")];
    let Ok(ClaimChange::Replace { claims, .. }) = call("up tap0", &environment) else {
        panic!("not claimed")
    };
    assert_eq!(claims[0].port, "qemu/tap0");
    assert_eq!(claims[0].network.as_deref(), Some("lan"));
    assert!(claims[0].profiles.is_empty());
}

#[test]
fn what_is_missing_or_wrong_is_named() {
    let mac = ("MOAT_MAC", "52:54:00:00:00:01");
    let bridge = ("MOAT_BRIDGE", "br0");
    for (line, environment, expected) in [
        ("up", vec![], "expected `moat hook qemu up"),
        ("sideways tap0", vec![], "expected `moat hook qemu up"),
        ("up tap0", vec![bridge], "MOAT_MAC is not set"),
        ("up tap0", vec![mac], "MOAT_BRIDGE is not set"),
        ("up tap0", vec![("MOAT_MAC", "x"), bridge], "MOAT_MAC=x"),
        (
            "up tap0",
            vec![("MOAT_MAC", "01:00:00:00:00:01"), bridge],
            "a group's",
        ),
        (
            "up tap0",
            vec![mac, bridge, ("MOAT_VLAN", "0")],
            "MOAT_VLAN=0",
        ),
        (
            "up tap0",
            vec![mac, bridge, ("MOAT_ADDRESSES", "ten")],
            "MOAT_ADDRESSES=ten",
        ),
    ] {
        let said = call(line, &environment).unwrap_err();
        assert!(said.contains(expected), "{said}");
    }
}
