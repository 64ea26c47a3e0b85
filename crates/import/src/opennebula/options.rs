//! How the installed driver calls: options, action, arguments. Knows words alone.

use super::OpenNebulaError;

/// What OpenNebula runs of a network driver.
pub const ACTIONS: &[&str] = &[
    "pre",
    "post",
    "clean",
    "update_sg",
    "update_nic",
    "vnet_create",
    "vnet_delete",
];

/// What the administrator chose for a driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Options {
    /// Name in VN_MAD: NICs of other drivers are not ours.
    pub(super) driver: String,
    pub(super) isolation: Isolation,
    /// VLAN_ID is the VLAN of a bridge that separates VLANs itself; otherwise the bridge's uplink
    /// carries the tag.
    pub(super) vlan_filtering: bool,
}

/// What keeps networks of one bridge apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Isolation {
    /// Nothing, as OpenNebula's `fw`.
    Open,
    /// Frames from members that this host knows.
    Members,
    /// Frames from MACs that begin with the same bits: OpenNebula's `ebtables` has 40.
    MacPrefix(u8),
}

impl Options {
    /// Options, the action, and what is behind.
    ///
    /// # Errors
    /// Where a word is unknown, or the action is missing.
    pub(super) fn parse(arguments: &[String]) -> Result<(Self, &str, &[String]), OpenNebulaError> {
        let usage = |problem: String| OpenNebulaError::Usage(problem);
        let mut options = Self {
            driver: "moat".to_owned(),
            isolation: Isolation::Open,
            vlan_filtering: false,
        };
        let mut rest = arguments;
        while let [word, behind @ ..] = rest {
            if !word.starts_with('-') {
                return Ok((options, word, behind));
            }
            rest = behind;
            if word == "--vlan-filtering" {
                options.vlan_filtering = true;
                continue;
            }
            let [value, behind @ ..] = rest else {
                return Err(usage(format!("`{word}` lacks its value")));
            };
            rest = behind;
            match word.as_str() {
                "--driver" => options.driver.clone_from(value),
                "--isolation" => options.isolation = isolation(value).map_err(usage)?,
                _ => return Err(usage(format!("`{word}` is no option"))),
            }
        }
        Err(usage("the action is missing".to_owned()))
    }
}

/// Whether `--isolation` takes this: `open`, `members`, `mac-prefix`, `mac-prefix=BITS`.
///
/// # Errors
/// Says what is expected.
pub fn check_isolation(text: &str) -> Result<(), String> {
    isolation(text).map(|_| ())
}

fn isolation(text: &str) -> Result<Isolation, String> {
    let expected = || {
        format!("`{text}` is no isolation, which are open, members, mac-prefix and mac-prefix=BITS")
    };
    match text {
        "open" => Ok(Isolation::Open),
        "members" => Ok(Isolation::Members),
        "mac-prefix" => Ok(Isolation::MacPrefix(40)),
        _ => {
            let bits = text.strip_prefix("mac-prefix=").ok_or_else(expected)?;
            match bits.parse() {
                Ok(bits @ 1..=48) => Ok(Isolation::MacPrefix(bits)),
                _ => Err(expected()),
            }
        }
    }
}
