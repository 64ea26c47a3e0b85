//! The only unsafe code of the test bed: system calls that the standard library does not offer.
//! Knows their arguments and the shape of what they return; leaves every meaning to its callers.

pub(crate) mod packet;
pub(crate) mod socket;
pub(crate) mod task;

use std::io;

/// Turns the C convention "negative means look at errno" into a result.
fn check(value: libc::c_int) -> io::Result<libc::c_int> {
    if value < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(value)
    }
}

/// `T`'s size as the kernel wants it.
fn size_of_as<T>() -> libc::socklen_t {
    libc::socklen_t::try_from(size_of::<T>()).unwrap_or(libc::socklen_t::MAX)
}
