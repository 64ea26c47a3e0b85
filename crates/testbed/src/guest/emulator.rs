//! QEMU as a child process: started, read line by line, and killed whatever happens.
//! Knows QEMU's options and the marks that the guest's first process prints.

use super::contents::{self, COMMAND_STARTS, EXIT_STATUS};
use super::{GuestError, GuestOutcome, GuestSpec, modules};
use crate::kernel::socket::deadline_after;
use crate::kernel::task;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const QEMU: &str = "qemu-system-x86_64";
/// Quick to boot, silent but for errors, and at an end when the kernel stops.
pub(crate) const KERNEL_COMMAND_LINE: &str = "console=ttyS0 quiet loglevel=3 panic=-1 reboot=t mitigations=off \
     tsc=reliable no_timer_check edd=off nokaslr cryptomgr.notests lsm= audit=0";

/// A running guest; dropping it kills it.
pub struct Guest {
    child: Arc<Mutex<Option<Child>>>,
    lines: Receiver<String>,
    thread: Option<JoinHandle<()>>,
    started: Instant,
    timeout: Duration,
}

impl Guest {
    /// Boots a guest.
    pub fn start(spec: &GuestSpec) -> Result<Self, GuestError> {
        let kernel = modules::newest_kernel()?;
        let program = contents::in_search_path(Path::new(QEMU)).ok_or(GuestError::Package {
            what: QEMU.to_owned(),
            package: "qemu-system-x86",
        })?;
        let failed = |source| GuestError::Program {
            program: QEMU.to_owned(),
            source,
        };
        // In memory and without a name, so that nothing is left behind.
        let mut initramfs = File::from(task::memory_file().map_err(failed)?);
        let bytes = contents::initramfs(spec, &kernel)?;
        initramfs.write_all(&bytes).map_err(failed)?;
        let mut command = Command::new(program);
        let path = format!("/proc/{}/fd/{}", std::process::id(), initramfs.as_raw_fd());
        command
            .args([
                "-machine",
                "q35",
                "-accel",
                "tcg,thread=multi",
                "-cpu",
                "max",
            ])
            .args([
                "-nodefaults",
                "-nographic",
                "-no-reboot",
                "-serial",
                "stdio",
            ])
            .args([
                "-smp",
                &spec.cpus.to_string(),
                "-m",
                &spec.memory.to_string(),
            ])
            .arg("-kernel")
            .arg(&kernel.image)
            .args(["-initrd", &path, "-append"])
            .arg(KERNEL_COMMAND_LINE)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        task::die_with_this_thread(&mut command);
        let child = Arc::new(Mutex::new(None));
        let (sender, lines) = mpsc::channel();
        let (ready, started) = mpsc::channel();
        let slot = Arc::clone(&child);
        let start = Instant::now();
        let thread = std::thread::spawn(move || watch(command, initramfs, &slot, &sender, &ready));
        match started.recv() {
            Ok(Ok(())) => Ok(Self {
                child,
                lines,
                thread: Some(thread),
                started: start,
                timeout: spec.timeout,
            }),
            Ok(Err(source)) => Err(failed(source)),
            Err(gone) => Err(failed(io::Error::other(gone))),
        }
    }

    /// The number of QEMU's process; `None` when it has ended.
    pub fn process(&self) -> Option<u32> {
        locked(&self.child).as_ref().map(Child::id)
    }

    /// Waits for its end and shows each line of its console as it appears.
    pub fn wait(self, mut watch: impl FnMut(&str)) -> Result<GuestOutcome, GuestError> {
        let mut console = Console::default();
        let deadline = deadline_after(self.timeout);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    console.read(&line, self.started.elapsed());
                    watch(&line);
                }
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    return Err(GuestError::Timeout {
                        limit: self.timeout,
                        console: console.all,
                    });
                }
            }
        }
        let total = self.started.elapsed();
        match (console.status, console.boot) {
            (Some(status), Some(boot)) => Ok(GuestOutcome {
                status,
                output: console.output,
                console: console.all,
                boot,
                total,
            }),
            _ => Err(GuestError::NoStatus {
                console: console.all,
            }),
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        if let Some(child) = locked(&self.child).as_mut() {
            // It may have ended by itself already.
            let _ = child.kill();
        }
        if let Some(thread) = self.thread.take() {
            // It only reads; a panic there shows as a console that ends early.
            let _ = thread.join();
        }
    }
}

/// The life of the thread that owns QEMU: were the process to die, so would QEMU with this thread.
fn watch(
    mut command: Command,
    initramfs: File,
    slot: &Mutex<Option<Child>>,
    lines: &mpsc::Sender<String>,
    ready: &mpsc::Sender<io::Result<()>>,
) {
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            // Whoever asked waits for exactly this message.
            let _ = ready.send(Err(error));
            return;
        }
    };
    let (output, errors) = (child.stdout.take(), child.stderr.take());
    *locked(slot) = Some(child);
    let _ = ready.send(Ok(()));
    // QEMU's own complaints are few and short: a pipe's buffer holds them until the console has ended.
    for stream in [output.map(boxed), errors.map(boxed)].into_iter().flatten() {
        for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line)
                .trim_end_matches('\r')
                .to_owned();
            // Nobody listens any more when the guest was dropped.
            let _ = lines.send(line);
        }
    }
    let ended = locked(slot).take();
    if let Some(mut child) = ended {
        let _ = child.wait();
    }
    drop(initramfs);
}

fn boxed(stream: impl io::Read + Send + 'static) -> Box<dyn io::Read + Send> {
    Box::new(stream)
}

fn locked(slot: &Mutex<Option<Child>>) -> MutexGuard<'_, Option<Child>> {
    match slot.lock() {
        Ok(guard) => guard,
        Err(poisoned) => poisoned.into_inner(),
    }
}

/// What was read so far.
#[derive(Default)]
struct Console {
    all: String,
    output: String,
    boot: Option<Duration>,
    status: Option<i32>,
}

impl Console {
    fn read(&mut self, line: &str, at: Duration) {
        self.all.push_str(line);
        self.all.push('\n');
        if self.boot.is_none() {
            if line.ends_with(COMMAND_STARTS) {
                self.boot = Some(at);
            }
        } else if let Some(status) = line.strip_prefix(EXIT_STATUS) {
            self.status = status.trim().parse().ok();
            // The line feed that the first process prints before its mark.
            self.output.pop();
        } else if self.status.is_none() {
            self.output.push_str(line);
            self.output.push('\n');
        }
    }
}
