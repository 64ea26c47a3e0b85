//! The matrices and the table of attacks.

use std::fmt::Write;

use super::super::matrix::Cell;
use super::super::prediction::Denial;
use super::super::report::Report;
use super::super::services::SERVICES;
use crate::output::{Style, paint};

const ANSWERED: char = '●';
const SILENT: char = '·';
const WRONG: char = '!';

/// The rules that deny something, in the order in which they appear; their letters are their places.
struct Deniers<'a>(Vec<(&'a Denial, usize)>);

impl<'a> Deniers<'a> {
    fn of(report: &'a Report) -> Self {
        let mut found: Vec<(&Denial, usize)> = Vec::new();
        for denial in report
            .cells
            .iter()
            .filter_map(|cell| cell.denied_by.as_ref())
        {
            match found.iter_mut().find(|(known, _)| same(known, denial)) {
                Some((_, count)) => *count = count.saturating_add(1),
                None => found.push((denial, 1)),
            }
        }
        Self(found)
    }

    fn letter(&self, denial: &Denial) -> char {
        let place = self.0.iter().position(|(known, _)| same(known, denial));
        letter(place.unwrap_or(usize::MAX))
    }
}

fn letter(place: usize) -> char {
    ('a'..='z').chain('A'..='Z').nth(place).unwrap_or('?')
}

fn same(one: &Denial, other: &Denial) -> bool {
    (&one.text, &one.place) == (&other.text, &other.place)
}

pub(super) fn matrices(page: &mut String, report: &Report) -> std::fmt::Result {
    let names: Vec<&str> = SERVICES.iter().map(|service| service.name).collect();
    writeln!(page)?;
    writeln!(page, "{}", paint(Style::Strong, "Who reaches whom"))?;
    writeln!(
        page,
        "  Five questions in each cell: {}. {} is an answer.",
        names.join(", "),
        paint(Style::Good, &ANSWERED.to_string())
    )?;
    let deniers = Deniers::of(report);
    let before = |cell: &Cell| if cell.before { ANSWERED } else { SILENT };
    let after = |cell: &Cell| match &cell.denied_by {
        _ if !cell.agrees() => WRONG,
        None => ANSWERED,
        Some(denial) => deniers.letter(denial),
    };
    matrix(page, report, "without moat", &before)?;
    matrix(page, report, "with moat", &after)?;
    writeln!(page)?;
    for (place, (denial, count)) in deniers.0.iter().enumerate() {
        writeln!(
            page,
            "  {} {:<56} {:<32} {}",
            paint(Style::Bad, &letter(place).to_string()),
            clipped(&denial.text, 56),
            denial.place.as_deref().unwrap_or(""),
            paint(Style::Faint, &format!("{count}×"))
        )?;
    }
    Ok(())
}

/// One matrix where both IP versions fare alike, else one each.
fn matrix(
    page: &mut String,
    report: &Report,
    title: &str,
    glyph: &dyn Fn(&Cell) -> char,
) -> std::fmt::Result {
    let one = |ipv6: bool| -> Vec<Vec<String>> {
        let machines = || report.machines.iter();
        let row = |from: &str| {
            machines()
                .map(|to| glyphs(report, from, &to.name, ipv6, glyph))
                .collect()
        };
        machines().map(|from| row(&from.name)).collect()
    };
    let (four, six) = (one(false), one(true));
    let empty = |rows: &Vec<Vec<String>>| rows.iter().flatten().all(String::is_empty);
    let versions = match (four == six, empty(&four), empty(&six)) {
        (true, ..) => vec![("IPv4 and IPv6 alike", four)],
        (_, true, _) => vec![("IPv6", six)],
        (_, _, true) => vec![("IPv4", four)],
        _ => vec![("IPv4", four), ("IPv6", six)],
    };
    for (version, rows) in versions {
        let answered: usize = rows
            .iter()
            .flatten()
            .map(|cell| cell.matches(ANSWERED).count())
            .sum();
        let asked: usize = rows.iter().flatten().map(|cell| cell.chars().count()).sum();
        writeln!(page)?;
        writeln!(
            page,
            "  {}, {version}: {answered} of {asked} answered",
            paint(Style::Strong, title)
        )?;
        write!(page, "  {:<12}", "from \\ to")?;
        for machine in &report.machines {
            write!(page, "{:<10}", clipped(&machine.name, 9))?;
        }
        writeln!(page)?;
        for (machine, row) in report.machines.iter().zip(&rows) {
            write!(page, "  {:<12}", clipped(&machine.name, 11))?;
            for cell in row {
                write!(page, "{}", painted(cell))?;
            }
            writeln!(page)?;
        }
    }
    Ok(())
}

fn glyphs(
    report: &Report,
    from: &str,
    to: &str,
    ipv6: bool,
    glyph: &dyn Fn(&Cell) -> char,
) -> String {
    let cells = report.cells.iter();
    cells
        .filter(|cell| cell.from == from && cell.to == to && cell.ipv6 == ipv6)
        .map(glyph)
        .collect()
}

/// A cell, ten columns wide.
fn painted(cell: &str) -> String {
    let mut text: String = cell
        .chars()
        .map(|glyph| match glyph {
            ANSWERED => paint(Style::Good, "●"),
            WRONG => paint(Style::Bad, "!"),
            other => paint(Style::Bad, &other.to_string()),
        })
        .collect();
    text.push_str(&" ".repeat(10_usize.saturating_sub(cell.chars().count())));
    text
}

pub(super) fn attacks(page: &mut String, report: &Report) -> std::fmt::Result {
    if report.attacks.is_empty() {
        return Ok(());
    }
    writeln!(page)?;
    writeln!(page, "{}", paint(Style::Strong, "Attacks"))?;
    writeln!(
        page,
        "  {:<37}{:<19}{:<9}{:<9}{}",
        "frame", "from → to", "without", "with moat, decided by", ""
    )?;
    for attack in &report.attacks {
        let to = match attack.victims {
            1 => attack.to.clone(),
            many => format!("{many} machines"),
        };
        let (decider, place) = match &attack.denied_by {
            Some(denial) => (denial.text.as_str(), denial.place.as_deref().unwrap_or("")),
            None => ("", ""),
        };
        let after = outcome(attack.after, attack.victims);
        let after = match attack.agrees {
            false => paint(Style::Bad, &format!("{after:<9}")),
            true if attack.after > 0 => paint(Style::Bad, &format!("{after:<9}")),
            true => paint(Style::Good, &format!("{after:<9}")),
        };
        let before = format!("{:<9}", outcome(attack.before, attack.victims));
        let before = if attack.before > 0 {
            paint(Style::Bad, &before)
        } else {
            before
        };
        writeln!(
            page,
            "  {:<37}{:<19}{before}{after}{}",
            clipped(&attack.name, 36),
            clipped(&format!("{} → {to}", attack.from), 18),
            clipped(decider, 26),
        )?;
        if !place.is_empty() {
            writeln!(page, "{:>76}{}", "", paint(Style::Faint, place))?;
        }
    }
    Ok(())
}

fn outcome(reached: usize, victims: usize) -> String {
    match (reached, victims) {
        (0, _) => "stopped".to_owned(),
        (_, 1) => "arrives".to_owned(),
        (some, all) if some == all => format!("all {all}"),
        (some, all) => format!("{some} of {all}"),
    }
}

fn clipped(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept = text.chars().take(width.saturating_sub(1));
    kept.chain(std::iter::once('…')).collect()
}
