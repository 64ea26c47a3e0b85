//! The calls of xl, libxl and xapi, with what xenstore and xenopsd say.

use std::collections::BTreeMap;

use policy::claim::{Claim, ClaimChange, ProfileSource};
use policy::document::Document;
use proptest::prelude::*;

use crate::hook::Call;

const METADATA: &str = include_str!("../../samples/xen/vif.0.json");
const STORE: &str =
    "mac=00:16:3e:00:00:01\nbridge=xenbr0\nip=10.0.0.1 2001:db8::1\nvifname=\nname=web-1\n";

fn call(line: &str, input: &str) -> Result<ClaimChange, String> {
    let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    let environment = [
        ("XENBUS_PATH", "backend/vif/7/0"),
        ("vif", "vif7.0"),
        ("INTERFACE", "tap7.0"),
    ];
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    let call = Call {
        arguments: &arguments,
        input,
        environment: &environment
            .map(owned)
            .into_iter()
            .collect::<BTreeMap<_, _>>(),
    };
    let answer = super::hook(call).map_err(|error| error.to_string())?;
    Ok(answer.change)
}

fn claim(line: &str, input: &str) -> Claim {
    match call(line, input) {
        Ok(ClaimChange::Replace { mut claims, .. }) => claims.remove(0),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_interface_of_xl() {
    let vif = claim("online type_if=vif", STORE);
    assert_eq!(vif.port, "web-1/0");
    assert_eq!(vif.device.as_deref(), Some("vif7.0"));
    assert_eq!(vif.bridge.as_deref(), Some("xenbr0"));
    assert_eq!(vif.addresses.len(), 2);
    let tap = claim("add type_if=tap", STORE);
    assert_eq!(tap.port, "web-1/0-emulated");
    assert_eq!(tap.device.as_deref(), Some("tap7.0"));
    assert_eq!(tap.mac, vif.mac);
    let renamed = STORE.replace("vifname=", "vifname=web");
    assert_eq!(claim("online", &renamed).device.as_deref(), Some("web"));
    assert_eq!(claim("add", &renamed).device.as_deref(), Some("web-emu"));
    let nameless = STORE.replace("name=web-1", "");
    assert_eq!(claim("online", &nameless).port, "domain-7/0");
    let vm = "vif7.0".to_owned();
    assert_eq!(
        call("offline type_if=vif", STORE),
        Ok(ClaimChange::Release { vm })
    );
    let vm = "tap7.0".to_owned();
    assert_eq!(
        call("remove type_if=tap", ""),
        Ok(ClaimChange::Release { vm })
    );
}

#[test]
fn an_interface_of_xapi_with_its_locking_mode() {
    let uuid = "06578fc1-c686-46fa-bc2c-220893b466a6";
    let filter = format!("setup-vif-rules xenlight vif7.0 {uuid} 0 filter");
    let locked = claim(&filter, METADATA);
    assert_eq!(locked.port, format!("{uuid}/0"));
    assert_eq!(locked.bridge.as_deref(), Some("xenbr0"));
    assert_eq!(locked.addresses.len(), 3);
    assert_eq!(locked.profiles[&ProfileSource::Filter], ["xapi-locked"]);
    let Document::Profile(profile) = &locked.documents[0] else {
        panic!("{locked:?}")
    };
    assert_eq!(profile.guards.len(), 5);
    let mode = METADATA.find("[\"Locked\"").unwrap()..METADATA.find(",\"extra_private").unwrap();
    for (word, name) in [
        ("\"Unlocked\"", "xapi-unlocked"),
        ("\"Disabled\"", "xapi-disabled"),
    ] {
        let mut text = METADATA.to_owned();
        text.replace_range(mode.clone(), word);
        assert_eq!(
            claim(&filter, &text).profiles[&ProfileSource::Filter],
            [name]
        );
    }
    let clear = format!("setup-vif-rules xenlight vif7.0 {uuid} 0 clear");
    let vm = "vif7.0".to_owned();
    assert_eq!(call(&clear, ""), Ok(ClaimChange::Release { vm }));
}

#[test]
fn what_is_wrong_is_named() {
    for (line, input, expected) in [
        ("", "", "expected `moat hook xen"),
        ("online type_if=bond", STORE, "expected"),
        ("online", "bridge=xenbr0", "no `mac`"),
        ("online", "mac=00:16:3e:00:00:01", "no `bridge`"),
        (
            "online",
            "mac=x\nbridge=b",
            "mac=x, which is no MAC address",
        ),
        (
            "online",
            "mac=00:16:3e:00:00:01\nbridge=b\nip=ten",
            "ip=ten",
        ),
        (
            "setup-vif-rules b vif7.0 u 0 filter",
            "",
            "what xenopsd says of interface vif7.0",
        ),
        (
            "setup-vif-rules b vif7.0 u 0 filter",
            "{\"mac\":\"00:16:3e:00:00:01\"}",
            "`backend`",
        ),
    ] {
        let said = call(line, input).unwrap_err();
        assert!(said.contains(expected), "{said}");
    }
}

proptest! {
    #[test]
    fn any_input_is_survived(text in ".{0,200}") {
        let _ = call("online", &text);
        let _ = call("setup-vif-rules b vif7.0 u 0 filter", &text);
    }
}
