//! The ruleset in docs/nftables.md is what its example becomes in the kernel.

use std::collections::BTreeMap;
use std::path::Path;

use datapath::{Capabilities, Capability, Datapath, resolve};
use datapath_nftables::NftablesDatapath;
use policy::language::{Source, load};
use testbed::Switch;
use testbed::guest::{GuestFile, GuestSpec, inside_guest};

use super::pages::{Page, refreshing};

const PAGE: &str = "docs/nftables.md";
/// The version of nft that printed what the page shows.
const PRINTER: &str = "v1.0.6";
/// Names of protocols, which nft prints where it finds them.
const PROTOCOLS: &str = "/etc/protocols";

/// What every kernel can do, so that the page is the same wherever the test runs.
fn everywhere() -> Capabilities {
    let there = || Capability::present("assumed", "nothing");
    Capabilities {
        log: there(),
        limits: there(),
        ..Capabilities::default()
    }
}

/// What nft prints after these documents were applied in a namespace, or the capabilities that are missing.
fn installed(documents: &str, assumed: Option<Capabilities>) -> Result<String, Vec<&'static str>> {
    let switch = Switch::new().expect("a switch");
    // vnet0 and vnet1 are the example's port and uplink.
    switch.add_ports(0, 2).expect("ports");
    let catalog = load(&[Source::new("shop.yaml", documents)])
        .unwrap_or_else(|errors| panic!("{}", errors.render(false, 100)));
    switch.namespace().run(|| {
        let observed = inventory::observe().expect("interfaces");
        let program = policy::compile(&catalog, None, &observed).expect("a program");
        assert!(program.refused.is_empty(), "{:?}", program.refused);
        let mut datapath = NftablesDatapath::open().expect("netlink");
        if let Some(assumed) = assumed {
            datapath.assume(assumed);
        }
        let capabilities = datapath.capabilities().expect("capabilities");
        let resolved = resolve(&program, &capabilities);
        let program = resolved
            .map_err(|unmet| {
                unmet
                    .iter()
                    .map(|unmet| unmet.capability)
                    .collect::<Vec<_>>()
            })?
            .program;
        let nothing = datapath.read().expect("an empty ruleset");
        let change = datapath.plan(&program, &nothing);
        datapath.commit(&change).expect("committed");
        Ok(nft(
            &switch,
            &["--stateless", "list", "table", "bridge", "moat"],
        ))
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
    let documents = Page::read(PAGE).block("yaml shop");
    let listed = installed(&documents.text, Some(everywhere())).expect("every kernel can do it");
    agree("nft table", &listed);
}

/// The block of the page shows this listing.
fn agree(block: &str, listed: &str) {
    let mut page = Page::read(PAGE);
    let shown = page.block(block);
    if refreshing() {
        page.replace(&shown, listed);
        return;
    }
    // Other versions of nft, and those that do not know protocols by name, print the same in other ways.
    assert_eq!(
        outline(&shown.text),
        outline(listed),
        "MOAT_UPDATE_DOCS=1 rewrites the page"
    );
    let switch = Switch::new().expect("a switch");
    if nft(&switch, &["--version"]).contains(PRINTER) && Path::new(PROTOCOLS).exists() {
        assert_eq!(shown.text, listed, "MOAT_UPDATE_DOCS=1 rewrites the page");
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

/// Parts of a listing that the page shows of the stateful table.
fn selected(listing: &str, names: &[&str]) -> String {
    let mut selected = String::new();
    let mut inside = false;
    for line in listing.lines() {
        let begins = line.starts_with("    ") && line.ends_with('{') && !line.starts_with("     ");
        if begins {
            let name = line.split_whitespace().nth(1).unwrap_or("");
            inside = names.contains(&name);
        }
        if inside {
            selected.push_str(line.strip_prefix("    ").unwrap_or(line));
            selected.push('\n');
        }
        inside &= line != "    }";
    }
    selected
}

/// What tracking adds to the table, in the order of the listing.
const TRACKED: &[&str] = &[
    "local-macs",
    "managed",
    "tracked",
    "zones",
    "zones-by-mac",
    "tracked-prerouting",
    "zone",
    "ZONE",
    "out",
    "shop-2b0a3599-in4-tcp",
    "shop-2b0a3599-out4-tcp",
    "shop-2b0a3599-tracked",
    "shop-2b0a3599-tracked4-tcp",
];

/// Connection tracking and bridge names, as Debian's kernel gives them.
#[test]
fn the_stateful_ruleset_is_the_one_that_debians_kernel_gets() {
    let spec = GuestSpec::this_test_binary(&["ruleset::tracked", "--exact", "--nocapture"]);
    let mut spec = spec.expect("a guest can be made");
    if let Ok(contents) = std::fs::read(PROTOCOLS) {
        let path = PROTOCOLS.to_owned();
        spec.files.push(GuestFile {
            path,
            contents,
            executable: false,
        });
    }
    let outcome = spec.run().expect("the guest ran");
    assert_eq!(outcome.status, 0, "{}", outcome.console);
    let (_, listed) = outcome
        .output
        .split_once(BEGIN)
        .expect("the listing begins");
    let (listed, _) = listed.split_once(END).expect("the listing ends");
    let listed = listed.replace('\r', "");
    let zone = listed
        .split_whitespace()
        .find(|word| word.starts_with("zone-"));
    let names: Vec<&str> = TRACKED
        .iter()
        .map(|name| {
            if *name == "ZONE" {
                zone.unwrap_or(name)
            } else {
                name
            }
        })
        .collect();
    let listed = selected(&listed, &names);
    agree("nft tracked", &listed);
}

const BEGIN: &str = "<<<listing\n";
const END: &str = "listing>>>";

/// Runs on this machine and in the guest: a stateful example is carried out, or refused with the reason.
#[test]
fn tracked() {
    // The guest has no repository.
    let page = Page {
        name: PAGE.to_owned(),
        text: include_str!("../../../../docs/nftables.md").to_owned(),
    };
    let stateful = page
        .block("yaml shop")
        .text
        .replace("stateful: off", "stateful: required");
    match installed(&stateful, None) {
        Ok(listed) => println!("{BEGIN}{listed}{END}"),
        Err(missing) => {
            assert!(!inside_guest(), "the guest's kernel tracks connections");
            assert_eq!(missing, ["connection-tracking"]);
        }
    }
}
