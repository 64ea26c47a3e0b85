//! What a change means for traffic: who is asked about what is in force, and about what is planned.
//! Knows when the documents of the last apply may be believed; comparing is `policy::meaning`'s.

use datapath_nftables::Installed;
use policy::HostProgram;
use policy::meaning::{self, Judge, JudgedPort, Meaning};
use policy::program::{ConnectionState, Direction};
use policy::rule::Verdict;

use crate::live;
use crate::record;
use crate::situation::Situation;

/// The meaning of carrying the situation's program out.
pub(crate) fn of(situation: &Situation) -> Option<Meaning> {
    let after = &situation.resolved.as_ref().ok()?.program;
    if situation.installed.contents.is_none() {
        return Some(meaning::changes(&HostProgram::default(), after));
    }
    // Programs know all that tells frames apart; a table that was read back knows verdicts alone.
    match record::program_in_force(&situation.installed, &situation.capabilities) {
        Some(before) => Some(meaning::changes(&before, after)),
        None => {
            let before = InForce {
                installed: &situation.installed,
                after,
            };
            let mut meaning = meaning::changes(&before, after);
            // What only the old rules told apart has no witness of its own.
            meaning.complete = false;
            Some(meaning)
        }
    }
}

/// The table that was read back, as a judge. Whose MAC and addresses a port has it takes from the
/// program that is planned: the frames that are asked about are that program's.
struct InForce<'a> {
    installed: &'a Installed,
    after: &'a HostProgram,
}

impl Judge for InForce<'_> {
    fn ports(&self) -> Vec<JudgedPort> {
        let Some(contents) = &self.installed.contents else {
            return Vec::new();
        };
        let known = datapath_nftables::census::ports(contents);
        let planned = self.after.ports();
        known
            .into_values()
            .map(|port| {
                let planned = planned.iter().find(|other| other.name == port.name);
                JudgedPort {
                    alike: port.behaviour.unwrap_or_default(),
                    name: port.name,
                    ifindex: port.ifindex,
                    ..planned.cloned().unwrap_or_default()
                }
            })
            .collect()
    }

    fn verdict(
        &self,
        port: &JudgedPort,
        direction: Direction,
        frame: &[u8],
        state: ConnectionState,
    ) -> Option<Verdict> {
        let contents = self.installed.contents.as_ref()?;
        let planned = self.after.ports.get(&port.name)?;
        let (passes, _) = live::ask(contents, planned, direction, frame, state).ok()?;
        Some(if passes {
            Verdict::Accept
        } else {
            Verdict::Drop
        })
    }
}
