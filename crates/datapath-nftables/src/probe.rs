//! What the running kernel can do in the bridge family, found by trying each thing in a network
//! namespace of its own. Knows what to try; what follows is left to `datapath::resolve`.

use ::datapath::{Capabilities, Capability, DatapathError};
use nftables::probe::ProbeError;
use nftables::{
    CommitError, Connection, Expression, Family, HookPoint, Reject, Verdict, connection_state,
};

use crate::lower::matching::{Load, Matching};

/// Tries everything. Where no namespace can be made it tries in the present one: nothing that is
/// tried ever takes effect.
pub(crate) fn capabilities() -> Result<Capabilities, DatapathError> {
    let mut connection = Connection::open_in_new_namespace()
        .or_else(|_| Connection::open())
        .map_err(|error| DatapathError::Unreachable(error.to_string()))?;
    let mut accepts = |point: HookPoint, expressions: Vec<Expression>| {
        nftables::probe::accepts(&mut connection, Family::Bridge, point, -150, &expressions)
            .map_err(failed)
    };
    let tracked = Matching::new()
        .connection(connection_state::ESTABLISHED)
        .accept();
    let named = Matching::new().equal(Load::INPUT_BRIDGE, &[0; 16]).accept();
    let rejecting = Matching::new().reject(Reject::IcmpBothFamilies(3));
    let logging = Matching::new().log("drop", "probe").verdict(Verdict::Drop);
    let limit = nftables::Limit::packets_per_second(1);
    let limiting = Matching::new().limited(limit).accept();
    Ok(Capabilities {
        connection_tracking: if accepts(HookPoint::Prerouting, tracked)? {
            Capability::present(
                "`ct state` works in the bridge family",
                "about 0.3 µs for each frame of a known connection; a zone for each network",
            )
        } else {
            Capability::missing(
                "this kernel does not track connections on bridges (no nf_conntrack_bridge)",
                "replies need rules of their own",
                "load nf_conntrack_bridge (CONFIG_NF_CONNTRACK_BRIDGE, kernel 5.3 or newer)",
            )
        },
        reject_out: if accepts(HookPoint::Prerouting, rejecting)? {
            Capability::present(
                "`reject` works for frames that VMs send",
                "an answer for each frame",
            )
        } else {
            Capability::missing(
                "this kernel answers no frames on bridges (no nft_reject_bridge)",
                "a rejected frame vanishes without an answer",
                "load nft_reject_bridge (CONFIG_NFT_BRIDGE_REJECT)",
            )
        },
        reject_in: Capability::missing(
            "nf_tables answers only frames that have not been bridged yet",
            "a frame rejected on its way to a VM vanishes without an answer",
            "no kernel does it",
        ),
        bridge_name: if accepts(HookPoint::Prerouting, named)? {
            Capability::present(
                "`meta ibrname` works: interfaces that appear later are in quarantine at once",
                "one comparison for frames of interfaces that are not ports",
            )
        } else {
            Capability::missing(
                "this kernel does not tell a frame's bridge (no nft_meta_bridge)",
                "bridges that are not managed must be declared, and their new interfaces wait for an apply",
                "load nft_meta_bridge (CONFIG_NFT_BRIDGE_META, kernel 5.6 or newer)",
            )
        },
        log: if accepts(HookPoint::Prerouting, logging)? {
            Capability::present(
                "drops are reported on netlink log group 28015",
                "nothing until someone watches",
            )
        } else {
            Capability::missing(
                "this kernel reports no frames (no nft_log, nfnetlink_log)",
                "`moat watch` sees nothing",
                "load nft_log and nfnetlink_log",
            )
        },
        limits: if accepts(HookPoint::Prerouting, limiting)? {
            Capability::present("`limit` works", "0.1 µs for each frame of a limited port")
        } else {
            Capability::missing(
                "this kernel has no `limit`",
                "no rate limits",
                "load nft_limit",
            )
        },
    })
}

fn failed(error: ProbeError) -> DatapathError {
    match error {
        ProbeError::Commit(CommitError::NotPermitted) => {
            DatapathError::NotPermitted(error.to_string())
        }
        other => DatapathError::Unreachable(other.to_string()),
    }
}
