//! The documents of the last apply, kept beside the switch, so that a plan can say what a change
//! means and a trace works without files. What is in force is always read from the switch: a
//! record that does not lower to exactly that is not believed.

use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;

use datapath::{Capabilities, Datapath, resolve};
use datapath_nftables::{Installed, NftablesDatapath};
use frame::MacAddress;
use policy::HostProgram;
use policy::language::{Source, load};
use policy::observation::{Observation, ObservedBridge, ObservedInterface};
use serde_json::{Value, json};

use crate::documents::Declaration;
use crate::guardian;

const FILE: &str = "applied.json";

/// What was applied.
pub(crate) struct Record {
    pub declaration: Declaration,
    pub host: String,
    pub observed: Observation,
}

/// Keeps what was applied.
///
/// # Errors
/// As writing a file: the apply itself is not affected.
pub(crate) fn keep(sources: &[Source], host: &str, observed: &Observation) -> io::Result<()> {
    let sources = sources
        .iter()
        .map(|source| json!({ "name": source.name, "text": source.text }));
    let record = json!({
        "host": host,
        "sources": sources.collect::<Value>(),
        "observed": observation_json(observed),
    });
    let folder = guardian::make_folder()?;
    let temporary = folder.join(format!("{FILE}.{}", std::process::id()));
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)?;
    file.write_all(record.to_string().as_bytes())?;
    std::fs::rename(&temporary, folder.join(FILE))
}

/// Whether there is a record.
pub(crate) fn exists() -> bool {
    guardian::folder().is_ok_and(|folder| folder.join(FILE).exists())
}

/// Forgets it: our table is gone.
pub(crate) fn forget() {
    if let Ok(folder) = guardian::folder() {
        let _ = std::fs::remove_file(folder.join(FILE));
        let _ = std::fs::remove_dir(folder);
    }
}

/// The record of the present network namespace, if there is one that can be read.
pub(crate) fn read() -> Option<Record> {
    let text = std::fs::read_to_string(guardian::folder().ok()?.join(FILE)).ok()?;
    let record: Value = serde_json::from_str(&text).ok()?;
    let source = |value: &Value| {
        Some(Source::new(
            value["name"].as_str()?,
            value["text"].as_str()?,
        ))
    };
    let sources: Option<Vec<Source>> = record["sources"].as_array()?.iter().map(source).collect();
    let sources = sources?;
    let catalog = load(&sources).ok()?;
    Some(Record {
        declaration: Declaration { sources, catalog },
        host: record["host"].as_str()?.to_owned(),
        observed: read_observation(&record["observed"])?,
    })
}

/// The program that is in force, where the record lowers to exactly what is installed.
pub(crate) fn program_in_force(
    installed: &Installed,
    capabilities: &Capabilities,
) -> Option<HostProgram> {
    installed.contents.as_ref()?;
    let record = read()?;
    let catalog = &record.declaration.catalog;
    let host = (!catalog.hosts.is_empty()).then_some(record.host.as_str());
    let program = policy::compile(catalog, host, &record.observed).ok()?;
    let resolved = resolve(&program, capabilities).ok()?;
    let mut datapath = NftablesDatapath::open().ok()?;
    datapath.assume(capabilities.clone());
    let change = datapath.plan(&resolved.program, installed);
    change.is_empty().then_some(resolved.program)
}

fn observation_json(observed: &Observation) -> Value {
    let bridges: serde_json::Map<_, _> = observed
        .bridges
        .iter()
        .map(|(name, bridge)| {
            let value = json!([
                bridge.ifindex,
                bridge.mac.to_string(),
                bridge.vlan_filtering
            ]);
            (name.clone(), value)
        })
        .collect();
    let interfaces: serde_json::Map<_, _> = observed
        .interfaces
        .iter()
        .map(|(name, interface)| {
            let mac = interface.mac.to_string();
            let value = json!([interface.ifindex, interface.bridge, mac, interface.pvid]);
            (name.clone(), value)
        })
        .collect();
    json!({ "bridges": bridges, "interfaces": interfaces })
}

fn read_observation(value: &Value) -> Option<Observation> {
    let index = |value: &Value| value.as_u64().and_then(|index| u32::try_from(index).ok());
    let mac = |value: &Value| value.as_str()?.parse::<MacAddress>().ok();
    let mut observation = Observation::default();
    for (name, bridge) in value["bridges"].as_object()? {
        let bridge = ObservedBridge {
            ifindex: index(&bridge[0])?,
            mac: mac(&bridge[1])?,
            vlan_filtering: bridge[2].as_bool()?,
        };
        observation.bridges.insert(name.clone(), bridge);
    }
    for (name, interface) in value["interfaces"].as_object()? {
        let interface = ObservedInterface {
            ifindex: index(&interface[0])?,
            bridge: interface[1].as_str()?.to_owned(),
            mac: mac(&interface[2])?,
            pvid: interface[3]
                .as_u64()
                .and_then(|vid| u16::try_from(vid).ok()),
        };
        observation.interfaces.insert(name.clone(), interface);
    }
    Some(observation)
}
