//! A machine that asks, sends and listens when it is told to, over a channel of virtio-serial: one line for each order, one for its
//! answer, both begun with the order's number. Knows the orders; whoever is at the other end knows why.
//!
//! `addresses ADDRESS/LENGTH...` on `eth0`; `ask MILLISECONDS QUESTION...` with `ping=ADDRESS` or `tcp=ADDRESS:PORT`,
//! all at once, answered by a `1` or `0` each; `listen`, `send FRAME...`, `hear NUMBER` with frames in hexadecimal:
//! what arrived since `listen` or the last `hear`, up to a frame of the ethertype for experiments with that number.

use crate::wire::{PingSocket, Wire};
use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

const DEVICE: &str = "eth0";
/// IEEE 802: local experimental ethertype 1.
const EXPERIMENT: [u8; 2] = [0x88, 0xb5];
/// How often somebody is looked for at the other end.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// After this long a frame that was to come is lost.
const PATIENCE: Duration = Duration::from_secs(10);

/// Follows orders from `line` for as long as the machine runs, and answers TCP connections to `ports`.
pub(crate) fn obey(line: &str, ports: &[&str]) -> Result<(), String> {
    for port in ports {
        let port = (*port).to_owned();
        thread::spawn(move || {
            if let Err(message) = crate::answer(&port) {
                println!("guest-program: port {port}: {message}");
            }
        });
    }
    let failed = |error: std::io::Error| format!("{line}: {error}");
    let opened = OpenOptions::new().read(true).write(true).open(line);
    let mut answers = opened.map_err(failed)?;
    let mut orders = BufReader::new(answers.try_clone().map_err(failed)?);
    let mut station = Station::default();
    let mut read = Vec::new();
    loop {
        // The end only means that nobody is at the other end yet.
        if orders.read_until(b'\n', &mut read).map_err(failed)? == 0 {
            thread::sleep(LOOK_AGAIN);
            continue;
        }
        let order = String::from_utf8_lossy(&read).into_owned();
        read.clear();
        let Some((number, order)) = order.trim().split_once(' ') else {
            continue;
        };
        let answer = match station.follow(order) {
            Ok(answer) => format!("{number} ok {answer}\n"),
            Err(message) => format!("{number} failed {message}\n"),
        };
        answers.write_all(answer.as_bytes()).map_err(failed)?;
    }
}

#[derive(Default)]
struct Station {
    wire: Option<Wire>,
}

impl Station {
    fn follow(&mut self, order: &str) -> Result<String, String> {
        let words: Vec<&str> = order.split_whitespace().collect();
        match words.as_slice() {
            ["hello"] => Ok(()),
            ["addresses", addresses @ ..] => addresses.iter().try_for_each(|address| add(address)),
            ["ask", patience, questions @ ..] => return ask(patience, questions),
            ["listen"] => self.listen(),
            ["send", frames @ ..] => self.send(frames),
            ["hear", number] => return self.hear(number),
            _ => return Err(format!("there is no order {order}")),
        }
        .map(|()| String::new())
    }

    fn wire(&self) -> Result<&Wire, String> {
        self.wire.as_ref().ok_or_else(|| "listen first".to_owned())
    }

    fn listen(&mut self) -> Result<(), String> {
        let index = fs::read_to_string(format!("/sys/class/net/{DEVICE}/ifindex"));
        let index = index.ok().and_then(|text| text.trim().parse().ok());
        let index = index.ok_or_else(|| format!("there is no {DEVICE}"))?;
        let wire = Wire::listening(DEVICE, index).map_err(|error| error.to_string())?;
        self.wire = Some(wire);
        Ok(())
    }

    fn send(&self, frames: &[&str]) -> Result<(), String> {
        let wire = self.wire()?;
        frames.iter().try_for_each(|frame| {
            let frame = bytes_of(frame).ok_or("a frame is not hexadecimal")?;
            wire.send(&frame).map_err(|error| error.to_string())
        })
    }

    fn hear(&self, number: &str) -> Result<String, String> {
        let number: u64 = crate::parsed("hear", number)?;
        let wire = self.wire()?;
        let start = Instant::now();
        let mut heard = String::new();
        while start.elapsed() < PATIENCE {
            let Some(frame) = wire.receive().map_err(|error| error.to_string())? else {
                continue;
            };
            if frame.get(12..14) == Some(&EXPERIMENT)
                && frame.get(14..22) == Some(&number.to_be_bytes())
            {
                return Ok(heard);
            }
            heard.extend(frame.iter().map(|byte| format!("{byte:02x}")));
            heard.push(' ');
        }
        Err(format!("no frame with the number {number} came"))
    }
}

fn add(address: &str) -> Result<(), String> {
    let mut command = Command::new("ip");
    command.args(["address", "add", address, "dev", DEVICE]);
    let said = command.output().map_err(|error| error.to_string())?;
    if said.status.success() {
        return Ok(());
    }
    Err(format!(
        "ip address add {address}: {}",
        String::from_utf8_lossy(&said.stderr).trim()
    ))
}

/// Asks everything at once.
fn ask(patience: &str, questions: &[&str]) -> Result<String, String> {
    let patience = Duration::from_millis(crate::parsed("ask", patience)?);
    let threads = questions.iter().map(|question| {
        let question = (*question).to_owned();
        thread::spawn(move || answered(&question, patience))
    });
    let threads: Vec<_> = threads.collect();
    let mut answers = String::new();
    for thread in threads {
        let answer = thread.join().map_err(|_| "a question panicked")??;
        answers.push(if answer { '1' } else { '0' });
    }
    Ok(answers)
}

/// Whether the other side answered in time. A refusal is none.
fn answered(question: &str, patience: Duration) -> Result<bool, String> {
    match question.split_once('=') {
        Some(("ping", address)) => {
            let address: IpAddr = crate::parsed("ping", address)?;
            let socket = PingSocket::open(address, patience).map_err(|error| error.to_string())?;
            Ok(socket.ping().unwrap_or(false))
        }
        Some(("tcp", address)) => {
            let address: SocketAddr = crate::parsed("tcp", address)?;
            Ok(TcpStream::connect_timeout(&address, patience).is_ok())
        }
        _ => Err(format!("there is no question {question}")),
    }
}

fn bytes_of(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|digit| u8::try_from(digit.to_digit(16)?).ok())
        .collect();
    let digits = digits?;
    let (pairs, []) = digits.as_chunks::<2>() else {
        return None;
    };
    Some(pairs.iter().map(|[high, low]| high << 4 | low).collect())
}
