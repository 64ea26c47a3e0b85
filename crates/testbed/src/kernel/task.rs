//! Namespaces, CPUs and signals of the calling thread and of the processes it starts.
#![allow(unsafe_code)]

use super::check;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;

/// Moves the calling thread into a network namespace of its own and returns a handle to it.
pub(crate) fn unshare_network() -> io::Result<OwnedFd> {
    // SAFETY: no pointers; changes the calling thread only.
    check(unsafe { libc::unshare(libc::CLONE_NEWNET) })?;
    // Not /proc/self: that is the process's first thread, which stays where it was.
    Ok(File::open("/proc/thread-self/ns/net")?.into())
}

/// Moves the calling thread into the namespace behind `handle`.
pub(crate) fn enter_network(handle: &OwnedFd) -> io::Result<()> {
    // SAFETY: no pointers, and the descriptor is open as long as `handle` is borrowed.
    check(unsafe { libc::setns(handle.as_raw_fd(), libc::CLONE_NEWNET) }).map(drop)
}

/// Makes `command` start its process inside the namespace behind `handle`.
pub(crate) fn start_inside(command: &mut Command, handle: Arc<OwnedFd>) {
    // SAFETY: between fork and exec the closure makes one system call and allocates nothing.
    unsafe { command.pre_exec(move || enter_network(&handle)) };
}

/// Makes the kernel kill `command`'s process when the *thread* that starts it ends, however it ends.
pub(crate) fn die_with_this_thread(command: &mut Command) {
    // SAFETY: between fork and exec the closure makes one system call and allocates nothing.
    unsafe {
        command.pre_exec(|| check(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL)).map(drop));
    }
}

/// The CPUs on which the calling thread may run.
#[derive(Clone, Copy)]
pub(crate) struct CpuSet(libc::cpu_set_t);

impl CpuSet {
    /// Where the calling thread may run now.
    pub(crate) fn of_this_thread() -> io::Result<Self> {
        // SAFETY: a cpu_set_t is an array of integers, for which zeros are a value.
        let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
        // SAFETY: the pointer and the size are those of `set`.
        check(unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set) })?;
        Ok(Self(set))
    }

    /// These CPUs and no others.
    pub(crate) fn only(cpus: &[usize]) -> Self {
        // SAFETY: as above; CPU_SET checks the index against the array's size by a slice access.
        unsafe {
            let mut set: libc::cpu_set_t = std::mem::zeroed();
            for &cpu in cpus {
                libc::CPU_SET(cpu, &mut set);
            }
            Self(set)
        }
    }

    /// The numbers of the CPUs in the set, ascending.
    pub(crate) fn numbers(&self) -> Vec<usize> {
        let all = usize::try_from(libc::CPU_SETSIZE).unwrap_or(0);
        // SAFETY: every number is below CPU_SETSIZE.
        (0..all)
            .filter(|&cpu| unsafe { libc::CPU_ISSET(cpu, &self.0) })
            .collect()
    }

    /// Confines the calling thread to these CPUs; when it returns, the thread runs on one of them.
    pub(crate) fn confine_this_thread(&self) -> io::Result<()> {
        // SAFETY: the pointer and the size are those of the set.
        check(unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &self.0) })
            .map(drop)
    }
}

/// The CPU on which the calling thread runs at this moment.
pub(crate) fn current_cpu() -> io::Result<usize> {
    // SAFETY: no arguments.
    let cpu = check(unsafe { libc::sched_getcpu() })?;
    Ok(usize::try_from(cpu).unwrap_or(0))
}

/// A file in memory that has no name and vanishes with its last descriptor; other processes can open it through
/// /proc/PID/fd as long as this one holds it.
pub(crate) fn memory_file() -> io::Result<OwnedFd> {
    // SAFETY: the name is a C string literal; the flags make a plain file.
    let raw = check(unsafe { libc::memfd_create(c"moat-guest".as_ptr(), libc::MFD_CLOEXEC) })?;
    // SAFETY: the descriptor is new and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}
