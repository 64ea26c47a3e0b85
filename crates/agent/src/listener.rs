//! The agent's Unix socket: who may ask, and how a question becomes an event. Knows connections and
//! their limits; answers are left to the loop.

use std::fs::{self, Permissions};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::time::Duration;

use rustix::net::sockopt::socket_peercred;

use crate::event::Event;
use crate::protocol::{LONGEST_LINE, Reply, Request};

/// How long a client may take to ask or to read.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the loop may take to answer.
const ANSWER: Duration = Duration::from_secs(60);
/// Clients that are served at once; a client more is told to come again.
const CLIENTS: usize = 64;

/// Who may ask for what.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// Users besides root who may call hooks (`oneadmin`).
    pub users: Vec<u32>,
    /// The group that the socket is given to, so that those users may open it.
    pub group: Option<u32>,
}

impl Access {
    /// Root and the agent's own user may everything, hooks' users call hooks and look.
    fn allows(&self, user: u32, request: &Request) -> bool {
        let own = rustix::process::geteuid().as_raw();
        user == 0
            || user == own
            || (self.users.contains(&user)
                && matches!(
                    request,
                    Request::Hook { .. } | Request::Status | Request::Metrics
                ))
    }
}

/// Listens at the path until the process ends.
///
/// # Errors
/// Where the socket cannot be made, or another agent listens there.
pub fn listen(path: &Path, access: Access, events: Sender<Event>) -> io::Result<()> {
    if UnixStream::connect(path).is_ok() {
        return Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            "another agent listens there",
        ));
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    // Until the group is set nobody but the owner gets in.
    fs::set_permissions(path, Permissions::from_mode(0o600))?;
    if let Some(group) = access.group {
        chown(path, None, Some(group))?;
        fs::set_permissions(path, Permissions::from_mode(0o660))?;
    }
    let access = Arc::new(access);
    let clients = Arc::new(AtomicUsize::new(0));
    std::thread::Builder::new()
        .name("socket".to_owned())
        .spawn(move || {
            for stream in listener.incoming() {
                match stream {
                    Ok(stream) => admit(stream, &access, &clients, &events),
                    // Out of descriptors: others will close theirs.
                    Err(_) => std::thread::sleep(Duration::from_millis(50)),
                }
            }
        })?;
    Ok(())
}

fn admit(
    stream: UnixStream,
    access: &Arc<Access>,
    clients: &Arc<AtomicUsize>,
    events: &Sender<Event>,
) {
    if clients.fetch_add(1, Ordering::SeqCst) >= CLIENTS {
        clients.fetch_sub(1, Ordering::SeqCst);
        let busy = "the agent serves as many clients as it can; try again";
        let _ = answer(&stream, &refused(busy));
        return;
    }
    let (access, clients, events) = (Arc::clone(access), Arc::clone(clients), events.clone());
    let released = Arc::clone(&clients);
    let spawned = std::thread::Builder::new()
        .name("client".to_owned())
        .spawn(move || {
            let reply = serve(&stream, &access, &events).unwrap_or_else(|error| refused(&error));
            // Who does not wait for the answer does not want it.
            let _ = answer(&stream, &reply);
            clients.fetch_sub(1, Ordering::SeqCst);
        });
    if spawned.is_err() {
        released.fetch_sub(1, Ordering::SeqCst);
    }
}

fn refused(message: &str) -> Reply {
    Reply::Refused {
        message: message.to_owned(),
    }
}

fn serve(stream: &UnixStream, access: &Access, events: &Sender<Event>) -> Result<Reply, String> {
    let failed = |error: io::Error| format!("the agent cannot read the question: {error}");
    stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
    stream.set_write_timeout(Some(PATIENCE)).map_err(failed)?;
    let user = socket_peercred(stream)
        .map_err(|error| failed(error.into()))?
        .uid
        .as_raw();
    let longest = u64::try_from(LONGEST_LINE).unwrap_or(u64::MAX);
    let mut line = Vec::new();
    BufReader::new(stream.take(longest))
        .read_until(b'\n', &mut line)
        .map_err(failed)?;
    let request: Request = serde_json::from_slice(&line)
        .map_err(|error| format!("the agent does not understand the question: {error}"))?;
    if !access.allows(user, &request) {
        return Err(format!(
            "user {user} may not ask this of the agent; root and the users it was started with \
             (--allow-user) may"
        ));
    }
    let (sender, receiver) = mpsc::channel();
    let asked = Event::Asked {
        request,
        answer: sender,
    };
    events
        .send(asked)
        .map_err(|_| "the agent is ending".to_owned())?;
    receiver.recv_timeout(ANSWER).map_err(|_| {
        "the agent did not answer in time; nothing is known to have changed".to_owned()
    })
}

fn answer(mut stream: &UnixStream, reply: &Reply) -> io::Result<()> {
    let mut line = serde_json::to_vec(reply)?;
    line.push(b'\n');
    stream.write_all(&line)
}
