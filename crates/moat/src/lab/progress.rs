//! What the lab is doing right now, for whoever waits: one line that replaces itself on a terminal, a line
//! for each step elsewhere, marked lines on a guest's console.

use std::io::{self, IsTerminal, Write};

/// Before a step's text on a guest's console.
pub(super) const STEP: &str = "moat lab step: ";
/// Before a detail's text on a guest's console.
pub(super) const DETAIL: &str = "moat lab detail: ";

/// Where progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// One line on standard error that replaces itself.
    Terminal,
    /// Steps as lines on standard error, without details.
    Lines,
    /// Everything as marked lines on standard output.
    Console,
}

impl Progress {
    /// As standard error is.
    pub(super) fn for_people() -> Self {
        if io::stderr().is_terminal() {
            Self::Terminal
        } else {
            Self::Lines
        }
    }

    /// Something begins.
    pub(super) fn step(self, text: &str) {
        match self {
            Self::Terminal => self.replace(text),
            Self::Lines => eprintln!("{text}"),
            Self::Console => println!("{STEP}{text}"),
        }
    }

    /// It goes on.
    pub(super) fn detail(self, text: &str) {
        match self {
            Self::Terminal => self.replace(text),
            Self::Lines => {}
            Self::Console => println!("{DETAIL}{text}"),
        }
    }

    /// What a guest's console says, if it is progress.
    pub(super) fn relay(self, line: &str) {
        if let Some(text) = line.strip_prefix(STEP) {
            self.step(text);
        } else if let Some(text) = line.strip_prefix(DETAIL) {
            self.detail(text);
        }
    }

    /// Makes room for other output.
    pub(super) fn clear(self) {
        if self == Self::Terminal {
            self.replace("");
        }
    }

    fn replace(self, text: &str) {
        let mut errors = io::stderr().lock();
        let shown: String = text.chars().take(76).collect();
        let dots = if shown.is_empty() { "" } else { " …" };
        // Nothing to do about a terminal that went away.
        let _ = write!(errors, "\r\x1b[K{shown}{dots}").and_then(|()| errors.flush());
    }
}
