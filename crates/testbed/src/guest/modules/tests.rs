//! Modules come in an order in which they can be loaded.

use super::{collect, newest_kernel, version};
use crate::guest::GuestError;

#[test]
fn needs_come_first_and_once() {
    let kernel = newest_kernel().expect("the package linux-image-cloud-amd64 is installed");
    let names = ["nft-reject-bridge", "nft_meta_bridge"].map(str::to_owned);
    let files = collect(&kernel, &["no_such_module".to_owned()], &names).expect("modules");
    let order: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
    let at = |name: &str| {
        order
            .iter()
            .position(|file| *file == name)
            .expect("in the list")
    };
    assert!(
        at("llc.ko") < at("stp.ko") && at("stp.ko") < at("bridge.ko"),
        "{order:?}"
    );
    assert!(at("nf_tables.ko") < at("nft_reject_bridge.ko"), "{order:?}");
    assert_eq!(order.iter().filter(|name| **name == "bridge.ko").count(), 1);
    assert!(
        files
            .iter()
            .all(|file| file.contents.starts_with(b"\x7fELF"))
    );
}

#[test]
fn an_unknown_module_is_named() {
    let kernel = newest_kernel().expect("the package linux-image-cloud-amd64 is installed");
    let refused = collect(&kernel, &[], &["no_such_module".to_owned()]);
    assert!(
        matches!(refused, Err(GuestError::Module { module, .. }) if module == "no_such_module")
    );
}

#[test]
fn versions_are_numbers() {
    assert!(version("6.1.0-9-cloud-amd64") < version("6.1.0-56-cloud-amd64"));
    assert!(version("6.1.0-56-cloud-amd64") < version("6.12.0-1-cloud-amd64"));
}
