//! What was measured, as people read it: one line for each kind of work, the bar beside it.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// One run: by the clock on the wall, and of this thread's processor alone, which other work on the
/// machine does not lengthen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Run {
    pub(crate) wall: Duration,
    pub(crate) thread: Duration,
}

/// Two clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lap {
    start: (Instant, Duration),
    last: (Instant, Duration),
}

impl Lap {
    pub(crate) fn start() -> Self {
        let now = (Instant::now(), thread_time());
        Self {
            start: now,
            last: now,
        }
    }

    /// Since the last call.
    pub(crate) fn next(&mut self) -> Run {
        let before = std::mem::replace(&mut self.last, (Instant::now(), thread_time()));
        since(before, self.last)
    }

    pub(crate) fn whole(&self) -> Run {
        since(self.start, (Instant::now(), thread_time()))
    }
}

fn since(before: (Instant, Duration), now: (Instant, Duration)) -> Run {
    Run {
        wall: now.0 - before.0,
        thread: now.1 - before.1,
    }
}

pub(crate) fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Several runs of the same work.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sample(Vec<Run>);

impl Sample {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn push(&mut self, run: Run) {
        self.0.push(run);
        self.0.sort_unstable();
    }

    pub(crate) fn median(&self) -> Duration {
        self.0
            .get(self.0.len() / 2)
            .map_or(Duration::ZERO, |run| run.wall)
    }

    fn thread(&self) -> Duration {
        let mut times: Vec<Duration> = self.0.iter().map(|run| run.thread).collect();
        times.sort_unstable();
        times.get(times.len() / 2).copied().unwrap_or_default()
    }

    /// Median, fastest and slowest run, and what the thread itself took.
    pub(crate) fn text(&self) -> String {
        let wall = |run: Option<&Run>| short(run.map_or(Duration::ZERO, |run| run.wall));
        format!(
            "{} ({}–{}; cpu {})",
            short(self.median()),
            wall(self.0.first()),
            wall(self.0.last()),
            short(self.thread())
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
            "{:<58} {:>12} {:>44}  ",
            "work", "bar", "moat: median (fastest–slowest; cpu)"
        );
    }

    /// A line with a bar.
    pub(crate) fn judged(&mut self, work: &str, bar: &str, met: bool, found: &str) {
        let verdict = if met { "" } else { "MISSED" };
        println!("{work:<58} {bar:>12} {found:>44}  {verdict}");
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
        println!("{:<58} {:>12} {found:>44}  ", format!("  {what}"), "");
    }
}
