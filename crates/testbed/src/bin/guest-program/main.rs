//! What a test's guest does with its network interfaces: send marked frames, forged or honest, on each from the moment
//! it exists, and answer. Knows the order of things; leaves frames to `forged` and sockets to `wire`.
//!
//! `guest-program send [NAME=VALUE]...` with `kinds=` (names, `all-forged` or `honest`, separated by commas), `pause=`
//! (microseconds between rounds; 0 sends in a tight loop), `count=` (rounds; 0 for ever), `device=` (else every one),
//! and `to-mac=`, `to-ipv4=`, `ipv4=`, `foreign-mac=`, … for what else than [`Identities::of`] gives.
//! `guest-program answer PORT` echoes TCP connections.
//! `guest-program obey LINE PORT...` answers there and does what a channel says: see [`obey`].

#[path = "../../forged.rs"]
#[allow(unreachable_pub)] // It is the library's module too.
mod forged;
mod obey;
mod wire;

use forged::{Identities, Kind};
use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::time::Duration;
use std::{env, fs, thread};
use wire::Wire;

/// How long to wait for a device where there is none yet.
const LOOK_AGAIN: Duration = Duration::from_micros(200);
/// Rounds between looks for new devices.
const ROUNDS: u32 = 32;

fn main() {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["send", options @ ..] => Sender::new(options).and_then(Sender::run),
        ["answer", port] => answer(port),
        ["obey", line, ports @ ..] => obey::obey(line, ports),
        _ => Err("expected send, answer or obey".to_owned()),
    };
    if let Err(message) = done {
        eprintln!("guest-program: {message}");
        std::process::exit(1);
    }
}

/// A device on which frames are being sent.
struct Station {
    index: i32,
    wire: Wire,
    who: Identities,
}

struct Sender {
    kinds: Vec<Kind>,
    pause: Duration,
    count: u32,
    device: Option<String>,
    overrides: Vec<(String, String)>,
    stations: Vec<Station>,
}

impl Sender {
    fn new(options: &[&str]) -> Result<Self, String> {
        let mut sender = Self {
            kinds: Kind::forged().collect(),
            pause: Duration::ZERO,
            count: 0,
            device: None,
            overrides: Vec::new(),
            stations: Vec::new(),
        };
        for option in options {
            let (name, value) = option
                .split_once('=')
                .ok_or_else(|| format!("expected NAME=VALUE, not {option}"))?;
            match name {
                "kinds" => sender.kinds = kinds(value)?,
                "pause" => sender.pause = Duration::from_micros(parsed(name, value)?),
                "count" => sender.count = parsed(name, value)?,
                "device" => sender.device = Some(value.to_owned()),
                _ => {
                    overridden(&mut Identities::of([0; 6]), name, value)?;
                    sender.overrides.push((name.to_owned(), value.to_owned()));
                }
            }
        }
        Ok(sender)
    }

    fn run(mut self) -> Result<(), String> {
        let mut number = 0;
        while self.count == 0 || number < self.count {
            if number % ROUNDS == 0 || self.stations.is_empty() {
                self.look();
            }
            if self.stations.is_empty() {
                thread::sleep(LOOK_AGAIN);
                continue;
            }
            let kinds = &self.kinds;
            self.stations.retain(|station| {
                kinds
                    .iter()
                    .all(|kind| sent(&station.wire, &kind.frame(&station.who, number)))
            });
            number = number.wrapping_add(1);
            if !self.pause.is_zero() {
                thread::sleep(self.pause);
            }
        }
        println!("guest-program: {number} rounds sent");
        Ok(())
    }

