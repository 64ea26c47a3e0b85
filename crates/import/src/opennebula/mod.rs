//! What OpenNebula tells a network driver, as claims. Knows the driver's actions, when each is
//! called and what it is given; running a driver and changing a switch are left to others.

mod base64;
mod groups;
mod input;
mod network;
mod nics;
mod options;
#[cfg(test)]
mod tests;

use policy::claim::ClaimChange;

use crate::hook::{Answer, Call};
use input::Vm;
use options::Options;

pub use options::{ACTIONS, check_isolation};

/// Why an action fails: one sentence, for the user who started the VM.
#[derive(Debug, thiserror::Error)]
pub enum OpenNebulaError {
    #[error("the driver was called wrongly: {0}; `moat setup opennebula` installs it anew")]
    Usage(String),
    #[error(
        "OpenNebula gave the driver nothing on standard input, where the VM or network is expected"
    )]
    NoInput,
    #[error("what OpenNebula gave the driver is not base64 at byte {at}")]
    Base64 { at: usize },
    #[error("what OpenNebula gave the driver is not UTF-8 at byte {at}")]
    Text { at: usize },
    #[error("what OpenNebula gave the driver is not XML: {0}")]
    Xml(roxmltree::Error),
    #[error("what OpenNebula gave the driver is a <{found}>, where a <{expected}> is expected")]
    Root {
        found: String,
        expected: &'static str,
    },
    #[error(
        "the <{element}> that OpenNebula gave the driver has the ID `{found}`, which is no number"
    )]
    Id { element: String, found: String },
    #[error("NIC {nic} of VM {vm} cannot be protected: {problem}")]
    Nic {
        vm: u32,
        nic: String,
        problem: String,
    },
    #[error("rule {rule} of security group {group} cannot be enforced: {problem}")]
    Rule {
        group: String,
        /// Counted from 1 in the order of the VM's rules of that group.
        rule: usize,
        problem: String,
    },
    #[error("network {network} cannot be protected: {problem}")]
    Network { network: u32, problem: String },
}

/// What a call of the driver means: `[OPTIONS] ACTION ARGUMENTS…`, and what it got on standard input.
///
/// # Errors
/// Where the VM or network cannot be protected as it asks to be; what was in force stays so.
pub fn hook(call: Call<'_>) -> Result<Answer, OpenNebulaError> {
    let (options, action, _) = Options::parse(call.arguments)?;
    match action {
        // Every one of them tells all of the VM: on the first host, on the target of a migration,
        // after an attachment, after a change of groups or of a network.
        "pre" | "post" | "update_sg" | "update_nic" => {
            present(&options, &input::vm(call.input)?, |_| true)
        }
        "clean" => clean(&options, &input::vm(call.input)?),
        "vnet_create" => {
            let (id, fields) = input::network(call.input)?;
            network::create(&options, id, &fields)
        }
        // A network that goes has no ports any more, and nothing may keep it from going.
        "vnet_delete" => Ok(Answer::from(ClaimChange::Nothing)),
        other => Err(OpenNebulaError::Usage(format!(
            "`{other}` is no action, which are {}",
            ACTIONS.join(", ")
        ))),
    }
}

/// After a detachment the rest of the VM stays; otherwise the VM leaves: it was shut down, saved, or
/// migrated away. Called on the source after the guest has resumed elsewhere, this says nothing
/// about the target, which has been told by its own `pre`.
fn clean(options: &Options, vm: &Vm) -> Result<Answer, OpenNebulaError> {
    let everything = vm.nics.iter().chain(&vm.aliases).chain(&vm.devices);
    let detaches = everything.into_iter().any(|nic| nic.is_yes("ATTACH"));
    match detaches {
        // What goes may be of another driver: then all of ours stay.
        true => present(options, vm, |nic| !nic.is_yes("ATTACH")),
        false => Ok(Answer::from(ClaimChange::Release {
            vm: key(options, vm),
        })),
    }
}

fn present(
    options: &Options,
    vm: &Vm,
    stays: fn(&input::Fields) -> bool,
) -> Result<Answer, OpenNebulaError> {
    let mut vm = vm.clone();
    vm.nics.retain(stays);
    vm.aliases.retain(stays);
    vm.devices.retain(stays);
    Ok(Answer::from(ClaimChange::Replace {
        vm: key(options, &vm),
        claims: nics::claims(options, &vm)?,
    }))
}

/// A VM may have NICs of several drivers, each of which is told of its own alone.
fn key(options: &Options, vm: &Vm) -> String {
    format!("one-{}/{}", vm.id, options.driver)
}
