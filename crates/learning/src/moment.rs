//! Points in time, as others tell them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Time since the Unix epoch: leases outlive reboots and move to other hosts, so it is the clock on
/// the wall. A clock that is set back delays expiry by as much, and changes nothing else.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Moment(pub Duration);

impl Moment {
    /// So many seconds since the epoch.
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// So long after; the end of time where there is no such moment.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }

    /// How long this is after the other; nothing where it is before.
    pub fn since(self, other: Self) -> Duration {
        self.0.saturating_sub(other.0)
    }
}
