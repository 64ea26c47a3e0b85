//! The filters that ship with libvirt, read from where the package puts them.

use frame::random::Rng;
use import::nwfilter::{Filters, Parameters, parse};

use super::generate::{Generator, Tree};
use super::{Bench, FRAMES, Tally, compare, seed, world};

const FOLDER: &str = "/etc/libvirt/nwfilter";

fn shipped() -> Filters {
    let mut filters = Filters::default();
    let entries = std::fs::read_dir(FOLDER).unwrap_or_else(|error| {
        panic!("{FOLDER}: {error}: install libvirt-daemon-config-nwfilter")
    });
    for entry in entries {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|ending| ending == "xml") {
            let text = std::fs::read_to_string(&path).expect("a filter");
            let name = path.display().to_string();
            filters.insert(parse(&name, &text).unwrap_or_else(|errors| panic!("{errors}")));
        }
    }
    filters
}

fn values(subnet: u8) -> Parameters {
    let ip = format!("10.{subnet}.0.1");
    let server = format!("10.{subnet}.0.3");
    let ipv6 = format!("fd00:{subnet:x}::1");
    world::parameters(&[
        ("IP", &[&ip]),
        ("IPV6", &[&ipv6]),
        ("DHCPSERVER", &[&server]),
        ("GATEWAY_MAC", &["52:54:00:00:00:09"]),
    ])
}

#[test]
fn every_shipped_filter_means_the_same_to_libvirt_and_moat() {
    let filters = shipped();
    let names: Vec<&str> = filters.names().collect();
    assert!(names.len() >= 24, "{names:?}");
    let seed = seed();
    println!("seed {seed} (MOAT_SEED={seed} repeats)");
    let mut rng = Rng::new(seed);
    let mut bench = Bench::new("hv-shipped");
    let tally = Tally::default();
    for (subnet, name) in (200..).zip(&names) {
        let mut parameters = values(subnet);
        if name.starts_with("allow-dhcpv6-server") {
            parameters.insert("DHCPSERVER".to_owned(), vec![format!("fd00:{subnet:x}::3")]);
        }
        let mut generator = Generator {
            rng: &mut rng,
            subnet,
        };
        let frames: Vec<Vec<u8>> = (0..FRAMES * 2).map(|_| generator.frame()).collect();
        let tree = Tree {
            texts: vec![format!("shipped filter {name}")],
            root: (*name).to_owned(),
            packets: false,
        };
        compare(&mut bench, &filters, &tree, &parameters, &frames, &tally);
    }
    println!(
        "compared {} shipped filters, {} frames",
        names.len(),
        tally.frames.into_inner()
    );
}
