//! What was measured, as people read it: one line for each kind of work, the bar beside it.

use std::time::Duration;

/// Several runs of the same work.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sample(Vec<Duration>);

impl Sample {
    pub(crate) fn push(&mut self, run: Duration) {
        self.0.push(run);
        self.0.sort_unstable();
    }

    pub(crate) fn of(runs: u32, mut work: impl FnMut() -> Duration) -> Self {
        let mut sample = Self::default();
        for _ in 0..runs {
            sample.push(work());
        }
        sample
    }

    pub(crate) fn median(&self) -> Duration {
        self.0.get(self.0.len() / 2).copied().unwrap_or_default()
    }

    /// Median, fastest and slowest run.
    pub(crate) fn text(&self) -> String {
        let (first, last) = (self.0.first(), self.0.last());
        format!(
            "{} ({}–{})",
            short(self.median()),
            short(first.copied().unwrap_or_default()),
            short(last.copied().unwrap_or_default())
        )
    }
}

/// Three figures and a unit.
pub(crate) fn short(time: Duration) -> String {
    let nanoseconds = time.as_nanos() as f64;
    let (value, unit) = match time.as_nanos() {
        0..10_000 => return format!("{nanoseconds:.0} ns"),
        10_000..1_000_000 => (nanoseconds / 1e3, "µs"),
        1_000_000..1_000_000_000 => (nanoseconds / 1e6, "ms"),
        _ => (nanoseconds / 1e9, "s"),
    };
    let digits = if value < 10.0 {
        2
    } else {
        usize::from(value < 100.0)
    };
    format!("{value:.digits$} {unit}")
}

/// All lines, printed as they come so that a long run is not silent.
#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) missed: Vec<String>,
}

impl Table {
    pub(crate) fn head(&self, title: &str) {
        println!("\n{title}");
        println!(
            "{:<58} {:>12} {:>30}  ",
            "work", "bar", "moat: median (fastest–slowest)"
        );
    }

    /// A line with a bar.
    pub(crate) fn judged(&mut self, work: &str, bar: &str, met: bool, found: &str) {
        let verdict = if met { "" } else { "MISSED" };
        println!("{work:<58} {bar:>12} {found:>30}  {verdict}");
        if !met {
            self.missed.push(format!("{work}: {found}, bar {bar}"));
        }
    }

    pub(crate) fn timed(&mut self, work: &str, bar: Duration, sample: &Sample) {
        let limit = format!("≤ {}", short(bar));
        self.judged(work, &limit, sample.median() <= bar, &sample.text());
    }

    /// A line without one: a part of the line above, or what others take for the same.
    pub(crate) fn beside(&self, what: &str, found: &str) {
        println!("{:<58} {:>12} {found:>30}  ", format!("  {what}"), "");
    }
}
