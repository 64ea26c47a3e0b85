//! The process behind `moat apply --confirm`: it holds what was in force, and puts it back unless
//! somebody confirms in time. It has a session of its own, so that neither a closed terminal nor a
//! lost ssh connection ends it. What it cannot survive is SIGKILL and a reboot.

use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use clap::Args;
use datapath::{Datapath, DatapathError};
use datapath_nftables::{Installed, NftablesDatapath, Ruleset, difference};

use crate::fault::{Failure, Outcome};
use crate::situation;

const ATTEMPTS: u32 = 50;
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

#[derive(Args, Debug)]
pub(crate) struct GuardianArguments {
    /// How long to wait for confirmation
    #[arg(long)]
    pub milliseconds: u64,
}

/// Where moat keeps what belongs to the present network namespace; gone with a reboot, as the
/// switch's contents are.
///
/// # Errors
/// Without /proc.
pub(crate) fn folder() -> io::Result<PathBuf> {
    let namespace = std::fs::metadata("/proc/thread-self/ns/net")?.ino();
    Ok(PathBuf::from(format!("/run/moat/{namespace}")))
}

/// Makes the folder, for root alone.
///
/// # Errors
/// As mkdir(2).
pub(crate) fn make_folder() -> io::Result<PathBuf> {
    let folder = folder()?;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder)?;
    Ok(folder)
}

/// Asks the guardian of this network namespace; `None` where there is none.
///
/// # Errors
/// Where it does not answer.
pub(crate) fn ask(word: &str) -> Result<Option<String>, Failure> {
    let silent = |error: io::Error| {
        Failure::system(format!(
            "the process that waits for confirmation does not answer: {error}"
        ))
    };
    let path = folder().map_err(silent)?.join("confirm");
    let mut stream = match UnixStream::connect(&path) {
        Ok(stream) => stream,
        // Nothing there, or what a guardian left behind that was killed.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
            ) =>
        {
            return Ok(None);
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return Err(Failure::system(
                "only root may ask about changes that wait for confirmation; nothing was changed",
            )
            .help("run it as root: sudo moat …"));
        }
        Err(error) => return Err(silent(error)),
    };
    stream
        .set_read_timeout(Some(ANSWER_WITHIN))
        .map_err(silent)?;
    stream.write_all(word.as_bytes()).map_err(silent)?;
    stream.shutdown(std::net::Shutdown::Write).map_err(silent)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map_err(silent)?;
    Ok(Some(answer))
}

/// Becomes the guardian. Its standard output tells the process that started it how things stand.
///
/// # Errors
/// None that anybody would see: they are told on standard output.
pub(crate) fn run(arguments: &GuardianArguments) -> Result<Outcome, Failure> {
    let _ = rustix::process::setsid();
    let prepared = prepare();
    let (mut datapath, before, listener) = match prepared {
        Ok(prepared) => prepared,
        Err(failure) => {
            tell(&failure.message);
            return Ok(Outcome::Findings);
        }
    };
    tell("ready");
    let deadline = Instant::now()
        .checked_add(Duration::from_millis(arguments.milliseconds))
        .unwrap_or_else(Instant::now);
    let end = wait(listener, deadline);
    let word = match &end {
        End::Confirmed(_) => "confirmed".to_owned(),
        End::Revert(_) | End::Silence => match restore(&mut datapath, &before) {
            Ok(()) => "restored".to_owned(),
            Err(error) => format!("failed: {error}"),
        },
    };
    if let Ok(folder) = folder() {
        let _ = std::fs::remove_file(folder.join("confirm"));
    }
    if let End::Confirmed(mut stream) | End::Revert(mut stream) = end {
        let _ = stream.write_all(word.as_bytes());
    }
    tell(&word);
    Ok(Outcome::Fine)
}

fn prepare() -> Result<(NftablesDatapath, Installed, UnixListener), Failure> {
    let mut datapath = situation::open()?;
    let before = datapath.read()?;
    let bind = || {
        let path = make_folder()?.join("confirm");
        match UnixListener::bind(&path) {
            Err(error)
                if error.kind() == io::ErrorKind::AddrInUse
                    && UnixStream::connect(&path).is_err() =>
            {
                std::fs::remove_file(&path)?;
                UnixListener::bind(&path)
            }
            other => other,
        }
    };
    let listener = bind().map_err(|error: io::Error| {
        Failure::system(format!(
            "cannot wait for confirmation in /run/moat: {error}"
        ))
    })?;
    Ok((datapath, before, listener))
}

enum End {
    Confirmed(UnixStream),
    Revert(UnixStream),
    Silence,
}

fn wait(listener: UnixListener, deadline: Instant) -> End {
    let (sender, asked) = mpsc::channel();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
            let mut word = String::new();
            let limited = io::Read::by_ref(&mut stream)
                .take(16)
                .read_to_string(&mut word);
            if limited.is_ok() && sender.send((word, stream)).is_err() {
                return;
            }
        }
    });
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match asked.recv_timeout(left) {
            Ok((word, mut stream)) => match word.as_str() {
                "confirm" => return End::Confirmed(stream),
                "revert" => return End::Revert(stream),
                _ => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    let _ = stream.write_all(left.as_secs().to_string().as_bytes());
                }
            },
            Err(RecvTimeoutError::Timeout) => return End::Silence,
            Err(RecvTimeoutError::Disconnected) => {
                std::thread::sleep(left);
                return End::Silence;
            }
        }
    }
}

/// Changes whatever is installed by now to what was installed before.
fn restore(datapath: &mut NftablesDatapath, before: &Installed) -> Result<(), DatapathError> {
    let mut attempts = 0_u32;
    loop {
        attempts = attempts.saturating_add(1);
        let result = match &before.contents {
            None => datapath.remove(),
            Some(contents) => {
                let now = datapath.read()?;
                let wanted = Ruleset::of(contents);
                let change = difference(now.contents.as_ref(), Some(now.generation), &wanted);
                datapath.commit(&change)
            }
        };
        match result {
            Err(DatapathError::Changed) if attempts < ATTEMPTS => {}
            result => return result,
        }
    }
}

fn tell(word: &str) {
    // Nobody may be listening any more.
    let _ = writeln!(io::stdout(), "{word}").and_then(|()| io::stdout().flush());
}
