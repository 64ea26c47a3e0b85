//! The matrices and the table of attacks.

use std::fmt::Write;

use super::super::assault::Assault;
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
        paint(Style::Good, ANSWERED.to_string())
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
    let places = Places::of(report);
    for (place, (denial, count)) in deniers.0.iter().enumerate() {
        writeln!(
            page,
            "  {}  {:<70} {:<20} {}",
            paint(Style::Bad, letter(place).to_string()),
            clipped(&denial.text, 70),
            places.short(denial),
            paint(Style::Faint, format!("{count}×"))
        )?;
    }
    places.explain(page)
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
            other => paint(Style::Bad, other.to_string()),
        })
        .collect();
    text.push_str(&" ".repeat(10_usize.saturating_sub(cell.chars().count())));
    text
}

pub(super) fn attacks(page: &mut String, report: &Report) -> std::fmt::Result {
    if report.attacks.is_empty() {
        return Ok(());
    }
    let places = Places::of(report);
    writeln!(page)?;
    writeln!(page, "{}", paint(Style::Strong, "Attacks"))?;
    writeln!(
        page,
        "  {:<35}{:<9}{:<9}decided by",
        "frame", "without", "with"
    )?;
    let pair = |attack: &Assault| (attack.from.clone(), attack.to.clone());
    let mut previous = None;
    for attack in &report.attacks {
        if previous.as_ref() != Some(&pair(attack)) {
            let line = format!("  from {} to {}", attack.from, attack.to);
            writeln!(page, "{}", paint(Style::Faint, line))?;
            previous = Some(pair(attack));
        }
        let text = |reached| format!("{:<9}", outcome(reached, attack.victims));
        let style = |bad| if bad { Style::Bad } else { Style::Good };
        let denial = attack.denied_by.as_ref();
        writeln!(
            page,
            "  {:<35}{}{}{:<31}{}",
            clipped(&attack.name, 34),
            paint(style(attack.before > 0), text(attack.before)),
            paint(
                style(attack.after > 0 || !attack.agrees),
                text(attack.after)
            ),
            clipped(denial.map_or("", |denial| &denial.text), 30),
            denial.map_or("", |denial| places.short(denial)),
        )?;
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

/// Where rules are written, without what all places have in common.
struct Places<'a> {
    folder: &'a str,
}

impl<'a> Places<'a> {
    fn of(report: &'a Report) -> Self {
        let cells = report
            .cells
            .iter()
            .filter_map(|cell| cell.denied_by.as_ref());
        let attacks = report
            .attacks
            .iter()
            .filter_map(|attack| attack.denied_by.as_ref());
        let mut folders = cells
            .chain(attacks)
            .filter_map(|denial| denial.place.as_deref())
            .map(|place| {
                place
                    .rfind('/')
                    .map_or("", |end| place.get(..=end).unwrap_or(""))
            });
        let first = folders.next().unwrap_or("");
        let shared = folders.all(|folder| folder == first);
        Self {
            folder: if shared { first } else { "" },
        }
    }

    /// File and line.
    fn short<'b>(&self, denial: &'b Denial) -> &'b str {
        let place = denial.place.as_deref().unwrap_or("");
        let place = place.strip_prefix(self.folder).unwrap_or(place);
        match place.match_indices(':').nth(1) {
            Some((column, _)) => place.get(..column).unwrap_or(place),
            None => place,
        }
    }

    fn explain(&self, page: &mut String) -> std::fmt::Result {
        if self.folder.is_empty() {
            return Ok(());
        }
        let line = format!(
            "  These letters stand for who says no; the files are in {}.",
            self.folder
        );
        writeln!(page, "{}", paint(Style::Faint, line))
    }
}
