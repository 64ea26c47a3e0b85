//! Waiting for many sockets at once.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// What is waited for.
#[derive(Clone, Copy, Debug)]
pub struct Interest<'a> {
    pub socket: BorrowedFd<'a>,
    pub read: bool,
    pub write: bool,
}

impl<'a> Interest<'a> {
    /// Something to read.
    pub const fn read(socket: BorrowedFd<'a>) -> Self {
        Self {
            socket,
            read: true,
            write: false,
        }
    }
}

/// Waits until one of them is ready, or the time has passed; `None`: for ever. Which are ready, in
/// their order; errors and ends count, since a turn tells of them.
///
/// # Errors
/// Those of poll(2). An interruption by a signal counts as time that has passed.
pub fn wait(interests: &[Interest<'_>], most: Option<Duration>) -> io::Result<Vec<bool>> {
    let mut sockets: Vec<PollFd<'_>> = interests
        .iter()
        .map(|interest| {
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::IN, interest.read);
            flags.set(PollFlags::OUT, interest.write);
            PollFd::from_borrowed_fd(interest.socket, flags)
        })
        .collect();
    let most = most.map(|most| Timespec {
        tv_sec: i64::try_from(most.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: most.subsec_nanos().into(),
    });
    match poll(&mut sockets, most.as_ref()) {
        Ok(_) => {}
        Err(rustix::io::Errno::INTR) => return Ok(vec![false; interests.len()]),
        Err(error) => return Err(error.into()),
    }
    Ok(sockets
        .iter()
        .map(|socket| !socket.revents().is_empty())
        .collect())
}
