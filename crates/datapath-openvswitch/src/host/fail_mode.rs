//! What a bridge does while ovs-vswitchd has just started and nobody has told it anything: nothing,
//! where it is managed. Knows `fail_mode`, and that Open vSwitch empties a bridge when it changes.

use std::time::Duration;

use datapath::DatapathError;
use openflow::message::FlowStats;
use openflow::{FlowMod, Match};
use ovsdb::vswitch::{DATABASE, OpenVSwitch as Root};
use ovsdb::{Cache, Condition, Outcome, Retry, Table as _, Transaction, Typed as _};

use crate::attachments::{Attached, AttachedBridge, MARK};
use crate::difference::is_ours;

use super::OpenVSwitch;

const SECURE: &str = "secure";
/// How long the database may take.
const PATIENCE: Duration = Duration::from_secs(30);

impl OpenVSwitch {
    /// A bridge that is not secure forwards everything between a restart of ovs-vswitchd and the
    /// first flow, and does so again where its controller stays away.
    pub(super) fn close_on_failure(
        &mut self,
        name: &str,
        bridge: &AttachedBridge,
    ) -> Result<(), DatapathError> {
        if bridge.fail_mode.as_deref() == Some(SECURE) {
            return Ok(());
        }
        let before = bridge.fail_mode.clone().unwrap_or_default();
        self.set_fail_mode(name, bridge, Some(SECURE), Some(&before))
    }

    /// Gives a bridge the mode back that it had before it was managed.
    pub(super) fn open_on_failure(
        &mut self,
        name: &str,
        bridge: &AttachedBridge,
    ) -> Result<(), DatapathError> {
        let Some(before) = bridge.external_ids.get(MARK).cloned() else {
            return Ok(());
        };
        let mode = (!before.is_empty()).then_some(before.as_str());
        self.set_fail_mode(name, bridge, mode, None)
    }

    /// Changes the mode. Open vSwitch empties the bridge when that takes effect, so what others have
    /// in it is put back.
    fn set_fail_mode(
        &mut self,
        name: &str,
        bridge: &AttachedBridge,
        mode: Option<&str>,
        before: Option<&str>,
    ) -> Result<(), DatapathError> {
        let mut others = self.session(name, bridge)?.read()?;
        others.retain(|flow| !is_ours(flow.cookie) && !is_made_by_the_switch(flow));
        let mut external_ids = bridge.external_ids.clone();
        match before {
            Some(before) => external_ids.insert(MARK.to_owned(), before.to_owned()),
            None => external_ids.remove(MARK),
        };
        let mut transaction = Transaction::new(DATABASE);
        transaction.comment("moat: what a bridge does that nobody has told anything");
        let known = bridge.fail_mode.to_datum();
        transaction.verify(
            "Bridge",
            bridge.row,
            [("fail_mode".to_owned(), known)].into(),
        );
        let row = [
            ("fail_mode".to_owned(), mode.map(str::to_owned).to_datum()),
            ("external_ids".to_owned(), external_ids.to_datum()),
        ];
        transaction.update("Bridge", vec![Condition::row(bridge.row)], row.into());
        self.carry_out(transaction)?;
        let others = others.into_iter().map(again).collect();
        self.session(name, bridge)?.add(others)
    }

    /// Has the database changed, and waits until ovs-vswitchd does what it says.
    fn carry_out(&mut self, mut transaction: Transaction) -> Result<(), DatapathError> {
        let rows = self.client.cache().all::<Root>();
        let Some(root) = rows.into_iter().next() else {
            return Err(unanswered());
        };
        // ovs-vswitchd.conf.db(5): it copies next_cfg to cur_cfg when it has taken everything up.
        let next = root.next_cfg.wrapping_add(1);
        transaction.verify(
            Root::NAME,
            root.uuid,
            [("next_cfg".to_owned(), root.next_cfg.to_datum())].into(),
        );
        let row = [("next_cfg".to_owned(), next.to_datum())];
        transaction.update(Root::NAME, vec![Condition::row(root.uuid)], row.into());
        self.transact(transaction)?;
        let is_taken_up = |cache: &Cache| cache.all::<Root>().any(|root| root.cur_cfg >= next);
        // It may have been told already, before the answer to the transaction.
        let taken_up = is_taken_up(self.client.cache())
            || self
                .client
                .wait_for(PATIENCE, |session, _| {
                    is_taken_up(session.cache()).then_some(())
                })
                .is_some();
        self.attached = Attached::of(self.client.cache());
        match taken_up {
            true => Ok(()),
            false => Err(unanswered()),
        }
    }

    fn transact(&mut self, transaction: Transaction) -> Result<(), DatapathError> {
        let now = self.client.now();
        let queued = self
            .client
            .session()
            .transact(transaction, Retry::default(), now);
        let ticket = queued.map_err(|error| DatapathError::Unreachable(error.to_string()))?;
        match self.client.outcome(ticket, PATIENCE) {
            Some(Outcome::Done(_) | Outcome::Nothing) => Ok(()),
            Some(Outcome::Failed(error)) => Err(DatapathError::Refused(error.to_string())),
            Some(Outcome::Unsent | Outcome::Unknown) | None => Err(unanswered()),
        }
    }
}

fn unanswered() -> DatapathError {
    DatapathError::Unreachable(
        "Open vSwitch did not take up a change of its database; are ovsdb-server and ovs-vswitchd running?"
            .to_owned(),
    )
}

/// The one flow of a bridge that is not secure: everything as in any switch.
fn is_made_by_the_switch(flow: &FlowStats) -> bool {
    (flow.table, flow.priority, flow.cookie) == (0, 0, 0) && flow.matching == Match::new()
}

/// A flow that was there, to be there again.
fn again(flow: FlowStats) -> FlowMod {
    FlowMod {
        cookie: flow.cookie,
        table: flow.table,
        idle_timeout: flow.idle_timeout,
        hard_timeout: flow.hard_timeout,
        priority: flow.priority,
        flags: flow.flags,
        importance: flow.importance,
        matching: flow.matching,
        instructions: flow.instructions,
        ..FlowMod::default()
    }
}
