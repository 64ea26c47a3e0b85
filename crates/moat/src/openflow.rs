//! OpenFlow messages read from bytes and written to them, for people who look at a switch's traffic. What messages
//! are is left to the crate `openflow`.

use std::io::{IsTerminal as _, Read as _, Write as _};
use std::path::Path;

use ::openflow::message::Bytes;
use ::openflow::{Envelope, Framer, Message, Version, parse_flow};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::fault::{Failure, Outcome};
use crate::output;

#[derive(Args, Debug)]
pub(crate) struct OpenflowArguments {
    #[command(subcommand)]
    pub command: OpenflowCommand,
}

#[derive(Subcommand, Debug)]
pub(crate) enum OpenflowCommand {
    /// Say what messages mean
    #[command(after_help = "\
Examples:
  moat openflow decode '04 12 0010 00000001 000d 0000 00000000'
  moat openflow decode messages.bin --json
  moat openflow encode 'tcp,tp_dst=22,actions=drop' | moat openflow decode -

Text is hexadecimal digits with blanks, colons and line ends between them as wanted, and comments from # to the
end of the line; anything else is taken as the bytes themselves. Messages follow each other as on a connection.

Exit codes: 0 all is read, 1 some of it cannot be read, 2 the input or the command line is wrong.")]
    Decode(DecodeArguments),

    /// Write messages: flows as ovs-ofctl takes them, or anything as JSON
    #[command(
        disable_version_flag = true,
        after_help = "\
Examples:
  moat openflow encode 'table=1,priority=100,tcp,tp_dst=22,actions=drop'
  moat openflow encode --version 1.5 'ip,actions=ct(table=2)' 'delete cookie=0x7/-1'
  moat openflow encode '{\"version\": \"1.3\", \"xid\": 1, \"message\": \"barrier_request\"}'
  moat openflow encode --raw - < flows.txt | ovs-ofctl ofp-parse /dev/stdin

JSON is what `moat openflow decode --json` prints. Flows may begin with add (which is meant if none is said),
modify, modify_strict, delete or delete_strict.

Exit codes: 0 written, 2 a flow, a message or the command line is wrong."
    )]
    Encode(EncodeArguments),
}

#[derive(Args, Debug)]
pub(crate) struct DecodeArguments {
    /// A file, `-` for the standard input, or the digits themselves
    #[arg(value_name = "HEX|FILE|-", default_value = "-")]
    pub input: String,
}

#[derive(Args, Debug)]
pub(crate) struct EncodeArguments {
    /// The version of OpenFlow for flows: 1.0 to 1.5
    #[arg(long = "version", value_name = "VERSION", default_value = "1.3")]
    pub protocol: Version,
    /// Write the bytes themselves instead of digits
    #[arg(long)]
    pub raw: bool,
    /// Flows, messages as JSON, or `-` for the standard input: a flow on each line, or JSON
    #[arg(value_name = "FLOW|JSON|-", required = true)]
    pub items: Vec<String>,
}

pub(crate) fn openflow(arguments: &OpenflowArguments, as_json: bool) -> Result<Outcome, Failure> {
    match &arguments.command {
        OpenflowCommand::Decode(arguments) => decode(arguments, as_json),
        OpenflowCommand::Encode(arguments) => encode(arguments, as_json),
    }
}

/// What stands in the stream.
enum Found {
    Message(Envelope),
    /// A message, or the rest, that cannot be read.
    Unreadable {
        bytes: Bytes,
        error: String,
    },
}

fn decode(arguments: &DecodeArguments, as_json: bool) -> Result<Outcome, Failure> {
    let found = read_messages(&input(&arguments.input)?);
    if as_json {
        output::json(&Value::Array(found.iter().map(as_value).collect()));
    } else {
        for message in &found {
            match message {
                Found::Message(envelope) => output::line(envelope.to_string()),
                Found::Unreadable { bytes, error } => {
                    output::line(format!("unreadable: {error}\n {bytes}"))
                }
            }
        }
    }
    let unreadable = |message: &Found| matches!(message, Found::Unreadable { .. });
    Ok(Outcome::findings(found.iter().any(unreadable)))
}

fn as_value(found: &Found) -> Value {
    match found {
        Found::Message(envelope) => serde_json::to_value(envelope).unwrap_or_default(),
        Found::Unreadable { bytes, error } => {
            json!({"unreadable": bytes.to_string(), "error": error})
        }
    }
}

fn read_messages(bytes: &[u8]) -> Vec<Found> {
    let mut framer = Framer::new();
    framer.push(bytes);
    let mut found = Vec::new();
    let mut at = 0_usize;
    loop {
        let rest = || Bytes(bytes.get(at..).unwrap_or_default().to_vec());
        match framer.next_message() {
            Ok(Some(message)) => {
                at = at.saturating_add(message.len());
                found.push(match Envelope::decode(message) {
                    Ok(envelope) => Found::Message(envelope),
                    Err(error) => Found::Unreadable {
                        bytes: Bytes(message.to_vec()),
                        error: error.to_string(),
                    },
                });
            }
            Ok(None) => {
                if !rest().0.is_empty() {
                    let error = "the last message is cut short".to_owned();
                    found.push(Found::Unreadable {
                        bytes: rest(),
                        error,
                    });
                }
                return found;
            }
            Err(error) => {
                found.push(Found::Unreadable {
                    bytes: rest(),
                    error: error.to_string(),
                });
                return found;
            }
        }
    }
}

