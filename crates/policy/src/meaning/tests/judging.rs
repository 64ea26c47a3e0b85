//! A judge that is not a program, as a switch's table is.

use super::*;
use crate::program::{ConnectionState, Direction};
use crate::rule::Verdict;

/// Knows verdicts, ports and landmarks, but neither reasons nor a program to compare.
struct Table {
    behind: HostProgram,
    tells: bool,
}

impl Judge for Table {
    fn ports(&self) -> Vec<JudgedPort> {
        self.behind.ports()
    }

    fn verdict(
        &self,
        port: &JudgedPort,
        direction: Direction,
        frame: &[u8],
        state: ConnectionState,
    ) -> Option<Verdict> {
        let verdict = Judge::verdict(&self.behind, port, direction, frame, state);
        verdict.filter(|_| self.tells)
    }

    fn landmarks(&self, port: &JudgedPort) -> Landmarks {
        self.behind.landmarks(port)
    }
}

#[test]
fn a_table_is_compared_as_a_program_is() {
    let before = Table {
        behind: web(&["accept in https"], 2),
        tells: true,
    };
    let after = web(&["accept in http"], 2);
    assert_eq!(
        changes(&before, &after).to_string(),
        "web-1/0, web-2/0 (2 ports): now allowed in tcp 80 from anyone\n\
         web-1/0, web-2/0 (2 ports): no longer allowed in tcp 443 from anyone \
         (dropped by the default of profile web-server, policies.yaml:5)\n"
    );
    assert_eq!(
        changes(&after, &before).to_string(),
        "web-1/0, web-2/0 (2 ports): now allowed in tcp 443 from anyone\n\
         web-1/0, web-2/0 (2 ports): no longer allowed in tcp 80 from anyone\n"
    );
    assert!(changes(&before, &before.behind).is_empty());
}

#[test]
fn what_a_judge_cannot_tell_is_no_change() {
    let before = Table {
        behind: web(&["accept in https"], 1),
        tells: false,
    };
    assert!(changes(&before, &web(&["accept in http"], 1)).is_empty());
}
