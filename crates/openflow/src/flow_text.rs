//! Flows and messages as lines of text: flow mods as `ovs-ofctl add-flows` reads them, flows as its `dump-flows`
//! prints them. Matches and actions are left to [`text`](crate::text).

use crate::matching::Match;
use crate::message::multipart::ReplyBody;
use crate::message::{Envelope, FlowCommand, FlowMod, FlowStats, Message};
use crate::port_number::PortNumber;
use crate::text::value::parse_number;
use crate::text::{
    Pair, ParseError, Position, instructions, parse_instructions, parse_match_leaving,
};
use crate::version::Version;
use std::fmt;

/// The priority of a flow that names none.
const DEFAULT_PRIORITY: u16 = 0x8000;
/// The bits of a flow's flags, by their names.
const FLAGS: [(u16, &str); 5] = [
    (1, "send_flow_rem"),
    (2, "check_overlap"),
    (4, "reset_counts"),
    (8, "no_packet_counts"),
    (16, "no_byte_counts"),
];
/// What only a dump says, which reading passes over.
const COUNTERS: [&str; 5] = ["duration", "n_packets", "n_bytes", "idle_age", "hard_age"];
const COMMANDS: [(FlowCommand, &str); 5] = [
    (FlowCommand::Add, "add"),
    (FlowCommand::Modify, "modify"),
    (FlowCommand::ModifyStrict, "modify_strict"),
    (FlowCommand::Delete, "delete"),
    (FlowCommand::DeleteStrict, "delete_strict"),
];

