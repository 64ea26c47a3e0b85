//! `moat port`: ports that somebody declares by a command, for systems that moat does not know.
//! Knows the command line; what a claim becomes is left to the agent.

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::net::IpAddr;

use agent::protocol::{Exported, LONGEST_LINE, PortClaim, Request};
use clap::{Args, Subcommand};
use frame::MacAddress;
use ipnet::IpNet;

use crate::agent_client::{self, AgentArguments};
use crate::fault::{Failure, Outcome};
use crate::hook;

#[derive(Args, Debug)]
pub(crate) struct PortArguments {
    #[command(subcommand)]
    pub command: PortCommand,
}

#[derive(Subcommand, Debug)]
pub(crate) enum PortCommand {
    /// Declare a port: it is enforced from the moment its interface exists
    #[command(after_help = "\
Examples:
  sudo moat port add web-1/0 --device tap0 --mac 52:54:00:00:00:01 --bridge br0 --profile web-server
  sudo moat port add db-1/0 --mac 52:54:00:00:00:02 --network tenant-7 --address 10.0.0.7 --vm db-1
  sudo moat port add db-1/0 --mac 52:54:00:00:00:02 --network tenant-7 --label app=db --label tier=2

Adding a port again replaces what was said of it.

Exit codes: 0 done, 1 the agent refused or does not answer, 2 the command line is wrong.")]
    Add(Box<AddArguments>),
    /// Take a declared port back: its interface, where there still is one, goes into quarantine
    #[command(after_help = "\
Examples:
  sudo moat port remove web-1/0

Exit codes: 0 done, 1 there is none of that name, or the agent does not answer.")]
    Remove(RemoveArguments),
    /// Write down what a port, or each port of a VM, takes along to another host: what it has learned,
    /// and its connections
    #[command(after_help = "\
Examples:
  sudo moat port export web-1/0
  sudo moat port export web-1 | ssh hv-2 sudo moat port import

With libvirt this is not needed: it travels in the domain's metadata.

Exit codes: 0 done, 1 there is none of that name, or the agent does not answer.")]
    Export(ExportArguments),
    /// Take in what `moat port export` wrote on another host, from standard input
    #[command(after_help = "\
Examples:
  sudo moat port import < web-1.json

Ports are known by their MAC. Those that are not here yet get what is theirs when they come. What a port
may learn, how much, and what other ports have is judged here; so is which connections go on.

Exit codes: 0 done, 1 the agent refused or does not answer, 2 the input is not of that form.")]
    Import(ImportArguments),
}

#[derive(Args, Debug)]
pub(crate) struct ExportArguments {
    /// Name of the port or of the VM
    #[arg(value_name = "PORT|VM")]
    pub of: String,
    #[command(flatten)]
    pub agent: AgentArguments,
}

#[derive(Args, Debug)]
pub(crate) struct ImportArguments {
    #[command(flatten)]
    pub agent: AgentArguments,
}

#[derive(Args, Debug)]
pub(crate) struct AddArguments {
    /// Name of the port, unique on this host
    pub name: String,
    /// The port's own MAC address
    #[arg(long)]
    pub mac: MacAddress,
    /// Interface on this host; may come later
    #[arg(long, value_name = "INTERFACE")]
    pub device: Option<String>,
    /// Network document that the port belongs to
    #[arg(long, value_name = "NAME", required_unless_present = "bridge")]
    pub network: Option<String>,
    /// Bridge, where no Network document says so
    #[arg(long, value_name = "NAME", conflicts_with = "network")]
    pub bridge: Option<String>,
    /// VLAN of that bridge
    #[arg(long, value_name = "ID", requires = "bridge", value_parser = clap::value_parser!(u16).range(1..=4094))]
    pub vlan: Option<u16>,
    /// Address or prefix that the VM may use; may be repeated
    #[arg(long = "address", value_name = "ADDRESS", value_parser = address)]
    pub addresses: Vec<IpNet>,
    /// Profile, in the order of decision; may be repeated
    #[arg(long = "profile", value_name = "NAME")]
    pub profiles: Vec<String>,
    /// Name of the VM
    #[arg(long, value_name = "NAME")]
    pub vm: Option<String>,
    /// Label that groups and policies can select; may be repeated
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = label)]
    pub labels: Vec<(String, String)>,
    #[command(flatten)]
    pub agent: AgentArguments,
}

#[derive(Args, Debug)]
pub(crate) struct RemoveArguments {
    /// Name of the port
    pub name: String,
    #[command(flatten)]
    pub agent: AgentArguments,
}

/// `moat port`.
///
/// # Errors
/// Where the agent refuses or does not answer.
pub(crate) fn port(arguments: &PortArguments, as_json: bool) -> Result<Outcome, Failure> {
    let (agent, request) = match &arguments.command {
        PortCommand::Add(add) => (&add.agent, Request::Claim { port: claim(add)? }),
        PortCommand::Remove(remove) => (
            &remove.agent,
            Request::Unclaim {
                port: remove.name.clone(),
            },
        ),
        PortCommand::Export(export) => (
            &export.agent,
            Request::Export {
                of: export.of.clone(),
            },
        ),
        PortCommand::Import(import) => (&import.agent, Request::Import(read_exported()?)),
    };
    let reply = agent_client::ask(&agent.socket, &request, agent.deadline()).map_err(|error| {
        Failure::state(error.to_string())
            .help("`systemctl status moat` says what is wrong with the agent")
    })?;
    hook::tell(&reply, as_json)
}

/// What ports take along, from standard input.
fn read_exported() -> Result<Exported, Failure> {
    let longest = u64::try_from(LONGEST_LINE).unwrap_or(u64::MAX);
    let mut text = String::new();
    io::stdin()
        .take(longest)
        .read_to_string(&mut text)
        .map_err(|error| Failure::usage(format!("standard input cannot be read: {error}")))?;
    serde_json::from_str(&text).map_err(|error| {
        Failure::usage(format!(
            "standard input is not what `moat port export` writes: {error}"
        ))
    })
}

fn claim(add: &AddArguments) -> Result<PortClaim, Failure> {
    if !add.mac.is_valid_unicast() {
        return Err(Failure::usage(format!(
            "{} is no interface's MAC address: it is a group's or zero",
            add.mac
        )));
    }
    Ok(PortClaim {
        name: add.name.clone(),
        mac: add.mac,
        device: add.device.clone(),
        network: add.network.clone(),
        bridge: add.bridge.clone(),
        vlan: add.vlan,
        addresses: add.addresses.clone(),
        profiles: add.profiles.clone(),
        vm: add.vm.clone(),
        labels: add.labels.iter().cloned().collect::<BTreeMap<_, _>>(),
    })
}

/// An address is the prefix that holds it alone.
fn address(text: &str) -> Result<IpNet, String> {
    let expected =
        || format!("`{text}` is neither an address nor a prefix, like 10.0.0.5 or 10.0.0.0/24");
    match text.parse::<IpAddr>() {
        Ok(address) => Ok(address.into()),
        Err(_) => text.parse().map_err(|_| expected()),
    }
}

fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!(
            "`{text}` is no label; write KEY=VALUE, like app=web"
        )),
    }
}
