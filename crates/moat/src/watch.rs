//! `moat watch`: frames that the switch drops or reports, as it happens, with the rule behind each.
//! Knows who a frame belonged to; listening is left to `nftables::nflog`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

use clap::Args;
use datapath::Datapath as _;
use datapath_nftables::{LOG_GROUP, NftablesDatapath, census};
use nftables::nflog::{BindError, Event, Listener, Options, Packet};
use policy::program::Direction;
use serde_json::{Value, json};

use crate::fault::{Failure, Outcome};
use crate::output::{self, Style, paint};
use crate::situation;
use crate::time;

/// `NF_BR_POST_ROUTING` of linux/netfilter_bridge.h; all others are met by what a VM sends.
const POSTROUTING: u8 = 4;
/// Names are read again for something unknown, but not more often than this.
const REFRESH: Duration = Duration::from_secs(1);

#[derive(Args, Debug)]
pub(crate) struct WatchArguments {
    /// Only frames of this port
    #[arg(long, value_name = "NAME")]
    pub port: Option<String>,
    /// Stop after that many frames
    #[arg(long, value_name = "N")]
    pub count: Option<u64>,
    /// Stop after this time (10s, 5m)
    #[arg(long = "for", value_name = "TIME", value_parser = time::duration)]
    pub time: Option<Duration>,
}

/// What the table says of interfaces and counters.
struct Names {
    datapath: NftablesDatapath,
    ports: BTreeMap<u32, String>,
    devices: BTreeMap<u32, String>,
    rules: BTreeMap<String, String>,
    read: Instant,
    present: bool,
}

impl Names {
    fn read() -> Result<Self, Failure> {
        let mut names = Self {
            datapath: situation::open()?,
            ports: BTreeMap::new(),
            devices: BTreeMap::new(),
            rules: BTreeMap::new(),
            read: Instant::now(),
            present: false,
        };
        names.refresh()?;
        Ok(names)
    }

    fn refresh(&mut self) -> Result<(), Failure> {
        let installed = self.datapath.read()?;
        self.present = installed.contents.is_some();
        if let Some(contents) = &installed.contents {
            let ports = census::ports(contents).into_iter();
            self.ports = ports.map(|(ifindex, port)| (ifindex, port.name)).collect();
            self.rules = census::rule_texts(contents);
        }
        let interfaces = inventory::observe()?.interfaces.into_iter();
        self.devices = interfaces
            .map(|(name, interface)| (interface.ifindex, name))
            .collect();
        self.read = Instant::now();
        Ok(())
    }

    /// A port or rule that is newer than what was read.
    fn refresh_for(&mut self, ifindex: u32, id: &str) {
        let known = self.ports.contains_key(&ifindex)
            && (self.rules.contains_key(id) || !id.contains("/in-") && !id.contains("/out-"));
        if !known && self.read.elapsed() >= REFRESH {
            // Watching goes on with what is known.
            let _ = self.refresh();
        }
    }
}

/// # Errors
/// See [`Failure`].
pub(crate) fn watch(arguments: &WatchArguments, as_json: bool) -> Result<Outcome, Failure> {
    let mut listener = Listener::bind(LOG_GROUP, &Options::default()).map_err(unable)?;
    let mut names = Names::read()?;
    if !names.present {
        output::note("note: moat's table is not here yet; nothing is dropped by moat until it is");
    }
    output::note("Watching for dropped and logged frames; Ctrl-C ends it.");
    let deadline = arguments
        .time
        .and_then(|time| Instant::now().checked_add(time));
    let mut seen = 0_u64;
    while arguments.count.is_none_or(|count| seen < count) {
        let left = match deadline {
            Some(deadline) => deadline.saturating_duration_since(Instant::now()),
            None => Duration::from_secs(3600),
        };
        if left.is_zero() {
            break;
        }
        let event = listener
            .next_event(left)
            .map_err(|error| Failure::system(format!("cannot listen any more: {error}")))?;
        match event {
            None => {}
            Some(Event::Lost) => {
                output::note("note: more came than could be read; some frames are not shown");
            }
            Some(Event::Packet(packet)) => {
                let shown = show(&packet, &mut names, arguments.port.as_deref(), as_json);
                seen = seen.saturating_add(u64::from(shown));
            }
        }
    }
    Ok(Outcome::Fine)
}

fn unable(error: BindError) -> Failure {
    match error {
        BindError::Denied(_) => Failure::system(error.to_string())
            .help("only one `moat watch` at a time, and as root: sudo moat watch"),
        other => {
            Failure::system(other.to_string()).help("`moat doctor` says what this kernel can do")
        }
    }
}

/// Whether the frame was shown.
fn show(packet: &Packet, names: &mut Names, only: Option<&str>, as_json: bool) -> bool {
    let direction = if packet.hook == POSTROUTING {
        Direction::In
    } else {
        Direction::Out
    };
    // With br_netfilter in the kernel the first pair is the bridge and the second its port.
    let pick = |port: u32, device: u32| if port == 0 { device } else { port };
    let ifindex = match direction {
        Direction::In => pick(packet.output_port, packet.output),
        Direction::Out => pick(packet.input_port, packet.input),
    };
    let (what, id) = packet
        .prefix
        .split_once(' ')
        .unwrap_or(("", &packet.prefix));
    names.refresh_for(ifindex, id);
    let port = names.ports.get(&ifindex);
    if only.is_some_and(|only| port.is_none_or(|port| port != only)) {
        return false;
    }
    let device = names.devices.get(&ifindex);
    let who = port
        .or(device)
        .cloned()
        .unwrap_or_else(|| format!("interface {ifindex}"));
    let rule = names.rules.get(id);
    let frame = packet
        .frame()
        .map(|frame| frame::describe(&frame))
        .unwrap_or_default();
    let time = packet.time.unwrap_or_else(SystemTime::now);
    let word = match direction {
        Direction::In => "in",
        Direction::Out => "out",
    };
    if as_json {
        output::json_line(&json!({
            "time": time::timestamp(time),
            "what": what,
            "direction": word,
            "port": port,
            "device": device,
            "ifindex": ifindex,
            "decider": id,
            "rule": rule.map_or(Value::Null, |rule| json!(rule)),
            "frame": frame,
        }));
        return true;
    }
    let style = if what == "drop" {
        Style::Bad
    } else {
        Style::Warning
    };
    let rule = rule.map(|rule| paint(Style::Faint, format!("  [{rule}]")));
    output::line(format!(
        "{} {word:<3} {who}  {} {id}  {frame}{}",
        paint(Style::Faint, time::clock(time)),
        paint(style, what),
        rule.unwrap_or_default(),
    ));
    true
}
