//! The control socket of ovs-vswitchd, for the one thing that OpenFlow does not tell: when frames no
//! longer go by what the datapath remembers of earlier flows.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// A sweep takes half a second at most on its own, and begins at once after a change of flows.
const PATIENCE: Duration = Duration::from_secs(10);
/// ovs-vswitchd's `unixctl` answers with a JSON-RPC object of some fifty bytes.
const MOST: usize = 4096;

/// Waits until the datapath goes by the flows that are there now (`revalidator/wait` of
/// ovs-vswitchd(8)).
///
/// # Errors
/// Where ovs-vswitchd does not answer.
pub(super) fn await_revalidation(directory: &Path) -> io::Result<()> {
    let process = fs::read_to_string(directory.join("ovs-vswitchd.pid"))?;
    let path = directory.join(format!("ovs-vswitchd.{}.ctl", process.trim()));
    // A socket may be called otherwise where `--unixctl` says so.
    let path = match path.exists() {
        true => path,
        false => directory.join("ovs-vswitchd.ctl"),
    };
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(br#"{"id":0,"method":"revalidator/wait","params":[]}"#)?;
    let (end, mut answer, mut depth) = (Instant::now() + PATIENCE, Vec::new(), 0_u32);
    loop {
        let mut byte = [0_u8];
        if stream.read(&mut byte)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        answer.extend(byte);
        // The answer of this one command has no braces in texts.
        match byte {
            [b'{'] => depth = depth.saturating_add(1),
            [b'}'] => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            break;
        }
        if answer.len() > MOST || Instant::now() > end {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
    let answer = String::from_utf8_lossy(&answer);
    match answer.contains("\"error\":null") {
        true => Ok(()),
        false => Err(io::Error::other(answer.into_owned())),
    }
}
