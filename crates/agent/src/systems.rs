//! Which importer reads what which system says. Knows the names of systems; the formats are left to
//! `import`.

use import::hook::{Answer, Call};
use policy::claim::ClaimChange;

use crate::protocol::{PortClaim, Request};

/// What a request about ports means.
#[derive(Clone, Debug)]
pub(crate) struct Interpreted {
    pub source: String,
    pub change: ClaimChange,
    /// For the hook's standard output.
    pub output: String,
    pub notes: Vec<String>,
}

/// Systems whose hooks are understood.
const SYSTEMS: &[&str] = &["opennebula"];

/// Reads what a system says.
///
/// # Errors
/// A sentence for the user of that system.
pub(crate) fn interpret(request: &Request) -> Result<Interpreted, String> {
    match request {
        Request::Claim { port } => Ok(command(ClaimChange::Replace {
            vm: port.name.clone(),
            claims: vec![port.clone().into()],
        })),
        Request::Unclaim { port } => Ok(command(ClaimChange::Remove { vm: port.clone() })),
        Request::Hook {
            system,
            arguments,
            input,
            environment,
        } => {
            let call = Call {
                arguments,
                input,
                environment,
            };
            let answer = hook(system, call)?;
            Ok(Interpreted {
                source: system.clone(),
                change: answer.change,
                output: answer.output,
                notes: answer.notes,
            })
        }
        _ => Err("this is no word about a port".to_owned()),
    }
}

fn command(change: ClaimChange) -> Interpreted {
    Interpreted {
        source: PortClaim::SOURCE.to_owned(),
        change,
        output: String::new(),
        notes: Vec::new(),
    }
}

fn hook(system: &str, call: Call<'_>) -> Result<Answer, String> {
    match system {
        "opennebula" => import::opennebula::hook(call).map_err(|error| error.to_string()),
        _ => Err(format!(
            "moat knows no system `{system}`; it knows {}",
            SYSTEMS.join(", ")
        )),
    }
}
