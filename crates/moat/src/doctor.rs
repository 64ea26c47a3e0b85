//! `moat doctor`: what this kernel and this process can do, what each costs, and what else filters
//! on bridges here. Knows where to look; judging policies by it is left to `datapath::resolve`.

use std::path::Path;

use clap::Args;
use datapath::{Capabilities, Datapath as _};
use datapath_nftables::NftablesDatapath;
use nftables::Family;
use serde_json::{Map, Value, json};

use crate::fault::{Failure, Outcome};
use crate::output::{self, Grid, Style, paint};
use crate::situation;

#[derive(Args, Debug)]
pub(crate) struct DoctorArguments {}

/// `CAP_NET_ADMIN` of linux/capability.h.
const NET_ADMIN: u32 = 12;

/// One thing that was looked at.
struct Finding {
    name: String,
    value: Value,
    text: String,
    well: bool,
}

/// # Errors
/// Never: what cannot be found out is a finding.
pub(crate) fn doctor(_arguments: &DoctorArguments, as_json: bool) -> Result<Outcome, Failure> {
    let mut datapath = situation::open()?;
    let capabilities = datapath.capabilities();
    let findings = look(&mut datapath);
    // What no kernel can do is no ailment.
    let lacking = capabilities.as_ref().map_or(true, |capabilities| {
        capabilities
            .iter()
            .any(|(name, capability)| !capability.present && name != "reject-in")
    });
    let outcome = Outcome::findings(lacking || findings.iter().any(|finding| !finding.well));
    if as_json {
        let findings: Map<String, Value> = findings
            .into_iter()
            .map(|finding| (finding.name, finding.value))
            .collect();
        output::json(&json!({
            "capabilities": capabilities.as_ref().ok(),
            "capabilities-unknown": capabilities.as_ref().err().map(ToString::to_string),
            "host": findings,
        }));
        return Ok(outcome);
    }
    let mut text = match &capabilities {
        Ok(capabilities) => capability_text(capabilities),
        Err(error) => format!(
            "{} {error}\n",
            paint(Style::Bad, "What this kernel can do cannot be found out:")
        ),
    };
    text.push('\n');
    let mut grid = Grid::new(&["host", ""]);
    for finding in &findings {
        let style = if finding.well {
            Style::Strong
        } else {
            Style::Warning
        };
        grid.row([paint(style, &finding.name), finding.text.clone()]);
    }
    text.push_str(&grid.to_string());
    output::print(&text);
    Ok(outcome)
}

fn capability_text(capabilities: &Capabilities) -> String {
    let mut grid = Grid::new(&[
        "capability",
        "present",
        "found",
        "cost, or what is lost",
        "remedy",
    ]);
    for (name, capability) in capabilities.iter() {
        grid.row([
            name.to_owned(),
            if capability.present {
                paint(Style::Good, "yes")
            } else {
                paint(Style::Bad, "no")
            },
            capability.detail.clone(),
            capability.cost.clone(),
            capability.remedy.clone().unwrap_or_default(),
        ]);
    }
    grid.to_string()
}

fn look(datapath: &mut NftablesDatapath) -> Vec<Finding> {
    vec![
        kernel(),
        permissions(),
        bridges(),
        other_tables(datapath),
        legacy_tables(),
        bridge_netfilter(),
        connection_table(),
        nft_tool(),
    ]
}

fn finding(name: &str, value: Value, text: impl Into<String>, well: bool) -> Finding {
    Finding {
        name: name.to_owned(),
        value,
        text: text.into(),
        well,
    }
}

fn parameter(path: &str) -> Option<String> {
    let text = std::fs::read_to_string(Path::new("/proc/sys").join(path)).ok()?;
    Some(text.trim().to_owned())
}

fn kernel() -> Finding {
    let release = parameter("kernel/osrelease").unwrap_or_else(|| "unknown".to_owned());
    finding("kernel", json!(release), release.clone(), true)
}

fn permissions() -> Finding {
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let effective = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|set| u64::from_str_radix(set.trim(), 16).ok())
        .unwrap_or_default();
    let may = effective & (1 << NET_ADMIN) != 0;
    let text = if may {
        "CAP_NET_ADMIN: this process may read and change the switch"
    } else {
        "no CAP_NET_ADMIN: this process may neither read nor change the switch; run it as root"
    };
    finding("permissions", json!({ "net-admin": may }), text, may)
}

