//! The installed ruleset, asked about a frame. Knows at which hook a port's frames are met; how the
//! kernel runs a ruleset is left to `datapath_nftables::interpret`.

use datapath_nftables::interpret::{
    self, FinalVerdict, Interpreter, LaterFragments, Options, Outcome, Packet,
};
use nftables::{HookPoint, TableContents};
use policy::program::{ConnectionState, Direction, PortProgram};

/// Whether the frame passes, and why; or why that cannot be said.
pub(crate) fn ask(
    contents: &TableContents,
    port: &PortProgram,
    direction: Direction,
    bytes: &[u8],
    state: ConnectionState,
) -> Result<(bool, String), String> {
    let (hook, mut packet) = match direction {
        // The kernel hands these past prerouting (br_handle_frame).
        Direction::Out if bytes.starts_with(&[0x01, 0x80, 0xc2, 0, 0]) && is_reserved(bytes) => {
            (HookPoint::Input, Packet::arriving(bytes, port.ifindex))
        }
        Direction::Out => (HookPoint::Prerouting, Packet::arriving(bytes, port.ifindex)),
        Direction::In => (HookPoint::Postrouting, Packet::leaving(bytes, port.ifindex)),
    };
    match direction {
        Direction::Out => {
            packet.input_name = Some(&port.device);
            packet.input_bridge = Some(&port.bridge);
        }
        Direction::In => {
            packet.output_name = Some(&port.device);
            packet.output_bridge = Some(&port.bridge);
        }
    }
    packet.connection = match state {
        ConnectionState::Untracked => interpret::ConnectionState::Untracked,
        ConnectionState::New => interpret::ConnectionState::New,
        ConnectionState::Established => interpret::ConnectionState::Established,
        ConnectionState::Related => interpret::ConnectionState::Related,
        ConnectionState::Invalid => interpret::ConnectionState::Invalid,
    };
    let options = Options {
        // As the kernel does it: see `LaterFragments`.
        later_fragments: LaterFragments::Misread,
        ..Options::default()
    };
    let outcome = Interpreter::new(contents)
        .run_with(hook, &packet, options)
        .map_err(|error| error.to_string())?;
    Ok((outcome.verdict.passes(), told(&outcome)))
}

fn is_reserved(bytes: &[u8]) -> bool {
    bytes.get(5).is_some_and(|last| last & 0xf0 == 0)
}

fn told(outcome: &Outcome) -> String {
    let verdict = match outcome.verdict {
        FinalVerdict::Accept => "accept",
        FinalVerdict::Drop => "drop",
        FinalVerdict::Reject(_) => "reject",
    };
    let place = match &outcome.decisive {
        None => "no chain at this hook".to_owned(),
        Some(decision) => match &decision.rule {
            None => format!("policy of chain {}", decision.chain),
            Some(rule) => {
                let comment = rule.comment.as_deref().map(|text| format!(": {text}"));
                let comment = comment.unwrap_or_default();
                let number = rule.index.saturating_add(1);
                format!("rule {number} of chain {}{comment}", decision.chain)
            }
        },
    };
    let counted = match outcome.counters.last() {
        Some(counter) => format!(", counted as {counter}"),
        None => String::new(),
    };
    format!("{verdict} by {place}{counted}")
}
