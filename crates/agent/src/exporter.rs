//! The metrics over HTTP, for Prometheus to fetch: one request, one answer, and the connection is over.
//! Knows connections and their limits; the request's head is read by httparse, what is counted is asked of
//! the loop.
//!
//! Whoever connects may be slow, silent or many: each has a thread, a few seconds and a few kilobytes, only
//! so many are served at once, and the loop is asked no more often than once a second.

use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tracing::{debug, warn};

use crate::event::Event;
use crate::protocol::{Reply, Request};
use crate::service::Handle;

/// A client has so long for its request, and again for taking the answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// The loop may be busy with a thousand ports.
const ANSWER: Duration = Duration::from_secs(30);
/// How old an answer may be.
const FRESH: Duration = Duration::from_secs(1);
/// Clients that are served at once.
const MOST_CLIENTS: usize = 16;
/// The longest head of a request, in bytes, and its fields.
const LONGEST_HEAD: usize = 8192;
const MOST_FIELDS: usize = 64;
/// The pause after the system had no connection to give: it is out of descriptors, say.
const PAUSE: Duration = Duration::from_secs(1);

/// The format that prometheus-client writes.
const FORMAT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Serves until the agent ends, in threads of its own.
///
/// # Errors
/// Where there can be no thread.
pub fn export_metrics(listener: TcpListener, handle: Handle) -> io::Result<()> {
    let exporter = Arc::new(Exporter {
        handle,
        last: Mutex::new(None),
        clients: AtomicUsize::new(0),
    });
    let body = move || {
        for stream in listener.incoming() {
            match stream {
                Ok(stream) => Exporter::accept(&exporter, stream),
                Err(error) => {
                    warn!("a connection for metrics is lost: {error}");
                    thread::sleep(PAUSE);
                }
            }
        }
    };
    thread::Builder::new()
        .name("exporter".to_owned())
        .spawn(body)?;
    Ok(())
}

struct Exporter {
    handle: Handle,
    /// What was answered last, and when.
    last: Mutex<Option<(Instant, String)>>,
    clients: AtomicUsize,
}

/// A client that is served.
struct Client(Arc<Exporter>);

impl Drop for Client {
    fn drop(&mut self) {
        self.0.clients.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Exporter {
    fn accept(exporter: &Arc<Self>, stream: TcpStream) {
        let before = exporter.clients.fetch_add(1, Ordering::SeqCst);
        let client = Client(Arc::clone(exporter));
        // Closed without a word: to wait for what it asks is what there is no room for.
        if before >= MOST_CLIENTS {
            return;
        }
        let body = move || {
            if let Err(error) = client.0.serve(stream) {
                debug!("a client for metrics is not served: {error}");
            }
        };
        if let Err(error) = thread::Builder::new().name("scrape".to_owned()).spawn(body) {
            warn!("a client for metrics is not served: no thread: {error}");
        }
    }

    fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        let (status, head_alone, body) = match read_head(&mut stream, Instant::now() + PATIENCE)? {
            Asked::Metrics { head_alone } => match self.metrics() {
                Some(text) => ("200 OK", head_alone, text),
                None => ("503 Service Unavailable", head_alone, String::new()),
            },
            Asked::Elsewhere { head_alone } => {
                let body = "Metrics are at /metrics.\n".to_owned();
                ("404 Not Found", head_alone, body)
            }
            Asked::Otherwise => ("405 Method Not Allowed", false, String::new()),
            Asked::Nonsense => ("400 Bad Request", false, String::new()),
        };
        let format = match status {
            "200 OK" => FORMAT,
            _ => "text/plain; charset=utf-8",
        };
        let allow = match status {
            "405 Method Not Allowed" => "Allow: GET, HEAD\r\n",
            _ => "",
        };
        let length = body.len();
        let mut answer = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {format}\r\nContent-Length: {length}\r\n{allow}\
             Connection: close\r\n\r\n"
        );
        if !head_alone {
            answer.push_str(&body);
        }
        write_before(&mut stream, answer.as_bytes(), Instant::now() + PATIENCE)
    }

    /// What is counted, at most [`FRESH`] old. Who comes while it is asked for waits for the same answer.
    fn metrics(&self) -> Option<String> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, text)) = &*last
            && at.elapsed() < FRESH
        {
            return Some(text.clone());
        }
        let (answer, reply) = mpsc::channel();
        let request = Request::Metrics;
        if !self.handle.send(Event::Asked { request, answer }) {
            return None;
        }
        match reply.recv_timeout(ANSWER) {
            Ok(Reply::Done { output, .. }) => {
                *last = Some((Instant::now(), output.clone()));
                Some(output)
            }
            _ => None,
        }
    }
}

/// What a client asks for.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Metrics {
        /// It wants the answer's head alone.
        head_alone: bool,
    },
    Elsewhere {
        head_alone: bool,
    },
    /// By a method that is none here.
    Otherwise,
    Nonsense,
}

/// Reads no more than the head: no request for metrics has a body.
fn read_head(stream: &mut TcpStream, deadline: Instant) -> io::Result<Asked> {
    let mut head = Vec::new();
    let mut buffer = [0; 1024];
    loop {
        stream.set_read_timeout(Some(left(deadline)?))?;
        let length = stream.read(&mut buffer)?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        head.extend_from_slice(buffer.get(..length).unwrap_or_default());
        if head.len() > LONGEST_HEAD {
            return Ok(Asked::Nonsense);
        }
        if let Some(asked) = understand(&head) {
            return Ok(asked);
        }
    }
}

/// `None`: there is more to come.
fn understand(head: &[u8]) -> Option<Asked> {
    let mut fields = [httparse::EMPTY_HEADER; MOST_FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    match request.parse(head) {
        Ok(httparse::Status::Partial) => return None,
        Ok(httparse::Status::Complete(_)) => {}
        Err(_) => return Some(Asked::Nonsense),
    }
    let head_alone = match request.method {
        Some("GET") => false,
        Some("HEAD") => true,
        _ => return Some(Asked::Otherwise),
    };
    let path = request.path.unwrap_or_default();
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    Some(match path {
        "/metrics" => Asked::Metrics { head_alone },
        _ => Asked::Elsewhere { head_alone },
    })
}

fn write_before(stream: &mut TcpStream, mut bytes: &[u8], deadline: Instant) -> io::Result<()> {
    while !bytes.is_empty() {
        stream.set_write_timeout(Some(left(deadline)?))?;
        let written = stream.write(bytes)?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        bytes = bytes.get(written..).unwrap_or_default();
    }
    Ok(())
}

/// How much time is left, which is some.
fn left(deadline: Instant) -> io::Result<Duration> {
    match deadline.saturating_duration_since(Instant::now()) {
        Duration::ZERO => Err(io::ErrorKind::TimedOut.into()),
        left => Ok(left),
    }
}

#[cfg(test)]
mod tests;
