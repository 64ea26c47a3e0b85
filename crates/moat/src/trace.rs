//! `moat trace`: what happens to a frame, and why. Knows whose frame it is and where it goes next;
//! every verdict is `policy::evaluate`'s.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use frame::{Frame, FrameSpec, MacAddress, Network};
use policy::document::Port;
use policy::evaluate;
use policy::program::{ConnectionState, Direction};
use serde_json::{Value, json};

use crate::capture;
use crate::fault::{Failure, Outcome};
use crate::output::{self, Style, paint};
use crate::part::Part;
use crate::sides::Sides;

#[derive(Args, Debug)]
pub(crate) struct TraceArguments {
    /// Documents, the direction, and frames in words; without documents those of the last apply
    #[arg(value_name = "[FILE|DIR]... in|out [FRAME]...", required = true)]
    pub words: Vec<String>,
    /// The port that sends (out) or receives (in) the frame
    #[arg(long, value_name = "NAME")]
    pub port: String,
    /// A frame as hexadecimal digits, from its destination MAC on
    #[arg(long, value_name = "HEX", value_parser = capture::hexadecimal)]
    pub frame: Vec<Vec<u8>>,
    /// All frames of a capture file
    #[arg(long, value_name = "FILE")]
    pub pcap: Vec<PathBuf>,
    /// What connection tracking says of the frame
    #[arg(long, value_enum, default_value_t)]
    pub state: State,
    /// Ask the installed ruleset as read back, too; send nothing
    #[arg(long, conflicts_with = "offline")]
    pub live: bool,
    /// Take every declared device as present, whatever this machine has
    #[arg(long)]
    pub offline: bool,
    /// The Host document to follow, where several are declared
    #[arg(long, value_name = "NAME")]
    pub host: Option<String>,
}

/// What connection tracking says of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum State {
    /// It begins a connection
    #[default]
    New,
    Established,
    Related,
    Invalid,
    /// Connections are not tracked
    Untracked,
}

impl From<State> for ConnectionState {
    fn from(state: State) -> Self {
        match state {
            State::New => Self::New,
            State::Established => Self::Established,
            State::Related => Self::Related,
            State::Invalid => Self::Invalid,
            State::Untracked => Self::Untracked,
        }
    }
}

/// Where nobody has an address: a locally administered MAC.
const STRANGER: MacAddress = MacAddress([0x02, 0, 0, 0, 0, 0x01]);

/// # Errors
/// See [`Failure`].
pub(crate) fn trace(arguments: &TraceArguments, as_json: bool) -> Result<Outcome, Failure> {
    let (paths, direction, specs) = split(&arguments.words)?;
    let sides = Sides::new(&paths, arguments)?;
    let port = sides.port(&arguments.port)?;
    let frames = frames(&sides, port, direction, &specs, arguments)?;
    let mut answers = Vec::new();
    let mut outcome = Outcome::Fine;
    for (number, bytes) in frames.iter().enumerate() {
        let parts = walk(&sides, port, direction, bytes, arguments.state.into())?;
        if parts
            .iter()
            .any(|part| !part.evaluation.passes() || part.disagrees())
        {
            outcome = Outcome::Findings;
        }
        if as_json {
            answers.push(json!({
                "frame": frame::describe(bytes),
                "passes": parts.iter().all(|part| part.evaluation.passes()),
                "parts": parts.iter().map(Part::to_json).collect::<Value>(),
            }));
        } else {
            if number > 0 {
                output::line("");
            }
            output::line(paint(Style::Strong, frame::describe(bytes)));
            parts.iter().for_each(|part| output::print(&part.text()));
        }
    }
    if as_json {
        output::json(&json!(answers));
    } else {
        sides.notes().iter().for_each(|note| {
            output::line(paint(Style::Faint, format!("note: {note}")));
        });
    }
    Ok(outcome)
}

