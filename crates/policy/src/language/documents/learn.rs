//! Where addresses may be learned: a word, or a mapping with limits.

use crate::language::diagnostic::Finding;
use crate::language::reader::{Fields, Reader};
use crate::language::values;
use crate::language::words::LEARN;
use crate::language::yaml::{Content, Node};
use crate::learn::{Learn, LearnMode, MOST_ADDRESSES};

const MODE: &str = "a way to learn addresses";

/// `dhcp`, or `{mode: dhcp, servers: [10.0.0.1], limit: 4}`.
pub(super) fn learn(reader: &mut Reader<'_>, node: &Node) -> Option<Learn> {
    if !matches!(node.content, Content::Mapping(_)) {
        let mode = reader.word(node, MODE, LEARN)?;
        return Some(Learn {
            mode,
            ..Learn::default()
        });
    }
    let mut fields = Fields::of(reader, node, "a mapping")?;
    let mode = fields
        .require(reader, "mode")
        .and_then(|node| reader.word(node, MODE, LEARN));
    let servers = fields.take(reader, "servers").map(|node| {
        reader.list(node, |reader, item| {
            reader.parsed(item, "an address", values::address)
        })
    });
    let (ipv4_limit, ipv6_limit) = fields
        .take(reader, "limit")
        .map_or((None, None), |node| limit(reader, node));
    let within = fields.take(reader, "within").map(|node| {
        reader.list(node, |reader, item| {
            reader.parsed(item, "a prefix", values::net)
        })
    });
    let places = fields.finish(reader);
    let mode = mode?;
    let mut useless = |key: &str, needed: &str| {
        if let Some(place) = places.get(key) {
            let message = format!("`{key}` means nothing with `mode: {}`", mode.name());
            reader.report(Finding::new(*place, message).hint(needed));
        }
    };
    if mode != LearnMode::Dhcp {
        useless("servers", "only `dhcp` listens to servers: leave it out");
    }
    if matches!(mode, LearnMode::None | LearnMode::Any) {
        useless(
            "within",
            "only `first-packet` and `dhcp` give a port addresses: leave it out",
        );
    }
    if mode == LearnMode::None {
        useless("limit", "nothing is learned: leave it out");
    }
    Some(Learn {
        mode,
        servers: servers.into_iter().flatten().collect(),
        ipv4_limit,
        ipv6_limit,
        within: within.into_iter().flatten().collect(),
    })
}

/// `4`, or `{ipv4: 1, ipv6: 4}`.
fn limit(reader: &mut Reader<'_>, node: &Node) -> (Option<u8>, Option<u8>) {
    let most = u64::from(MOST_ADDRESSES);
    let number = |reader: &mut Reader<'_>, node: &Node| {
        let number = reader.number(node, most)?;
        u8::try_from(number).ok()
    };
    if !matches!(node.content, Content::Mapping(_)) {
        let both = number(reader, node);
        return (both, both);
    }
    let Some(mut fields) = Fields::of(reader, node, "a mapping") else {
        return (None, None);
    };
    let ipv4 = fields
        .take(reader, "ipv4")
        .and_then(|node| number(reader, node));
    let ipv6 = fields
        .take(reader, "ipv6")
        .and_then(|node| number(reader, node));
    fields.finish(reader);
    (ipv4, ipv6)
}
