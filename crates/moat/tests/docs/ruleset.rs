//! The ruleset in docs/nftables.md is what its example becomes in the kernel.

use std::collections::BTreeMap;

use datapath::{Capabilities, Capability, Datapath, resolve};
use datapath_nftables::NftablesDatapath;
use policy::language::{Source, load};
use testbed::Switch;

use super::pages::{Block, Page, refreshing};

const PAGE: &str = "docs/nftables.md";
/// The version of nft that printed what the page shows.
const PRINTER: &str = "v1.0.6";

/// What every kernel can do, so that the page is the same wherever the test runs.
fn everywhere() -> Capabilities {
    let there = || Capability::present("assumed", "nothing");
    Capabilities {
        log: there(),
        limits: there(),
        ..Capabilities::default()
    }
}

/// What nft prints after the page's example was applied in a namespace.
fn installed(documents: &Block) -> String {
    let switch = Switch::new().expect("a switch");
    // vnet0 and vnet1 are the example's port and uplink.
    switch.add_ports(0, 2).expect("ports");
    let catalog = load(&[Source::new("shop.yaml", documents.text.clone())])
        .unwrap_or_else(|errors| panic!("{}", errors.render(false, 100)));
    switch.namespace().run(|| {
        let observed = inventory::observe().expect("interfaces");
        let program = policy::compile(&catalog, None, &observed).expect("a program");
        assert!(program.refused.is_empty(), "{:?}", program.refused);
        let mut datapath = NftablesDatapath::open().expect("netlink");
        datapath.assume(everywhere());
        let program = resolve(&program, &everywhere())
            .expect("nothing that a kernel may lack")
            .program;
        let nothing = datapath.read().expect("an empty ruleset");
        let change = datapath.plan(&program, &nothing);
        datapath.commit(&change).expect("committed");
        nft(&switch, &["--stateless", "list", "table", "bridge", "moat"])
    })
}

fn nft(switch: &Switch, arguments: &[&str]) -> String {
    let output = switch
        .namespace()
        .command("nft")
        .args(arguments)
        .output()
        .expect("nft runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout)
        .expect("nft prints text")
        .replace('\t', "    ")
}

/// Chains, sets and maps with the number of their lines: what all versions of nft agree on.
fn outline(listing: &str) -> BTreeMap<String, usize> {
    let mut outline = BTreeMap::new();
    let mut block: Option<String> = None;
    for line in listing.lines() {
        let text = line.trim();
        match (&block, text) {
            (Some(_), "}") => block = None,
            (Some(name), text)
                if name.starts_with("chain") && !text.is_empty() && !text.starts_with("type ") =>
            {
                *outline.entry(name.clone()).or_insert(0) += 1;
            }
            (None, text) if text.ends_with('{') && !text.starts_with("table") => {
                let name = text.trim_end_matches('{').trim().to_owned();
                outline.insert(name.clone(), 0);
                block = Some(name);
            }
            _ => {}
        }
    }
    outline
}

#[test]
fn the_ruleset_is_the_one_that_the_kernel_gets() {
    let mut page = Page::read(PAGE);
    let documents = page.block("yaml shop").clone();
    let shown = page.block("nft table").clone();
    let listed = installed(&documents);
    let switch = Switch::new().expect("a switch");
    if nft(&switch, &["--version"]).contains(PRINTER) {
        if refreshing() {
            page.replace(&shown, &listed);
        } else {
            assert_eq!(shown.text, listed, "MOAT_UPDATE_DOCS=1 rewrites the page");
        }
    }
    // Other versions lay the same table out in other ways.
    if !refreshing() {
        assert_eq!(outline(&shown.text), outline(&listed));
    }
}

#[test]
fn every_part_of_the_ruleset_is_explained() {
    let page = Page::read(PAGE);
    let listing = page.block("nft table").text.clone();
    let prose = page.text.replace(&listing, "");
    for part in outline(&listing).keys() {
        let name = part
            .split_whitespace()
            .nth(1)
            .expect("kind and name")
            .trim_matches('"');
        assert!(
            prose.contains(&format!("`{name}`")),
            "{PAGE} does not explain {part}"
        );
    }
}
