//! `moat apply --confirm` and `moat confirm`: the user's side of a change that goes back by itself.
//! Knows terminals and waiting; going back is the work of `guardian`, a process of its own.

use std::io::{self, BufRead as _, BufReader, IsTerminal as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::json;

use crate::fault::{Failure, Outcome};
use crate::guardian;
use crate::output::{self, Style, paint};

/// The guardian reads one table and binds one socket before it is ready.
const READY_WITHIN: Duration = Duration::from_secs(20);

#[derive(Args, Debug)]
pub(crate) struct ConfirmArguments {
    /// Go back at once instead of keeping the change
    #[arg(long)]
    pub revert: bool,
}

/// `moat confirm`.
///
/// # Errors
/// Where nothing waits for confirmation.
pub(crate) fn confirm(arguments: &ConfirmArguments, as_json: bool) -> Result<Outcome, Failure> {
    let word = if arguments.revert {
        "revert"
    } else {
        "confirm"
    };
    let Some(answer) = guardian::ask(word)? else {
        return Err(Failure::state(
            "no change waits for confirmation in this network namespace",
        )
        .help("a change that was not confirmed in time has gone back already: `moat status` shows what is in force"));
    };
    if answer.starts_with("failed") {
        return Err(Failure::system(format!("going back {answer}")));
    }
    if as_json {
        output::json(&json!({ "answer": answer }));
    } else if arguments.revert {
        output::line("Gone back: what was in force before is in force again.");
    } else {
        output::line("Confirmed: the change stays.");
    }
    Ok(Outcome::Fine)
}

/// Refuses to change anything under the feet of a change that may go back.
///
/// # Errors
/// Where one waits.
pub(crate) fn refuse_while_pending() -> Result<(), Failure> {
    match guardian::ask("status")? {
        None => Ok(()),
        Some(left) => Err(Failure::state(format!(
            "an earlier change waits for confirmation ({left} s left); nothing was changed"
        ))
        .help("keep it with `moat confirm`, or go back with `moat confirm --revert`")),
    }
}

/// A guardian that is ready to go back.
pub(crate) struct Guard {
    child: Child,
    events: Receiver<Event>,
    sender: mpsc::Sender<Event>,
    deadline: Instant,
}

enum Event {
    Guardian(String),
    GuardianGone,
    Typed(String),
}

/// Starts a guardian, which reads what is in force now.
///
/// # Errors
/// Where it cannot do its work: nothing must be changed then.
pub(crate) fn prepare(time: Duration) -> Result<Guard, Failure> {
    let unable = |error: io::Error| {
        Failure::system(format!(
            "cannot start the process that would go back: {error}; nothing was changed"
        ))
    };
    // The running program, also where its file was replaced meanwhile.
    let mut child = Command::new("/proc/self/exe")
        .args(["guardian", "--milliseconds", &time.as_millis().to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(unable)?;
    let (sender, events) = mpsc::channel();
    if let Some(stdout) = child.stdout.take() {
        let sender = sender.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(Event::Guardian(line)).is_err() {
                    return;
                }
            }
            let _ = sender.send(Event::GuardianGone);
        });
    }
    match events.recv_timeout(READY_WITHIN) {
        Ok(Event::Guardian(word)) if word == "ready" => Ok(Guard {
            child,
            events,
            sender,
            deadline: Instant::now()
                .checked_add(time)
                .unwrap_or_else(Instant::now),
        }),
        Ok(Event::Guardian(reason)) => {
            Err(Failure::system(format!("{reason}; nothing was changed")))
        }
        _ => {
            let _ = child.kill();
            let _ = child.wait();
            Err(Failure::system(
                "the process that would go back did not become ready; nothing was changed",
            ))
        }
    }
}

impl Guard {
    /// There is nothing to go back from.
    pub(crate) fn dismiss(mut self) {
        let _ = guardian::ask("confirm");
        let _ = self.child.wait();
    }

    /// Waits for the user's word or the end of the time.
    ///
    /// # Errors
    /// Where the guardian died or could not go back.
    pub(crate) fn wait(mut self) -> Result<Outcome, Failure> {
        let sender = self.sender.clone();
        std::thread::spawn(move || {
            for line in io::stdin().lock().lines().map_while(Result::ok) {
                if sender.send(Event::Typed(line)).is_err() {
                    return;
                }
            }
        });
        output::note(format!(
            "{} Type `yes` to keep the change, `no` to go back now; or run `moat confirm` elsewhere.\n\
             Without a word it goes back by itself, also when this terminal is gone.",
            paint(Style::Warning, "Waiting for confirmation.")
        ));
        let terminal = io::stderr().is_terminal();
        loop {
            if terminal {
                let left = self.deadline.saturating_duration_since(Instant::now());
                let _ = write!(io::stderr(), "\r\x1b[K{} s left > ", left.as_secs());
            }
            match self.events.recv_timeout(Duration::from_secs(1)) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Event::Typed(word)) => match word.trim() {
                    "yes" | "y" => drop(guardian::ask("confirm")?),
                    "" if io::stdin().is_terminal() => drop(guardian::ask("confirm")?),
                    "no" | "n" => drop(guardian::ask("revert")?),
                    _ => output::note("Type `yes` to keep the change, `no` to go back."),
                },
                Ok(Event::Guardian(word)) => return self.ended(&word),
                Ok(Event::GuardianGone) | Err(RecvTimeoutError::Disconnected) => {
                    return Err(Failure::system(
                        "the process that would have gone back is gone: the change stays in force",
                    )
                    .help("`moat status` shows what is in force"));
                }
            }
        }
    }

    fn ended(&mut self, word: &str) -> Result<Outcome, Failure> {
        let _ = self.child.wait();
        if io::stderr().is_terminal() {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
        match word {
            "confirmed" => {
                output::note("Confirmed: the change stays.");
                Ok(Outcome::Fine)
            }
            "restored" => {
                output::note("Not confirmed: what was in force before is in force again.");
                Ok(Outcome::Findings)
            }
            reason => Err(Failure::system(format!("going back {reason}")).help(
                "`moat status` shows what is in force; `moat apply` brings documents into force",
            )),
        }
    }
}

/// Asks on the terminal.
///
/// # Errors
/// Where there is none to ask on.
pub(crate) fn ask(question: &str) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() {
        return Err(
            Failure::usage("there is no terminal to ask on; nothing was changed")
                .help("say --yes to do it without being asked"),
        );
    }
    let _ = write!(io::stderr(), "{question} Type `yes` to do it: ");
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer);
    Ok(read.is_ok() && answer.trim() == "yes")
}