/// The bytes that an argument means.
fn input(argument: &str) -> Result<Vec<u8>, Failure> {
    let contents = if argument == "-" {
        standard_input()?
    } else if Path::new(argument).is_file() {
        std::fs::read(argument)
            .map_err(|error| Failure::usage(format!("cannot read {argument}: {error}")))?
    } else {
        argument.as_bytes().to_vec()
    };
    let is_text = |byte: &u8| byte.is_ascii_graphic() || byte.is_ascii_whitespace();
    if argument == "-" || Path::new(argument).is_file() {
        // No message begins with the code of a letter, for that would be its version.
        if contents.first().is_some_and(|first| !is_text(first)) {
            return Ok(contents);
        }
    }
    let text = String::from_utf8_lossy(&contents);
    let digits: String = text
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default())
        .flat_map(str::chars)
        .filter(|letter| !letter.is_whitespace() && !matches!(letter, ':' | '-'))
        .collect();
    let digits = digits.strip_prefix("0x").unwrap_or(&digits);
    let read = digits
        .parse::<Bytes>()
        .ok()
        .filter(|bytes| !bytes.0.is_empty());
    read.map(|bytes| bytes.0).ok_or_else(|| {
        let what = if argument == "-" {
            "the standard input"
        } else {
            argument
        };
        Failure::usage(format!(
            "{what} is neither a file nor pairs of hexadecimal digits"
        ))
        .help("give a message such as 0414000800000001, or the name of a file with some")
    })
}

fn standard_input() -> Result<Vec<u8>, Failure> {
    if std::io::stdin().is_terminal() {
        return Err(Failure::usage("there is nothing on the standard input")
            .help("pipe messages in, or give them as an argument"));
    }
    let mut contents = Vec::new();
    let read = std::io::stdin().lock().read_to_end(&mut contents);
    read.map_err(|error| Failure::system(format!("cannot read the standard input: {error}")))?;
    Ok(contents)
}

fn encode(arguments: &EncodeArguments, as_json: bool) -> Result<Outcome, Failure> {
    let mut envelopes = Vec::new();
    for item in &arguments.items {
        if item == "-" {
            let contents = standard_input()?;
            let text = String::from_utf8(contents)
                .map_err(|_| Failure::usage("the standard input is not UTF-8 text"))?;
            read_items(&text, arguments.protocol, &mut envelopes)?;
        } else {
            read_items(item, arguments.protocol, &mut envelopes)?;
        }
    }
    let mut written = Vec::with_capacity(envelopes.len());
    for envelope in &envelopes {
        let bytes = envelope.to_bytes();
        let bytes = bytes.map_err(|error| {
            Failure::usage(format!("cannot write {}: {error}", envelope.message.name()))
        })?;
        written.push(Bytes(bytes));
    }
    if arguments.raw {
        let all: Vec<u8> = written.into_iter().flat_map(|bytes| bytes.0).collect();
        let mut out = std::io::stdout().lock();
        out.write_all(&all)
            .and_then(|()| out.flush())
            .map_err(|error| Failure::system(format!("cannot write: {error}")))?;
    } else if as_json {
        output::json(&Value::Array(
            written
                .iter()
                .map(|bytes| bytes.to_string().into())
                .collect(),
        ));
    } else {
        written
            .iter()
            .for_each(|bytes| output::line(bytes.to_string()));
    }
    Ok(Outcome::Fine)
}

/// Reads JSON, or a flow on each line.
fn read_items(text: &str, version: Version, envelopes: &mut Vec<Envelope>) -> Result<(), Failure> {
    if text.trim_start().starts_with(['{', '[']) {
        return read_json(text, envelopes);
    }
    for line in text.lines() {
        let flow = line.split('#').next().unwrap_or_default();
        if flow.trim().is_empty() {
            continue;
        }
        let flow = parse_flow(flow, version).map_err(|error| {
            Failure::usage(format!("`{}`: {error}", line.trim()))
                .help("write flows as for ovs-ofctl add-flow, such as 'priority=100,tcp,tp_dst=22,actions=drop'")
        })?;
        let xid = u32::try_from(envelopes.len())
            .unwrap_or(u32::MAX)
            .saturating_add(1);
        envelopes.push(Envelope {
            version,
            xid,
            message: Message::flow_mod(version, flow),
        });
    }
    Ok(())
}

/// Reads messages, or lists of messages, one after the other.
fn read_json(text: &str, envelopes: &mut Vec<Envelope>) -> Result<(), Failure> {
    let wrong = |error: serde_json::Error| {
        Failure::usage(format!("this JSON is no message: {error}"))
            .help("`moat openflow decode --json` shows what messages look like")
    };
    for value in serde_json::Deserializer::from_str(text).into_iter::<Value>() {
        match value.map_err(wrong)? {
            Value::Array(values) => {
                for value in values {
                    envelopes.push(serde_json::from_value(value).map_err(wrong)?);
                }
            }
            value => envelopes.push(serde_json::from_value(value).map_err(wrong)?),
        }
    }
    Ok(())
}