/// The direction divides the words: documents before, frames after.
fn split(words: &[String]) -> Result<(Vec<PathBuf>, Direction, Vec<FrameSpec>), Failure> {
    let found = words
        .iter()
        .enumerate()
        .find_map(|(at, word)| match word.as_str() {
            "in" => Some((at, Direction::In)),
            "out" => Some((at, Direction::Out)),
            _ => None,
        });
    let Some((at, direction)) = found else {
        return Err(Failure::usage(
            "which way does the frame go? Say `in` (towards the VM) or `out` (from it)",
        )
        .help("moat trace FILES --port web-1/0 out 'tcp 10.0.0.5:40000 > 10.0.0.9:80'"));
    };
    let (paths, rest) = words.split_at(at);
    let specs = rest.iter().skip(1).map(|text| {
        text.parse::<FrameSpec>().map_err(|error| {
            Failure::usage(format!(
                "`{text}`: column {}: {}",
                error.column, error.problem
            ))
            .help(error.hint)
        })
    });
    let specs = specs.collect::<Result<_, _>>()?;
    Ok((paths.iter().map(PathBuf::from).collect(), direction, specs))
}

/// All frames that were asked about, whatever the form.
fn frames(
    sides: &Sides,
    port: &Port,
    direction: Direction,
    specs: &[FrameSpec],
    arguments: &TraceArguments,
) -> Result<Vec<Vec<u8>>, Failure> {
    let mut frames: Vec<Vec<u8>> = specs
        .iter()
        .map(|spec| {
            // The addresses first: they say whose MACs the frame has.
            let draft = spec.to_frame(port.mac, port.mac);
            let other = |address| sides.mac_of(address, port).unwrap_or(STRANGER);
            let (from, to) = addresses(&draft);
            match direction {
                Direction::Out => spec.to_frame(port.mac, other(to)),
                Direction::In => spec.to_frame(other(from), port.mac),
            }
        })
        .collect();
    frames.extend(arguments.frame.iter().cloned());
    for path in &arguments.pcap {
        frames.extend(capture::read(path)?);
    }
    if frames.is_empty() {
        return Err(Failure::usage("which frame? None was given").help(
            "in words after the direction, or with --frame HEX or --pcap FILE; see moat trace --help",
        ));
    }
    Ok(frames)
}

/// Who speaks to whom, above the MACs.
fn addresses(bytes: &[u8]) -> (Option<IpAddr>, Option<IpAddr>) {
    match Frame::parse(bytes).map(|frame| frame.network) {
        Ok(Network::Ipv4(ip)) => (Some(ip.source.into()), Some(ip.destination.into())),
        Ok(Network::Ipv6(ip)) => (Some(ip.source.into()), Some(ip.destination.into())),
        Ok(Network::Arp(arp)) => (
            arp.sender_ip.map(IpAddr::from),
            arp.target_ip.map(IpAddr::from),
        ),
        _ => (None, None),
    }
}

/// The sender's `out`, and, where it passes and the receiver is a port too, the receiver's `in`.
fn walk(
    sides: &Sides,
    port: &Port,
    direction: Direction,
    bytes: &[u8],
    state: ConnectionState,
) -> Result<Vec<Part>, Failure> {
    let macs = Frame::parse(bytes)
        .ok()
        .map(|frame| (frame.source, frame.destination));
    let other = macs.and_then(|(source, destination)| {
        sides.by_mac(
            match direction {
                Direction::Out => destination,
                Direction::In => source,
            },
            port,
        )
    });
    let order: Vec<(&Port, Direction)> = match (direction, other) {
        (Direction::Out, Some(receiver)) => vec![(port, Direction::Out), (receiver, Direction::In)],
        (Direction::In, Some(sender)) => vec![(sender, Direction::Out), (port, Direction::In)],
        (direction, None) => vec![(port, direction)],
    };
    let mut parts: Vec<Part> = Vec::new();
    for (port, direction) in order {
        let program = sides.program(port)?;
        let evaluation = evaluate(&program, &port.name, direction, bytes, state);
        let live = sides.live(&port.name, direction, bytes, state);
        let passes = evaluation.passes();
        parts.push(Part {
            port: port.name.clone(),
            direction,
            evaluation,
            live,
        });
        if !passes {
            break;
        }
    }
    Ok(parts)
}
