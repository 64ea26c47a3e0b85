//! The report as a page for people, 100 columns wide: the setup, the two matrices, the attacks, the verdict.
//! Knows layout and colour; what is in it was measured elsewhere.

mod house;
mod tables;

use std::env;
use std::fmt::Write;
use std::io::{self, IsTerminal};

use super::report::Report;

/// Columns of the page.
pub(super) const WIDTH: usize = 100;

/// How text is set off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Style {
    color: bool,
}

impl Style {
    /// Colour where standard output is a terminal and nobody objects (`NO_COLOR`).
    pub(super) fn of_output() -> Self {
        let objected = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            color: io::stdout().is_terminal() && !objected,
        }
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.color && !text.is_empty() {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    fn heading(self, text: &str) -> String {
        self.paint("1", text)
    }

    fn good(self, text: &str) -> String {
        self.paint("32", text)
    }

    fn bad(self, text: &str) -> String {
        self.paint("31", text)
    }

    fn wrong(self, text: &str) -> String {
        self.paint("1;37;41", text)
    }

    fn faint(self, text: &str) -> String {
        self.paint("2", text)
    }
}

/// The whole page.
pub(super) fn picture(report: &Report, style: &Style) -> String {
    let mut page = String::new();
    // Writing to a String cannot fail.
    let _ = write_page(&mut page, report, *style);
    page
}

fn write_page(page: &mut String, report: &Report, style: Style) -> std::fmt::Result {
    writeln!(page)?;
    writeln!(page, "{}", style.heading("The lab"))?;
    house::draw(page, report, style)?;
    if let Some(reason) = &report.guest_because {
        writeln!(page, "  {reason},")?;
        writeln!(
            page,
            "  so all of this ran in a small virtual machine with kernel {}.",
            report.kernel
        )?;
    } else {
        writeln!(
            page,
            "  Measured on this machine's own kernel, {}.",
            report.kernel
        )?;
    }
    let mut degraded = report.degraded.clone();
    degraded.sort();
    degraded.dedup();
    for instead in &degraded {
        writeln!(page, "  {}", style.bad(instead))?;
    }
    tables::matrices(page, report, style)?;
    tables::attacks(page, report, style)?;
    verdict(page, report, style)
}

fn verdict(page: &mut String, report: &Report, style: Style) -> std::fmt::Result {
    let measured = report.cells.len();
    let attempts: usize = report.attacks.iter().map(|attack| attack.victims).sum();
    writeln!(page)?;
    let wrong = report.disagreements();
    if wrong == 0 {
        writeln!(
            page,
            "{}",
            style.good(&format!(
                "All {measured} questions and {attempts} deliveries, each measured twice, are as the evaluator says,"
            ))
        )?;
        writeln!(page, "{}", style.good("and for everything denied the kernel's counter of the rule that denies it has moved."))?;
        return writeln!(page);
    }
    writeln!(
        page,
        "{}",
        style.wrong(&format!("{wrong} results are not as the evaluator says:"))
    )?;
    for cell in report.cells.iter().filter(|cell| !cell.agrees()) {
        let version = if cell.ipv6 { "IPv6" } else { "IPv4" };
        writeln!(
            page,
            "  {} → {} {} {version}: measured {}, expected {}",
            cell.from,
            cell.to,
            cell.service,
            answered(cell.after),
            cell.denied_by
                .as_ref()
                .map_or("an answer".to_owned(), expected)
        )?;
    }
    for attack in report.attacks.iter().filter(|attack| !attack.agrees) {
        writeln!(
            page,
            "  {} ({} → {}): reached {}, expected {}; {}",
            attack.name,
            attack.from,
            attack.to,
            attack.after,
            attack.expected,
            attack
                .denied_by
                .as_ref()
                .map_or("nothing denies it".to_owned(), expected)
        )?;
    }
    writeln!(page)
}

fn answered(yes: bool) -> &'static str {
    if yes { "an answer" } else { "silence" }
}

fn expected(denial: &super::prediction::Denial) -> String {
    let counted = if denial.counted {
        "counted"
    } else {
        "not counted by the kernel"
    };
    format!(
        "silence by {} at {} {} ({counted})",
        denial.decider, denial.port, denial.direction
    )
}
