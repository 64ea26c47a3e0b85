//! The hosts as boxes with their machines, and the wire between them.

use std::fmt::Write;

use super::super::body::Material;
use super::super::report::Report;
use crate::output::{Style, paint};

const BOX: usize = 42;
const WIRE: usize = 10;

pub(super) fn draw(page: &mut String, report: &Report) -> std::fmt::Result {
    let columns: Vec<Vec<String>> = (0..report.hosts.len())
        .map(|host| column(report, host))
        .collect();
    let rows = columns.iter().map(Vec::len).max().unwrap_or(0);
    let middle = rows / 2;
    let gap = |row: Option<usize>| match (&report.wire, row) {
        (Some(name), Some(row)) if row == middle => format!("╞{:═^WIRE$}╡", format!(" {name} ")),
        _ => String::new(),
    };
    let line = |left: &str, fill: &dyn Fn(usize) -> String, right: &str, row: Option<usize>| {
        let wired = !gap(row).is_empty();
        let mut text = String::from("  ");
        for host in 0..columns.len() {
            let last = host.saturating_add(1) == columns.len();
            let (opening, closing) = match wired {
                true if host == 0 => (left, ""),
                true if last => ("", right),
                _ => (left, right),
            };
            text.push_str(&format!("{opening}{}{closing}", fill(host)));
            if !last {
                let between = if wired { gap(row) } else { " ".repeat(WIRE) };
                text.push_str(&between);
            }
        }
        text
    };
    let title = |host: usize| {
        let name = report.hosts.get(host).map_or("", String::as_str);
        format!("{:─<BOX$}", format!("─ {name} "))
    };
    writeln!(page, "{}", line("┌", &title, "┐", None))?;
    for row in 0..rows {
        let text = |host: usize| {
            let own = columns.get(host).and_then(|column| column.get(row));
            format!("{:<BOX$}", own.map_or("", String::as_str))
        };
        writeln!(page, "{}", line("│", &text, "│", Some(row)))?;
    }
    writeln!(page, "{}", line("└", &|_| "─".repeat(BOX), "┘", None))?;
    writeln!(
        page,
        "{}",
        paint(
            Style::Faint,
            match report.guests {
                Material::Namespaces => {
                    "  Each host is a network namespace with a bridge, each machine one with an interface in it."
                }
                Material::Qemu => {
                    "  Each host is a libvirtd in namespaces of its own with moat's agent, each machine a guest of QEMU."
                }
            }
        )
    )
}

fn column(report: &Report, host: usize) -> Vec<String> {
    let machines = report
        .machines
        .iter()
        .filter(|machine| machine.host == host);
    machines
        .map(|machine| {
            let address = |at: usize| machine.addresses.get(at).map_or("", String::as_str);
            format!(
                " {:<8}{:<9}{:<10} {}",
                machine.name,
                machine.network,
                address(0),
                address(1)
            )
        })
        .collect()
}
