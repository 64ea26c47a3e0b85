//! Which importer reads what which system says. Knows the names of systems; the formats are left to
//! `import`.

use std::collections::BTreeMap;

use policy::claim::ClaimChange;

use crate::protocol::Request;

/// What a hook's call means.
#[derive(Clone, Debug)]
pub(crate) struct Interpreted {
    pub source: String,
    pub change: ClaimChange,
    /// For the hook's standard output.
    pub output: String,
}

/// Systems whose hooks are understood.
const SYSTEMS: &[&str] = &[];

/// Reads what a system says.
///
/// # Errors
/// A sentence for the user of that system.
pub(crate) fn interpret(request: &Request) -> Result<Interpreted, String> {
    match request {
        Request::Claim { port } => Ok(Interpreted {
            source: crate::protocol::PortClaim::SOURCE.to_owned(),
            change: ClaimChange::Replace {
                vm: port.name.clone(),
                claims: vec![port.clone().into()],
            },
            output: String::new(),
        }),
        Request::Unclaim { port } => Ok(Interpreted {
            source: crate::protocol::PortClaim::SOURCE.to_owned(),
            change: ClaimChange::Remove { vm: port.clone() },
            output: String::new(),
        }),
        Request::Hook {
            system,
            arguments,
            input,
            environment,
        } => hook(system, arguments, input, environment),
        _ => Err("this is no word about a port".to_owned()),
    }
}

fn hook(
    system: &str,
    _arguments: &[String],
    _input: &str,
    _environment: &BTreeMap<String, String>,
) -> Result<Interpreted, String> {
    Err(format!(
        "moat knows no system `{system}`; it knows {}",
        SYSTEMS.join(", ")
    ))
}
