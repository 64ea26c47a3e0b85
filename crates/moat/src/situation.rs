//! What is declared, what exists and what is installed, brought together for one host. Knows the
//! order of the steps; printing and committing are left to the commands.

use std::thread::JoinHandle;

use datapath::{Capabilities, Datapath, DatapathError, Resolved, Unmet, resolve};
use datapath_nftables::{Change, Installed, NftablesDatapath};
use policy::observation::Observation;
use policy::{Catalog, CompileError, HostProgram};

use crate::documents::Declaration;
use crate::fault::Failure;

/// One look at a host.
pub(crate) struct Situation {
    pub observed: Observation,
    /// As compiled, before it was fitted to this kernel.
    pub program: HostProgram,
    pub capabilities: Capabilities,
    /// As fitted, or what this kernel lacks.
    pub resolved: Result<Resolved, Vec<Unmet>>,
    pub installed: Installed,
}

impl Situation {
    /// Looks at the host of the present network namespace.
    ///
    /// # Errors
    /// Where something cannot be read, or the documents do not say which host this is.
    pub(crate) fn look(
        datapath: &mut NftablesDatapath,
        catalog: &Catalog,
        host: Option<&str>,
    ) -> Result<Self, Failure> {
        let installed = datapath.read()?;
        let prospect = Prospect::look(datapath, catalog, host)?;
        Ok(prospect.with(installed))
    }

    /// What has to change, unless this kernel lacks something.
    pub(crate) fn change(&self, datapath: &NftablesDatapath) -> Option<Change> {
        let resolved = self.resolved.as_ref().ok()?;
        Some(datapath.plan(&resolved.program, &self.installed))
    }

    /// Declared ports whose policy cannot be enforced: not those that are simply elsewhere.
    pub(crate) fn has_refused_ports(&self) -> bool {
        self.program.refused.values().any(|refusal| !refusal.absent)
    }
}

/// What should be installed, before a look at what is.
pub(crate) struct Prospect {
    pub observed: Observation,
    pub program: HostProgram,
    pub capabilities: Capabilities,
    pub resolved: Result<Resolved, Vec<Unmet>>,
}

impl Prospect {
    /// # Errors
    /// As [`Situation::look`].
    pub(crate) fn look(
        datapath: &mut NftablesDatapath,
        catalog: &Catalog,
        host: Option<&str>,
    ) -> Result<Self, Failure> {
        let observed = inventory::observe()?;
        let program = compile(catalog, host, &observed)?;
        let capabilities = datapath.capabilities()?;
        let resolved = resolve(&program, &capabilities);
        Ok(Self {
            observed,
            program,
            capabilities,
            resolved,
        })
    }

    /// Declared ports whose policy cannot be enforced: not those that are simply elsewhere.
    pub(crate) fn has_refused_ports(&self) -> bool {
        self.program.refused.values().any(|refusal| !refusal.absent)
    }

    pub(crate) fn with(self, installed: Installed) -> Situation {
        Situation {
            observed: self.observed,
            program: self.program,
            capabilities: self.capabilities,
            resolved: self.resolved,
            installed,
        }
    }
}

/// A connection to the switch of the present network namespace.
///
/// # Errors
/// Where the kernel gives none.
pub(crate) fn open() -> Result<NftablesDatapath, Failure> {
    Ok(NftablesDatapath::open()?)
}

/// A connection that is opened, and knows what its kernel can do, while the caller does something
/// else: the kernel takes as long to forget what was tried as a thousand documents take to be read.
pub(crate) struct Opening(JoinHandle<Result<NftablesDatapath, DatapathError>>);

impl Opening {
    pub(crate) fn begin() -> Self {
        Self(std::thread::spawn(|| {
            let mut datapath = NftablesDatapath::open()?;
            datapath.capabilities()?;
            Ok(datapath)
        }))
    }

    /// # Errors
    /// As [`open`], and where nothing can be tried.
    pub(crate) fn finish(self) -> Result<NftablesDatapath, Failure> {
        match self.0.join() {
            Ok(opened) => Ok(opened?),
            Err(_) => Err(Failure::system("the thread that opens the switch died")),
        }
    }
}

/// Compiles what the declared host enforces.
///
/// # Errors
/// Where it is not clear which host that is.
pub(crate) fn compile(
    catalog: &Catalog,
    host: Option<&str>,
    observed: &Observation,
) -> Result<HostProgram, Failure> {
    let own = own_name(catalog);
    policy::compile(catalog, host.or(own.as_deref()), observed).map_err(|error| {
        let CompileError::UnknownHost { wanted, declared } = &error;
        let declared = declared.join(", ");
        if wanted.is_empty() {
            Failure::usage(format!(
                "the documents declare several hosts ({declared}), and none has this machine's name; \
                 nothing was changed"
            ))
            .help("say which one this is: --host NAME")
        } else {
            Failure::usage(format!("{error}; nothing was changed"))
        }
    })
}

/// Where several hosts are declared and one of them is called as this machine, that one is meant.
pub(crate) fn own_name(catalog: &Catalog) -> Option<String> {
    if catalog.hosts.len() < 2 {
        return None;
    }
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    let name = name.trim();
    let short = name.split('.').next().unwrap_or(name);
    [name, short]
        .into_iter()
        .find(|name| catalog.hosts.contains_key(*name))
        .map(str::to_owned)
}

/// Declaration and look in one.
///
/// # Errors
/// As [`Situation::look`].
pub(crate) fn of(
    declaration: &Declaration,
    host: Option<&str>,
) -> Result<(NftablesDatapath, Situation), Failure> {
    let mut datapath = open()?;
    let situation = Situation::look(&mut datapath, &declaration.catalog, host)?;
    Ok((datapath, situation))
}
