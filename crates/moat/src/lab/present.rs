//! The report as a page for people, 100 columns wide: the setup, the two matrices, the attacks, the verdict.
//! Knows layout and colour; what is in it was measured elsewhere.

mod house;
mod tables;

use std::fmt::Write;

use super::body::Material;
use super::report::Report;
use crate::output::{Style, paint};

/// The whole page.
pub(super) fn picture(report: &Report) -> String {
    let mut page = String::new();
    // Writing to a String cannot fail.
    let _ = write_page(&mut page, report);
    let lines = page.lines().map(str::trim_end);
    lines.flat_map(|line| [line, "\n"]).collect()
}

fn write_page(page: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(page)?;
    writeln!(page, "{}", paint(Style::Strong, "The lab"))?;
    house::draw(page, report)?;
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
    if let Some(reason) = &report.untracked {
        writeln!(
            page,
            "  {}",
            paint(
                Style::Bad,
                format!("Less than the documents require: {reason}, so")
            )
        )?;
    }
    let mut degraded = report.degraded.clone();
    degraded.sort();
    degraded.dedup();
    for instead in &degraded {
        writeln!(page, "  {}", paint(Style::Bad, instead))?;
    }
    tables::matrices(page, report)?;
    tables::attacks(page, report)?;
    verdict(page, report)
}

fn verdict(page: &mut String, report: &Report) -> std::fmt::Result {
    let measured = report.cells.len();
    let attempts: usize = report.attacks.iter().map(|attack| attack.victims).sum();
    writeln!(page)?;
    let wrong = report.disagreements();
    if wrong == 0 {
        writeln!(
            page,
            "{}",
            paint(
                Style::Good,
                format!(
                    "All {measured} questions and {attempts} deliveries, each measured twice, are as the evaluator says,"
                )
            )
        )?;
        writeln!(
            page,
            "{}",
            paint(
                Style::Good,
                "and for everything denied the kernel's counter of the rule that denies it has moved."
            )
        )?;
        if report.guests == Material::Qemu {
            let agents = "What the agents have put into the kernel was read back, and is what the documents compile to.";
            writeln!(page, "{}", paint(Style::Good, agents))?;
        }
        let took = format!("All of it took {}.", duration(report.seconds));
        writeln!(page, "{}", paint(Style::Faint, took))?;
        return writeln!(page);
    }
    writeln!(
        page,
        "{}",
        paint(
            Style::Bad,
            format!("{wrong} results are not as the evaluator says:")
        )
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

fn duration(seconds: u64) -> String {
    match (seconds / 60, seconds % 60) {
        (0, seconds) => format!("{seconds} s"),
        (minutes, seconds) => format!("{minutes} min {seconds} s"),
    }
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
