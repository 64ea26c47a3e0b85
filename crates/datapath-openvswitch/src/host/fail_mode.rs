//! What a bridge does while ovs-vswitchd has just started and nobody has told it anything: nothing,
//! where it is managed. Knows `fail_mode`, and that Open vSwitch empties a bridge when it changes.

use std::time::Duration;

use datapath::DatapathError;
use openflow::FlowMod;
use openflow::message::FlowStats;
use ovsdb::vswitch::DATABASE;
use ovsdb::{Condition, Datum, Outcome, Retry, Transaction, Typed as _};

use crate::attachments::AttachedBridge;
use crate::difference::is_ours;

use super::OpenVSwitch;

/// In a bridge's `external_ids`: the mode that it had, and gets back.
const BEFORE: &str = "moat-fail-mode";
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
        let Some(before) = bridge.external_ids.get(BEFORE).cloned() else {
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
            Some(before) => external_ids.insert(BEFORE.to_owned(), before.to_owned()),
            None => external_ids.remove(BEFORE),
        };
        let mut transaction = Transaction::new(DATABASE);
        transaction.comment("moat: what a bridge does that nobody has told anything");
        let known = bridge.fail_mode.to_datum();
        transaction.verify("Bridge", bridge.row, [("fail_mode".to_owned(), known)].into());
        let row = [
            ("fail_mode".to_owned(), mode.map(str::to_owned).to_datum()),
            ("external_ids".to_owned(), external_ids.to_datum()),
        ];
        transaction.update("Bridge", vec![Condition::row(bridge.row)], row.into());
        self.carry_out(transaction)?;
        let session = self.session(name, bridge)?;
        session.await_emptied(mode.is_none(), PATIENCE)?;
        session.add(others.into_iter().map(again).collect())
    }

    fn carry_out(&mut self, transaction: Transaction) -> Result<(), DatapathError> {
        let now = self.client.now();
        let queued = self.client.session().transact(transaction, Retry::default(), now);
        let ticket = queued.map_err(|error| DatapathError::Unreachable(error.to_string()))?;
        match self.client.outcome(ticket, PATIENCE) {
            Some(Outcome::Done(_) | Outcome::Nothing) => Ok(()),
            Some(Outcome::Failed(error)) => Err(DatapathError::Refused(error.to_string())),
            Some(Outcome::Unsent | Outcome::Unknown) | None => Err(DatapathError::Unreachable(
                "the database of Open vSwitch did not answer; is ovsdb-server running?".to_owned(),
            )),
        }
    }
}