fn bridges() -> Finding {
    match inventory::observe() {
        Ok(observed) => {
            let each = observed.bridges.iter().map(|(name, bridge)| {
                let members = observed.interfaces.values();
                let members = members
                    .filter(|interface| interface.bridge == *name)
                    .count();
                let vlans = if bridge.vlan_filtering {
                    ", separates VLANs"
                } else {
                    ""
                };
                (
                    name.clone(),
                    members,
                    format!("{name} ({}{vlans})", output::count(members, "interface")),
                )
            });
            let each: Vec<_> = each.collect();
            let value: Map<String, Value> = each
                .iter()
                .map(|(name, members, _)| (name.clone(), json!(members)))
                .collect();
            let texts: Vec<String> = each.into_iter().map(|(_, _, text)| text).collect();
            let text = match texts.as_slice() {
                [] => "none in this network namespace".to_owned(),
                texts => texts.join(", "),
            };
            finding("bridges", Value::Object(value), text, true)
        }
        Err(error) => finding("bridges", Value::Null, error.to_string(), false),
    }
}

/// Whoever else has base chains in the bridge family may drop frames that moat accepts.
fn other_tables(datapath: &mut NftablesDatapath) -> Finding {
    const NAME: &str = "other bridge tables";
    let own = datapath_nftables::table();
    let tables = match datapath.connection().tables(Family::Bridge) {
        Ok(tables) => tables,
        Err(error) => return finding(NAME, Value::Null, error.to_string(), false),
    };
    let mut names = Vec::new();
    for table in tables.into_iter().map(|table| table.value.id) {
        if table != own {
            let contents = datapath.connection().dump_table(&table).ok().flatten();
            let hooks = contents.map(|contents| {
                let hooked = contents
                    .chains
                    .iter()
                    .filter(|chain| chain.value.hook.is_some());
                hooked.count()
            });
            names.push(match hooks {
                Some(0) => format!("{} (no base chain)", table.name),
                Some(hooks) => format!(
                    "{} ({} of its own)",
                    table.name,
                    output::count(hooks, "base chain")
                ),
                None => table.name,
            });
        }
    }
    let text = match names.as_slice() {
        [] => "none: nobody else filters on bridges".to_owned(),
        names => format!(
            "{}: may drop what moat accepts; moat does not touch them",
            names.join(", ")
        ),
    };
    finding(NAME, json!(names), text, true)
}

fn legacy_tables() -> Finding {
    let modules = ["ebtable_filter", "ebtable_nat", "ebtable_broute"];
    let loaded: Vec<&str> = modules
        .into_iter()
        .filter(|module| Path::new("/sys/module").join(module).exists())
        .collect();
    let text = match loaded.as_slice() {
        [] => "no legacy ebtables modules loaded".to_owned(),
        loaded => format!(
            "{} loaded: legacy rules may drop what moat accepts",
            loaded.join(", ")
        ),
    };
    finding("ebtables", json!(loaded), text, true)
}

fn bridge_netfilter() -> Finding {
    let families = ["iptables", "ip6tables", "arptables"];
    let values: Map<String, Value> = families
        .into_iter()
        .filter_map(|family| {
            let name = format!("bridge-nf-call-{family}");
            let value = parameter(&format!("net/bridge/{name}"))?;
            Some((name, json!(value)))
        })
        .collect();
    let text = if values.is_empty() {
        "not loaded; moat does not need it".to_owned()
    } else {
        let each: Vec<String> = values
            .iter()
            .map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default()))
            .collect();
        format!("{}; moat decides the same either way", each.join(" "))
    };
    finding("br_netfilter", Value::Object(values), text, true)
}

fn connection_table() -> Finding {
    let number = |name: &str| {
        parameter(&format!("net/netfilter/{name}")).and_then(|text| text.parse::<u64>().ok())
    };
    let (used, most) = (number("nf_conntrack_count"), number("nf_conntrack_max"));
    let value = json!({ "used": used, "most": most });
    match (used, most) {
        (Some(used), Some(most)) => {
            let full = used.saturating_mul(10) >= most.saturating_mul(9);
            let advice = if full {
                "; raise net.netfilter.nf_conntrack_max"
            } else {
                ""
            };
            finding(
                "connections",
                value,
                format!("{used} of at most {most}{advice}"),
                !full,
            )
        }
        _ => finding("connections", value, "no connection tracking in use", true),
    }
}

fn nft_tool() -> Finding {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .map(|folder| folder.join("nft"))
        .find(|file| file.is_file());
    let text = match &found {
        Some(file) => format!(
            "{} (to look at `nft list table bridge moat`; moat does not need it)",
            file.display()
        ),
        None => "not installed; moat does not need it".to_owned(),
    };
    finding(
        "nft",
        json!(found.map(|file| file.display().to_string())),
        text,
        true,
    )
}
