//! Rules in documents: as lines, or key by key. Both say the same and convert without loss.

use crate::language::diagnostic::Finding;
use crate::language::line::{self, clauses, fields, peers, terms};
use crate::language::reader::{Fields, Reader};
use crate::language::suggest::{did_you_mean, quoted};
use crate::language::values;
use crate::language::words::{DIRECTIONS, PROTOCOLS, VERDICTS, look_up, names};
use crate::language::yaml::{Content, Node};
use crate::rule::{
    FieldMatch, IcmpMatch, LogRate, Peer, PortRange, Protocol, Rule, RuleDirection, Term, Verdict,
};

pub(super) fn rule(reader: &mut Reader<'_>, node: &Node) -> Option<Rule> {
    match &node.content {
        Content::Scalar { text, .. } => match line::rule(text, reader.origin(node)) {
            Ok(parsed) => {
                reader.refer_all(node, parsed.mentions);
                Some(parsed.rule)
            }
            Err(mut error) => {
                if error.range.start == 0 && follows_comma(reader, node) {
                    error.hint = Some(
                        "inside [ … ] a comma ends the rule: put the whole rule in quotes, or write rules as a list of `- ` lines".to_owned(),
                    );
                }
                reader.report_text(node, error);
                None
            }
        },
        Content::Mapping(_) => structured(reader, node),
        _ => {
            reader.expected(node, "a rule");
            None
        }
    }
}

fn follows_comma(reader: &Reader<'_>, node: &Node) -> bool {
    let before = reader.text.get(..node.start).unwrap_or("");
    before.trim_end().ends_with(',')
}

fn structured(reader: &mut Reader<'_>, node: &Node) -> Option<Rule> {
    if let Some(finding) = line_with_colon(reader, node) {
        reader.report(finding);
        return None;
    }
    let mut fields = Fields::of(reader, node, "a rule")?;
    let verdict = fields.require(reader, "verdict");
    let verdict = verdict.and_then(|n| reader.word(n, "a verdict", VERDICTS));
    let direction = fields.require(reader, "direction");
    let direction = direction.and_then(|n| reader.word(n, "a direction", DIRECTIONS));
    let what = fields.take(reader, "match").map(|n| reader.list(n, term));
    let peers = fields.take(reader, "peers").map(|n| reader.list(n, peer));
    let with = fields
        .take(reader, "with")
        .map(|n| reader.list(n, condition));
    let log = fields.take(reader, "log").and_then(|n| log(reader, n));
    let stateless = fields
        .take(reader, "stateless")
        .and_then(|n| reader.boolean(n));
    let comment = fields
        .take(reader, "comment")
        .and_then(|n| reader.comment(n));
    fields.finish(reader);
    let (verdict, direction): (Verdict, RuleDirection) = (verdict?, direction?);
    Some(Rule {
        verdict,
        direction,
        what: what.unwrap_or_default(),
        peers: peers.unwrap_or_default(),
        with: with.unwrap_or_default(),
        log,
        stateless: stateless.unwrap_or_default(),
        comment,
        origin: reader.origin(node),
    })
}

/// A line with `: ` in it, which YAML takes for a key and its value.
fn line_with_colon(reader: &Reader<'_>, node: &Node) -> Option<Finding> {
    let Content::Mapping(entries) = &node.content else {
        return None;
    };
    let (key, _) = entries.first()?;
    let Content::Scalar { text, .. } = &key.content else {
        return None;
    };
    let (verdict, _) = text.split_once(' ')?;
    look_up(VERDICTS, verdict)?;
    let finding = Finding::new(
        reader.place(key),
        "a rule line with `:` before a blank or at its end needs quotes",
    );
    Some(finding.hint("put single quotes around the whole line: '…'"))
}