/// Reads a flow as `ovs-ofctl add-flow` does, with `add `, `modify `, `modify_strict `, `delete ` or `delete_strict `
/// in front, as in the files of `add-flows`; a line of `dump-flows` adds that flow. `version` decides what a meter is.
pub fn parse_flow(text: &str, version: Version) -> Result<FlowMod, ParseError> {
    let at = Position::new(text);
    let trimmed = text.trim_start();
    let named = COMMANDS.iter().find_map(|(command, name)| {
        let rest = trimmed.strip_prefix(name)?;
        (rest.is_empty() || rest.starts_with(char::is_whitespace)).then_some((*command, rest))
    });
    let (command, rest) = named.unwrap_or((FlowCommand::Add, trimmed));
    let mut flow = FlowMod {
        command,
        ..FlowMod::default()
    };
    if command.deletes() {
        flow.table = crate::message::flow::ALL_TABLES;
    }
    let (fields, actions) = split_actions(rest);
    let mut mask = None;
    flow.matching = parse_match_leaving(&at, fields, |pair| {
        read_pair(&at, &pair, &mut flow, &mut mask)
    })?;
    flow.cookie_mask = mask.unwrap_or(if command.deletes() && flow.cookie != 0 {
        u64::MAX
    } else {
        0
    });
    if command == FlowCommand::Add && flow.cookie_mask != 0 {
        return Err(at.error(
            fields,
            "a cookie without mask: only modify and delete can choose flows by cookie",
        ));
    }
    match actions {
        Some(actions) if !command.deletes() => {
            let offset = (actions.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
            flow.instructions =
                parse_instructions(actions, version).map_err(|error| ParseError {
                    position: error.position.saturating_add(offset),
                    ..error
                })?;
        }
        Some(actions) => return Err(at.error(actions, "deleting takes no actions")),
        None if command.deletes() => {}
        None => {
            return Err(at.error(
                rest,
                "expected `actions=` behind the match, such as actions=drop",
            ));
        }
    }
    Ok(flow)
}

/// What stands in front of `actions=` and behind it.
fn split_actions(text: &str) -> (&str, Option<&str>) {
    for word in ["actions", "action"] {
        let mut from = 0;
        while let Some(found) = text.get(from..).and_then(|rest| rest.find(word)) {
            let start = from.saturating_add(found);
            let end = start.saturating_add(word.len());
            let (before, rest) = (
                text.get(..start).unwrap_or(""),
                text.get(end..).unwrap_or(""),
            );
            let alone = before.is_empty() || before.ends_with([',', ' ', '\t']);
            if let Some(actions) = rest.strip_prefix('=').filter(|_| alone) {
                return (before, Some(actions));
            }
            from = end;
        }
    }
    (text, None)
}

fn read_pair(
    at: &Position<'_>,
    pair: &Pair<'_>,
    flow: &mut FlowMod,
    mask: &mut Option<u64>,
) -> Result<(), ParseError> {
    if let Some((bit, _)) = FLAGS
        .iter()
        .find(|(_, name)| *name == pair.key && pair.delimiter.is_none())
    {
        flow.flags |= bit;
        return Ok(());
    }
    match pair.key {
        "table" => flow.table = read(at, pair, "a table of 0 to 255")?,
        "priority" => flow.priority = read(at, pair, "a priority of 0 to 65535")?,
        "idle_timeout" => flow.idle_timeout = read(at, pair, "seconds, 65535 at most")?,
        "hard_timeout" => flow.hard_timeout = read(at, pair, "seconds, 65535 at most")?,
        "importance" => flow.importance = read(at, pair, "a number of 0 to 65535")?,
        "out_group" => flow.out_group = read(at, pair, "a group's number")?,
        "out_port" => {
            let number = || parse_number(pair.value).and_then(|number| u32::try_from(number).ok());
            // Up to 65535 it is a number of 1.0.
            let wide =
                |number| u16::try_from(number).map_or(PortNumber(number), PortNumber::from_u16);
            let port = PortNumber::from_name(pair.value).or_else(|| number().map(wide));
            let wanted = "expected a port's number or name, such as LOCAL";
            flow.out_port = port.ok_or_else(|| at.error(pair.value, wanted))?;
        }
        "cookie" => {
            let (value, wanted) = match pair.value.split_once('/') {
                Some((value, mask)) => (value, Some(mask)),
                None => (pair.value, None),
            };
            flow.cookie = cookie(at, value)?;
            *mask = wanted.map(|mask| cookie(at, mask)).transpose()?;
        }
        counter if COUNTERS.contains(&counter) => {}
        _ => {
            return Err(at.error(
                pair.key,
                "expected a match field, a flow's property or `actions=`",
            ));
        }
    }
    Ok(())
}

fn read<T: TryFrom<u128>>(
    at: &Position<'_>,
    pair: &Pair<'_>,
    wanted: &str,
) -> Result<T, ParseError> {
    let number = parse_number(pair.value).and_then(|number| T::try_from(number).ok());
    number.ok_or_else(|| {
        at.error(
            if pair.value.is_empty() {
                pair.key
            } else {
                pair.value
            },
            wanted,
        )
    })
}

fn cookie(at: &Position<'_>, text: &str) -> Result<u64, ParseError> {
    if text == "-1" {
        return Ok(u64::MAX);
    }
    let number = parse_number(text).and_then(|number| u64::try_from(number).ok());
    number.ok_or_else(|| at.error(text, "expected a cookie of 64 bits, or -1"))
}

/// A flow mod as [`parse_flow`] reads it, and `ovs-ofctl add-flows`.
impl fmt::Display for FlowMod {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = COMMANDS
            .iter()
            .find(|(command, _)| *command == self.command)
            .map_or("add", |(_, name)| name);
        write!(formatter, "{name} ")?;
        if self.cookie_mask == u64::MAX {
            write!(formatter, "cookie={:#x}/-1,", self.cookie)?;
        } else if self.cookie_mask != 0 {
            write!(
                formatter,
                "cookie={:#x}/{:#x},",
                self.cookie, self.cookie_mask
            )?;
        } else if self.cookie != 0 {
            write!(formatter, "cookie={:#x},", self.cookie)?;
        }
        if self.table != 0
            && !(self.table == crate::message::flow::ALL_TABLES && self.command.deletes())
        {
            write!(formatter, "table={},", self.table)?;
        }
        timeouts(formatter, self.idle_timeout, self.hard_timeout, ",")?;
        if self.importance != 0 {
            write!(formatter, "importance={},", self.importance)?;
        }
        if self.out_port != PortNumber::ANY {
            write!(formatter, "out_port={},", self.out_port)?;
        }
        if self.out_group != crate::message::flow::ANY_GROUP {
            write!(formatter, "out_group={},", self.out_group)?;
        }
        for (bit, name) in FLAGS {
            if self.flags & bit != 0 {
                write!(formatter, "{name},")?;
            }
        }
        write_match(formatter, self.priority, &self.matching)?;
        if self.command.deletes() {
            return Ok(());
        }
        write!(formatter, " actions={}", instructions(&self.instructions))
    }
}

