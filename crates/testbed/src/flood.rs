//! Load: frames sent without pause while something else happens, and what one frame costs.

use crate::link::Links;
use crate::raw_port::{PortError, RawPort};
use crate::settle::{PinnedThread, SettleError, Settler};
use crate::switch::{Switch, SwitchError, SwitchPort};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Frames between two looks at the clock or the stop flag: few enough never to fill a CPU's queue of 1,000.
const BATCH: usize = 64;

/// Why a flood broke off.
#[derive(Debug, thiserror::Error)]
pub enum FloodError {
    /// The port failed.
    #[error(transparent)]
    Port(#[from] PortError),
    /// Settling failed.
    #[error(transparent)]
    Settle(#[from] SettleError),
    /// Pinning failed.
    #[error("cannot keep a thread on its CPU: {0}")]
    Pin(#[source] std::io::Error),
    /// There is nothing to send.
    #[error("a flood needs at least one frame")]
    NoFrames,
}

/// What a flood has sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FloodReport {
    /// How often each of the frames was sent.
    pub rounds: u64,
    /// How long it took.
    pub elapsed: Duration,
}

/// A thread that sends frames round and round, none of which is ever lost on the way to the switch: after each batch
/// it waits until the kernel has carried every frame to its end. Dropping it stops it.
pub struct Flood {
    stop: Arc<AtomicBool>,
    rounds: Arc<AtomicU64>,
    thread: Option<JoinHandle<Result<FloodReport, FloodError>>>,
}

impl Flood {
    /// Starts sending `frames` in order, over and over, through `port`.
    pub fn start(port: RawPort, frames: Vec<Vec<u8>>) -> Result<Self, FloodError> {
        if frames.is_empty() {
            return Err(FloodError::NoFrames);
        }
        let settler = Settler::new()?;
        let stop = Arc::new(AtomicBool::new(false));
        let rounds = Arc::new(AtomicU64::new(0));
        let (seen, done) = (Arc::clone(&stop), Arc::clone(&rounds));
        let thread = std::thread::spawn(move || send_until(&port, &frames, &settler, &seen, &done));
        Ok(Self {
            stop,
            rounds,
            thread: Some(thread),
        })
    }

    /// How often each frame has been sent and has reached its end so far.
    pub fn rounds(&self) -> u64 {
        self.rounds.load(Ordering::Acquire)
    }

    /// Returns when each frame has been sent `more` times from now on, or when the flood has broken off.
    pub fn wait_for(&self, more: u64) {
        let target = self.rounds().saturating_add(more);
        let finished = || self.thread.as_ref().is_none_or(JoinHandle::is_finished);
        while self.rounds() < target && !finished() {
            std::thread::yield_now();
        }
    }

    /// Ends it; every frame sent has been delivered or dropped when this returns.
    pub fn stop(mut self) -> Result<FloodReport, FloodError> {
        self.stop.store(true, Ordering::Release);
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(report)) => report,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => Err(FloodError::NoFrames),
        }
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            // Its error or panic was either taken by `stop` or is of no interest any more.
            let _ = thread.join();
        }
    }
}

fn send_until(
    port: &RawPort,
    frames: &[Vec<u8>],
    settler: &Settler,
    stop: &AtomicBool,
    rounds: &AtomicU64,
) -> Result<FloodReport, FloodError> {
    let _pinned = PinnedThread::here().map_err(FloodError::Pin)?;
    let start = Instant::now();
    let repeats = BATCH.div_ceil(frames.len());
    let batch: Vec<&[u8]> = std::iter::repeat_n(frames, repeats)
        .flatten()
        .map(Vec::as_slice)
        .collect();
    while !stop.load(Ordering::Acquire) {
        for piece in batch.chunks(BATCH) {
            send_all(port, piece)?;
            settler.settle()?;
        }
        rounds.fetch_add(u64::try_from(repeats).unwrap_or(0), Ordering::AcqRel);
    }
    Ok(FloodReport {
        rounds: rounds.load(Ordering::Acquire),
        elapsed: start.elapsed(),
    })
}

fn send_all(port: &RawPort, mut frames: &[&[u8]]) -> Result<(), PortError> {
    while !frames.is_empty() {
        let sent = port.send_batch(frames)?;
        frames = frames.get(sent..).unwrap_or_default();
    }
    Ok(())
}

/// How thoroughly to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effort {
    /// Frames per run.
    pub frames: u32,
    /// Runs, of which the fastest counts: everything that disturbs a run makes it slower.
    pub runs: u32,
}

/// What one frame costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Nanoseconds per frame from the system call that sends it to its delivery or drop, in the fastest run.
    pub nanoseconds: u64,
    /// Frames that reached the counted ports, over all runs.
    pub delivered: u64,
}

/// Measures what `frame` costs when it enters the switch at `from`, and counts how often it reaches each of
/// `counted` by their interface counters: no receiver takes part, so the cost is the switch's own.
///
/// A broadcast frame measures flooding. A port that floods to more than 1,000 others overruns the kernel's queue
/// (`net.core.netdev_max_backlog`).
pub fn frame_cost(
    switch: &Switch,
    from: &SwitchPort,
    frame: &[u8],
    counted: &[&SwitchPort],
    effort: Effort,
) -> Result<Cost, SwitchError> {
    let port = from.open()?;
    let before = received(counted)?;
    let measured = std::thread::scope(|scope| {
        let measuring = scope.spawn(|| fastest_run(switch, &port, frame, effort));
        match measuring.join() {
            Ok(measured) => measured,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    });
    let fastest = measured?;
    let nanoseconds = fastest.as_nanos() / u128::from(effort.frames.max(1));
    Ok(Cost {
        nanoseconds: u64::try_from(nanoseconds).unwrap_or(u64::MAX),
        delivered: received(counted)?.saturating_sub(before),
    })
}

fn fastest_run(
    switch: &Switch,
    port: &RawPort,
    frame: &[u8],
    effort: Effort,
) -> Result<Duration, SwitchError> {
    let _pinned = PinnedThread::here().map_err(SettleError::System)?;
    let mut fastest = Duration::MAX;
    for _ in 0..effort.runs.max(1) {
        let start = Instant::now();
        for _ in 0..effort.frames {
            port.send(frame)?;
        }
        switch.settle()?;
        fastest = fastest.min(start.elapsed());
    }
    Ok(fastest)
}

fn received(ports: &[&SwitchPort]) -> Result<u64, SwitchError> {
    let mut total = 0u64;
    for port in ports {
        let link = Links::open(&port.end_namespace)?.find(&port.end_device)?;
        total = total.saturating_add(link.counters.received);
    }
    Ok(total)
}
