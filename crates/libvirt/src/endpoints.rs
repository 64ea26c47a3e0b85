//! Where libvirt's daemons listen. Knows the paths of the one daemon and of the many; which of them
//! answers is found out by connecting.

use std::path::{Path, PathBuf};

/// The sockets behind which a driver may be, in the order in which libvirt's own clients try them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Path of the socket, and the URI to open there.
    pub candidates: Vec<(PathBuf, String)>,
}

/// The drivers that moat talks to. Behind libvirtd all three are one daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    pub qemu: Endpoint,
    pub network: Endpoint,
    pub filter: Endpoint,
}

impl Endpoints {
    /// Below a root directory; `/` but for tests.
    ///
    /// A driver's own daemon comes before libvirtd, as with libvirt's clients: where both have a
    /// socket, libvirtd's may be virtproxyd, which only passes on.
    pub fn below(root: &Path) -> Self {
        let folder = root.join("run/libvirt");
        let endpoint = |daemon: &str, driver: &str| Endpoint {
            candidates: vec![
                (
                    folder.join(format!("{daemon}-sock")),
                    format!("{driver}:///system"),
                ),
                (folder.join("libvirt-sock"), "qemu:///system".to_owned()),
            ],
        };
        Self {
            qemu: endpoint("virtqemud", "qemu"),
            network: endpoint("virtnetworkd", "network"),
            filter: endpoint("virtnwfilterd", "nwfilter"),
        }
    }
}

impl Endpoint {
    /// One socket.
    pub fn at(path: impl Into<PathBuf>, uri: impl Into<String>) -> Self {
        Self {
            candidates: vec![(path.into(), uri.into())],
        }
    }

    /// Whether any of its sockets is there.
    pub fn exists(&self) -> bool {
        self.candidates.iter().any(|(path, _)| path.exists())
    }
}
