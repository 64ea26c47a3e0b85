//! What people and programs read: tables, colours, JSON. Knows terminals; what is said is left to
//! the commands.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value;

use crate::fault::Failure;

/// When to use colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    Always,
    Never,
}

/// How a word looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Good,
    Bad,
    Warning,
    Faint,
    Strong,
}

static COLOR: AtomicBool = AtomicBool::new(false);

/// Decides about colours, once, before anything is printed.
pub(crate) fn set_color(choice: Color) {
    let color = match choice {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => {
            let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
            let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
            io::stdout().is_terminal() && !refused && !dumb
        }
    };
    COLOR.store(color, Ordering::Relaxed);
}

pub(crate) fn color() -> bool {
    COLOR.load(Ordering::Relaxed)
}

/// The text in that style, where colours are on.
pub(crate) fn paint(style: Style, text: impl AsRef<str>) -> String {
    let text = text.as_ref();
    if !color() {
        return text.to_owned();
    }
    let code = match style {
        Style::Good => "32",
        Style::Bad => "31",
        Style::Warning => "33",
        Style::Faint => "2",
        Style::Strong => "1",
    };
    format!("\x1b[{code}m{text}\x1b[0m")
}

/// Columns of the terminal; wide where there is none.
pub(crate) fn width() -> usize {
    let columns = std::env::var("COLUMNS").ok();
    let set = columns.and_then(|columns| columns.parse().ok());
    set.or_else(|| Table::new().width().map(usize::from))
        .unwrap_or(120)
}

/// A table without lines, as programs and eyes like it.
pub(crate) struct Grid {
    table: Table,
    rows: usize,
}

impl Grid {
    pub(crate) fn new(header: &[&str]) -> Self {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        // Nobody reads a pipe at a certain width: there, rows stay lines.
        table.set_content_arrangement(if io::stdout().is_terminal() {
            ContentArrangement::Dynamic
        } else {
            ContentArrangement::Disabled
        });
        table.set_header(header.iter().map(|word| paint(Style::Strong, word)));
        Self { table, rows: 0 }
    }

    pub(crate) fn row<T: Into<comfy_table::Cell>>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.table.add_row(cells);
        self.rows = self.rows.saturating_add(1);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows == 0
    }
}

impl std::fmt::Display for Grid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for line in self.table.lines() {
            // The padding of the first column and behind the last.
            let line = line.trim_end();
            writeln!(f, "{}", line.strip_prefix(' ').unwrap_or(line))?;
        }
        Ok(())
    }
}

/// Writes to standard output. A reader that went away (`| head`) has seen enough.
pub(crate) fn print(text: &str) {
    let mut stdout = io::stdout().lock();
    let written = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
    if let Err(error) = written
        && error.kind() == io::ErrorKind::BrokenPipe
    {
        std::process::exit(0);
    }
}

pub(crate) fn line(text: impl AsRef<str>) {
    print(&format!("{}\n", text.as_ref()));
}

/// For people only: stays out of what programs read.
pub(crate) fn note(text: impl AsRef<str>) {
    let _ = writeln!(io::stderr(), "{}", text.as_ref());
}

pub(crate) fn json(value: &Value) {
    line(format!("{value:#}"));
}

/// One JSON value in a line: for commands that go on.
pub(crate) fn json_line(value: &Value) {
    line(value.to_string());
}

/// Tells why a command failed.
pub(crate) fn failure(failure: &Failure, as_json: bool) {
    if as_json {
        json(&failure.to_json());
        return;
    }
    let mut text = String::new();
    if let Some(diagnostics) = &failure.diagnostics {
        text.push_str(&diagnostics.render(color(), width()));
    } else {
        let _ = writeln!(text, "{} {}", paint(Style::Bad, "error:"), failure.message);
    }
    if let Some(help) = &failure.help {
        let _ = writeln!(text, "{} {help}", paint(Style::Strong, "help:"));
    }
    let _ = io::stderr().write_all(text.as_bytes());
}

/// `1 port`, `2 ports`.
pub(crate) fn count(number: usize, word: &str) -> String {
    match number {
        1 => format!("1 {word}"),
        number => format!("{number} {word}s"),
    }
}