    /// Opens devices that have appeared.
    fn look(&mut self) {
        for entry in fs::read_dir("/sys/class/net")
            .into_iter()
            .flatten()
            .flatten()
        {
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            let wanted = self.device.as_ref().is_none_or(|device| *device == name);
            let attribute = |file: &str| {
                let text = fs::read_to_string(entry.path().join(file)).ok()?;
                Some(text.trim().to_owned())
            };
            let Some(index) = attribute("ifindex").and_then(|text| text.parse().ok()) else {
                continue;
            };
            let known = self.stations.iter().any(|station| station.index == index);
            if name == "lo" || known || !wanted {
                continue;
            }
            // Not ready yet, or gone again: the next look tells.
            let Some(mac) = attribute("address").and_then(|text| mac_of(&text)) else {
                continue;
            };
            let mut who = Identities::of(mac);
            for (name, value) in &self.overrides {
                // Checked when the options were read.
                let _ = overridden(&mut who, name, value);
            }
            if let Ok(wire) = Wire::open(&name, index) {
                println!("guest-program: sending on {name}");
                self.stations.push(Station { index, wire, who });
            }
        }
    }
}

/// Sends; false when the device is gone or down.
fn sent(wire: &Wire, frame: &[u8]) -> bool {
    const ENOBUFS: i32 = 105;
    match wire.send(frame) {
        Ok(()) => true,
        Err(error) => {
            let full = error.kind() == io::ErrorKind::WouldBlock;
            if full || error.raw_os_error() == Some(ENOBUFS) {
                thread::yield_now();
                return true;
            }
            false
        }
    }
}

fn kinds(text: &str) -> Result<Vec<Kind>, String> {
    let mut found = Vec::new();
    for name in text.split(',') {
        match name {
            "all-forged" => found.extend(Kind::forged()),
            name => {
                let mut all = Kind::ALL.iter().copied();
                let kind = all.find(|kind| kind.name() == name);
                found.push(kind.ok_or_else(|| format!("there is no kind of frame called {name}"))?);
            }
        }
    }
    Ok(found)
}

fn overridden(who: &mut Identities, name: &str, value: &str) -> Result<(), String> {
    let mac = || mac_of(value).ok_or_else(|| format!("{name}={value} is no MAC"));
    match name {
        "mac" => who.mac = mac()?,
        "foreign-mac" => who.foreign_mac = mac()?,
        "to-mac" => who.to_mac = mac()?,
        "ipv4" => who.ipv4 = parsed(name, value)?,
        "foreign-ipv4" => who.foreign_ipv4 = parsed(name, value)?,
        "to-ipv4" => who.to_ipv4 = parsed(name, value)?,
        "ipv6" => who.ipv6 = parsed(name, value)?,
        "foreign-ipv6" => who.foreign_ipv6 = parsed(name, value)?,
        "to-ipv6" => who.to_ipv6 = parsed(name, value)?,
        _ => return Err(format!("there is no option {name}")),
    }
    Ok(())
}

fn parsed<T: std::str::FromStr>(name: &str, value: &str) -> Result<T, String> {
    let text = value.parse();
    text.map_err(|_| format!("{name}={value} cannot be read"))
}

fn mac_of(text: &str) -> Option<[u8; 6]> {
    let bytes: Option<Vec<u8>> = text
        .split(':')
        .map(|part| u8::from_str_radix(part, 16).ok())
        .collect();
    bytes?.try_into().ok()
}

/// Sends back what comes in, each connection in a thread of its own.
fn answer(port: &str) -> Result<(), String> {
    let port: u16 = parsed("port", port)?;
    let listener = TcpListener::bind(("::", port)).map_err(|error| error.to_string())?;
    println!("guest-program: answering on port {port}");
    for stream in listener.incoming().flatten() {
        thread::spawn(move || {
            let mut stream = stream;
            let mut buffer = [0; 4_096];
            // It ends with the connection, whichever way that ends.
            while let Ok(length @ 1..) = stream.read(&mut buffer) {
                let Some(bytes) = buffer.get(..length) else {
                    return;
                };
                if stream.write_all(bytes).is_err() {
                    return;
                }
            }
        });
    }
    Ok(())
}