/// `http`, `tcp 80`, `{protocol: tcp, ports: [80, 8000-8080]}`
pub(super) fn term(reader: &mut Reader<'_>, node: &Node) -> Option<Term> {
    if let Content::Mapping(_) = node.content {
        return structured_term(reader, node);
    }
    let (term, mentions) = reader.parsed(node, "a service or a protocol", line::term)?;
    reader.refer_all(node, mentions);
    Some(term)
}

fn structured_term(reader: &mut Reader<'_>, node: &Node) -> Option<Term> {
    let mut fields = Fields::of(reader, node, "a protocol")?;
    let protocol_node = fields.require(reader, "protocol");
    let protocol = protocol_node.and_then(|n| protocol(reader, n));
    let ports_node = fields.take(reader, "ports");
    let types_node = fields.take(reader, "types");
    fields.finish(reader);
    let protocol = protocol?;
    let mut ports: Vec<PortRange> = Vec::new();
    let mut icmp: Vec<IcmpMatch> = Vec::new();
    if let Some(node) = ports_node {
        if protocol.has_ports() {
            ports = reader.list(node, |reader, item| {
                reader.parsed(item, "a port", values::ports)
            });
        } else {
            reader.report(Finding::new(
                reader.place(node),
                format!("`{protocol}` has no ports"),
            ));
        }
    }
    if let Some(node) = types_node {
        if terms::icmp_types(protocol).is_some() {
            icmp = reader.list(node, |reader, item| {
                reader.parsed(item, "an ICMP type", |text| {
                    terms::icmp_match(protocol, text)
                })
            });
        } else {
            reader.report(Finding::new(
                reader.place(node),
                format!("`{protocol}` has no ICMP types"),
            ));
        }
    }
    Some(Term::Protocol {
        protocol,
        ports,
        icmp,
    })
}

/// A protocol by name or number.
fn protocol(reader: &mut Reader<'_>, node: &Node) -> Option<Protocol> {
    let text = reader.text(node, "a protocol")?;
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        let number = reader.number(node, 255)?;
        return u8::try_from(number).ok().map(Protocol::Number);
    }
    let found = look_up(PROTOCOLS, text);
    if found.is_none() {
        let finding = Finding::new(reader.place(node), format!("there is no protocol `{text}`"))
            .expected(quoted(names(PROTOCOLS)))
            .maybe_hint(did_you_mean(text, names(PROTOCOLS)));
        reader.report(finding);
    }
    found
}

fn peer(reader: &mut Reader<'_>, node: &Node) -> Option<Peer> {
    let peer = reader.parsed(node, "a peer", peers::peer)?;
    if let Some((kingdom, name)) = peers::requires(&peer) {
        let place = reader.place(node);
        reader.refer(kingdom, name, place);
    }
    Some(peer)
}

/// `{field: ip.dscp, not: true, values: [46]}`
fn condition(reader: &mut Reader<'_>, node: &Node) -> Option<FieldMatch> {
    let mut keys = Fields::of(reader, node, "a condition")?;
    let field_node = keys.require(reader, "field");
    let field = field_node.and_then(|n| reader.parsed(n, "a field", fields::field));
    let negated = keys.take(reader, "not").and_then(|n| reader.boolean(n));
    let values_node = keys.require(reader, "values");
    keys.finish(reader);
    let (field, values_node) = (field?, values_node?);
    let values = reader.list(values_node, |reader, item| {
        reader.parsed(item, "a value", |text| fields::field_value(field, text))
    });
    if let Content::Sequence(items) = &values_node.content
        && items.is_empty()
    {
        reader.report(Finding::new(
            reader.place(values_node),
            "a condition needs at least one value",
        ));
    }
    Some(FieldMatch {
        field,
        negated: negated.unwrap_or_default(),
        values,
    })
}

/// `true` or `10/second`
fn log(reader: &mut Reader<'_>, node: &Node) -> Option<LogRate> {
    match &node.content {
        Content::Scalar { text, .. } if text == "true" => Some(LogRate::default()),
        Content::Scalar { text, .. } if text == "false" => None,
        _ => reader.parsed(node, "true or a rate", clauses::log_rate),
    }
}