/// A flow as `ovs-ofctl dump-flows` prints it, without the space in front.
impl fmt::Display for FlowStats {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "cookie={:#x}, ", self.cookie)?;
        if let Some(span) = &self.counters.duration {
            write!(formatter, "duration={}", span.seconds)?;
            if span.nanoseconds > 0 {
                let fraction = format!("{:09}", span.nanoseconds);
                write!(formatter, ".{}", fraction.trim_end_matches('0'))?;
            }
            write!(formatter, "s, ")?;
        }
        write!(formatter, "table={}, ", self.table)?;
        for (name, count) in [
            ("n_packets", self.counters.packets),
            ("n_bytes", self.counters.bytes),
        ] {
            if let Some(count) = count {
                write!(formatter, "{name}={count}, ")?;
            }
        }
        timeouts(formatter, self.idle_timeout, self.hard_timeout, ", ")?;
        for (bit, name) in FLAGS {
            if self.flags & bit != 0 {
                write!(formatter, "{name} ")?;
            }
        }
        if self.importance != 0 {
            write!(formatter, "importance={}, ", self.importance)?;
        }
        // 1.5 tells it among the counters.
        let idle = self
            .counters
            .idle
            .as_ref()
            .map(|span| u16::try_from(span.seconds).unwrap_or(u16::MAX));
        for (name, age) in [
            ("idle_age", self.idle_age.or(idle)),
            ("hard_age", self.hard_age),
        ] {
            if let Some(age) = age {
                write!(formatter, "{name}={age}, ")?;
            }
        }
        if self.priority == DEFAULT_PRIORITY && self.matching.is_empty() {
            return write!(formatter, "actions={}", instructions(&self.instructions));
        }
        write_match(formatter, self.priority, &self.matching)?;
        write!(formatter, " actions={}", instructions(&self.instructions))
    }
}

fn timeouts(formatter: &mut fmt::Formatter<'_>, idle: u16, hard: u16, end: &str) -> fmt::Result {
    for (name, seconds) in [("idle_timeout", idle), ("hard_timeout", hard)] {
        if seconds != 0 {
            write!(formatter, "{name}={seconds}{end}")?;
        }
    }
    Ok(())
}

fn write_match(formatter: &mut fmt::Formatter<'_>, priority: u16, matching: &Match) -> fmt::Result {
    let named = priority != DEFAULT_PRIORITY;
    if named {
        write!(formatter, "priority={priority}")?;
    }
    if matching.is_empty() {
        return Ok(());
    }
    write!(formatter, "{}{matching}", if named { "," } else { "" })
}

/// A message for people: its name, version and xid, then flows as text, an error by its name, and anything else as
/// JSON. Several flows take a line each.
impl fmt::Display for Envelope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} (OpenFlow {}, xid {:#x})",
            self.message.name(),
            self.version,
            self.xid
        )?;
        write_body(formatter, self.version, &self.message, true)
    }
}

/// An error shows the message that it is about; one within that shows bytes, or a peer could nest them without end.
fn write_body(
    formatter: &mut fmt::Formatter<'_>,
    version: Version,
    message: &Message,
    outermost: bool,
) -> fmt::Result {
    match message {
        Message::FlowMod(flow) | Message::NxFlowMod(flow) => write!(formatter, ": {flow}"),
        Message::Error(error) => {
            write!(formatter, ": {}", error.error.describe(version))?;
            let refused = Envelope::decode(&error.data.0).ok().filter(|_| outermost);
            match (refused, std::str::from_utf8(&error.data.0)) {
                (Some(refused), _) => {
                    let (name, xid) = (refused.message.name(), refused.xid);
                    write!(
                        formatter,
                        "\n refused: {name} (OpenFlow {}, xid {xid:#x})",
                        refused.version
                    )?;
                    write_body(formatter, refused.version, &refused.message, false)
                }
                (None, _) if error.data.0.is_empty() => Ok(()),
                (None, Ok(text)) if !text.contains(char::is_control) => {
                    write!(formatter, ": {text}")
                }
                _ => write!(formatter, "\n refused: {}", error.data),
            }
        }
        Message::BundleAdd(add) => {
            write!(formatter, ": bundle {}: {}", add.bundle, add.message.name())?;
            write_body(formatter, version, &add.message, outermost)
        }
        Message::MultipartReply(reply) => match &reply.body {
            ReplyBody::Flow(flows) | ReplyBody::NxFlow(flows) => {
                write!(formatter, ": {} flows", flows.len())?;
                flows
                    .iter()
                    .try_for_each(|flow| write!(formatter, "\n {flow}"))
            }
            _ => write_json(formatter, message),
        },
        _ => write_json(formatter, message),
    }
}

fn write_json(formatter: &mut fmt::Formatter<'_>, message: &Message) -> fmt::Result {
    match serde_json::to_value(message) {
        // A message with a body is an object with its name as the one key.
        Ok(serde_json::Value::Object(object)) => object
            .values()
            .next()
            .map_or(Ok(()), |body| write!(formatter, ": {body}")),
        _ => Ok(()),
    }
}
