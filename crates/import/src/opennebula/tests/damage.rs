//! Input that is not as it should be: a sentence, never a panic, and never less protection.

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::base64::decode;
use super::{FULL, call, encode, nic, reduced};

#[test]
fn what_is_no_vm_is_said_in_a_sentence() {
    for (line, input, expected) in [
        ("pre", "", "nothing on standard input"),
        ("pre", "PFZ*", "not base64 at byte 3"),
        ("pre", "PFZ", "not base64"),
        ("pre", "/w==", "not UTF-8 at byte 0"),
        ("pre", "PFZNPg==", "not XML"),
        ("dance", "PFZNPg==", "`dance` is no action"),
        ("", "", "the action is missing"),
        ("--driver", "", "`--driver` lacks its value"),
        ("--color x pre", "", "`--color` is no option"),
        ("--isolation mac-prefix=49 pre", "", "is no isolation"),
    ] {
        let said = call(line, input).unwrap_err();
        assert!(said.contains(expected), "{line}: {said}");
        assert!(!said.contains('\n'), "{said}");
    }
    let said = call("pre", &encode("<VNET><ID>1</ID></VNET>", 60)).unwrap_err();
    assert!(
        said.contains("a <VNET>, where a <VM> is expected"),
        "{said}"
    );
    let said = call("pre", &encode("<VM><ID>-1</ID></VM>", 60)).unwrap_err();
    assert!(said.contains("the ID `-1`"), "{said}");
    // Entities that grow are not expanded: a document type is refused.
    let said = call(
        "pre",
        &encode("<!DOCTYPE VM [<!ENTITY a \"a\">]><VM><ID>1</ID></VM>", 60),
    );
    assert!(said.unwrap_err().contains("not XML"));
}

#[test]
fn every_byte_cut_off_is_an_error_or_a_whole_vm() {
    let whole = reduced(5, &[&nic(0, &[("SECURITY_GROUPS", "100")])]);
    for length in 0..whole.trim_end().len() {
        assert!(call("pre", &whole[..length]).is_err(), "{length}");
    }
}

proptest! {
    #[test]
    fn base64_comes_back(text in ".{0,200}", width in 1_usize..80) {
        let encoded = encode(&text, width);
        prop_assert_eq!(decode(&encoded), Ok(text.into_bytes()));
    }

    #[test]
    fn any_text_is_survived(line in "[a-z_= -]{0,40}", input in ".{0,200}") {
        let _ = call(&line, &input);
        let _ = call("pre", &encode(&input, 60));
    }

    #[test]
    fn a_vm_with_bytes_changed_is_survived(changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..20)) {
        let mut bytes = FULL.as_bytes().to_vec();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let text = String::from_utf8_lossy(&bytes);
        for action in ["pre", "clean hv1", "update_nic one-3 0"] {
            let _ = call(&format!("--driver fw {action}"), &encode(&text, 60));
        }
    }

    #[test]
    fn random_values_are_survived(
        name in prop::sample::select(vec![
            "NIC_ID", "MAC", "IP", "VLAN_ID", "VLAN_TAGGED_ID", "SECURITY_GROUPS", "TARGET",
            "BRIDGE", "NETWORK_ID", "PROTOCOL", "RANGE", "SIZE", "ICMP_TYPE", "RULE_TYPE",
        ]),
        value in "[0-9a-zA-Z:,./ -]{0,24}",
    ) {
        let nic = nic(0, &[("SECURITY_GROUPS", "100"), (name, value.as_str())]);
        let rule = super::rule(&[
            ("RULE_TYPE", "INBOUND"), ("PROTOCOL", "TCP"), ("IP", "10.0.0.1"), ("SIZE", "4"),
            (name, value.as_str()),
        ]);
        let _ = call("--isolation mac-prefix=33 --vlan-filtering pre", &reduced(5, &[&nic, &rule]));
    }
}
