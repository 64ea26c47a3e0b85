//! Live migration between two hypervisors over a wire of its own. Knows virsh's options; leaves to the test what must be
//! true meanwhile.

use super::{Libvirtd, LibvirtdError, program_error};
use crate::link::VethEnd;
use std::net::{IpAddr, Ipv4Addr};
use std::process::{Child, Output, Stdio};

/// The device of the wire over which migration goes, at both ends; in no bridge.
pub const MIGRATION_DEVICE: &str = "migration0";
const SOURCE_ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const TARGET_ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

/// Joins two hypervisors: their first bridges by the wire `uplink0`, and a separate wire for migration.
pub fn connect(one: &Libvirtd, other: &Libvirtd) -> Result<(), LibvirtdError> {
    crate::machine::join((one.switch(), 0), (other.switch(), 0), "uplink0").map_err(|error| {
        LibvirtdError::Prepare(format!(
            "the wire between {} and {}: {error}",
            one.name, other.name
        ))
    })?;
    let end = |namespace, last| VethEnd {
        namespace,
        name: MIGRATION_DEVICE,
        mac: [0x02, 0xe1, 0, 0, 0, last],
        upper: None,
    };
    let wire = [(end(None, 1), end(Some(other.switch().namespace()), 2))];
    for (near, far) in one.switch().links().add_veths(&wire)? {
        let near_end = (one, near, SOURCE_ADDRESS);
        for (host, index, address) in [near_end, (other, far, TARGET_ADDRESS)] {
            host.switch()
                .links()
                .add_address(index, IpAddr::V4(address), 24)?;
        }
    }
    Ok(())
}

/// A migration under way.
pub struct Migration {
    child: Child,
}

impl Libvirtd {
    /// Begins to migrate a running guest to `target`, which [`connect`] joined to this one (in either order); `options`
    /// are virsh's, such as `--bandwidth 1` to make it slow enough to be cancelled.
    pub fn migrate(
        &self,
        name: &str,
        target: &Libvirtd,
        options: &[&str],
    ) -> Result<Migration, LibvirtdError> {
        let address = target.run("ip", &["-4", "-o", "address", "show", MIGRATION_DEVICE])?;
        let address = address
            .split_whitespace()
            .nth(3)
            .and_then(|word| word.split('/').next())
            .unwrap_or_default();
        let (uri, by) = (target.uri(), format!("tcp://{address}"));
        let mut command = self.virsh_command(&["migrate", "--live", "--migrateuri", &by]);
        let child = command
            .args(options)
            .args([name, &uri])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(program_error("virsh"))?;
        Ok(Migration { child })
    }

    /// Cancels what is being done to a guest: its migration.
    pub fn cancel(&self, name: &str) -> Result<(), LibvirtdError> {
        self.ask(&["domjobabort", name]).map(drop)
    }

    /// Waits until a migration of the guest is under way: memory has been sent.
    pub fn await_migration(&self, name: &str) -> Result<(), LibvirtdError> {
        super::await_until(
            || {
                let said = self.virsh(&["domjobinfo", name])?;
                Ok(String::from_utf8_lossy(&said.stdout).contains("Memory processed"))
            },
            || format!("the migration of {name} to begin"),
        )
    }
}

impl Migration {
    /// Waits for its end; virsh's status says whether the guest has moved.
    pub fn wait(mut self) -> Result<Output, LibvirtdError> {
        let mut said = Output {
            status: self.child.wait().map_err(program_error("virsh"))?,
            stdout: Vec::new(),
            stderr: Vec::new(),
        };
        // A few lines at most, which a pipe holds.
        if let Some(mut errors) = self.child.stderr.take() {
            std::io::Read::read_to_end(&mut errors, &mut said.stderr)
                .map_err(program_error("virsh"))?;
        }
        Ok(said)
    }
}

impl Drop for Migration {
    fn drop(&mut self) {
        // It has usually ended; where not, the hypervisors' end ends the migration itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
