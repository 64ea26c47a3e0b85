//! A hook that records how libvirt calls it. Knows the files that its script leaves; leaves their meaning to the test.

use super::{Libvirtd, LibvirtdError, file_error};
use std::fs;
use std::path::Path;

const SCRIPT: &str = include_str!("record.sh");
const DIRECTORY: &str = "/run/record";

/// One call of a hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookCall {
    /// Which hook: `qemu` or `network`.
    pub hook: String,
    /// First argument: the domain's or network's name.
    pub object: String,
    /// Second argument: `prepare`, `start`, `port-created`, ….
    pub operation: String,
    /// Third argument: `begin` or `end`.
    pub stage: String,
    /// Fourth argument: `-`, or more about it.
    pub extra: String,
    /// What libvirt wrote to its standard input.
    pub input: String,
    /// `ip -oneline link` on the host at that moment.
    pub links: String,
    /// Command lines of the QEMU processes that run on the host at that moment.
    pub emulators: String,
    /// Clock ticks (10 ms) that QEMU computed during half a second of the call, where the test asked for it.
    pub ticks: Option<u32>,
}

impl HookCall {
    /// Hook, operation and stage in one word, such as `qemu prepare begin`.
    pub fn name(&self) -> String {
        format!("{} {} {}", self.hook, self.operation, self.stage)
    }

    /// The host's devices.
    pub fn devices(&self) -> Vec<HostDevice> {
        self.links.lines().filter_map(device_of).collect()
    }

    /// Whether a QEMU process of the guest runs.
    pub fn runs(&self, guest: &str) -> bool {
        self.emulators.contains(&format!("guest={guest},"))
    }
}

/// A network device of the host at the time of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostDevice {
    /// Its name.
    pub name: String,
    /// Administratively up.
    pub up: bool,
    /// The bridge that it is plugged into.
    pub upper: Option<String>,
    /// Its MAC as text.
    pub mac: String,
}

/// `7: vnet0: <BROADCAST,UP> mtu 1500 … master br0 … link/ether fe:54:00:00:00:01 brd …`
fn device_of(line: &str) -> Option<HostDevice> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let after = |wanted: &str| {
        let place = words.iter().position(|word| *word == wanted)?;
        words
            .get(place.checked_add(1)?)
            .map(|word| (*word).to_owned())
    };
    let name = words.get(1)?.trim_end_matches(':');
    let flags = words.get(2)?.trim_matches(['<', '>']);
    Some(HostDevice {
        // A macvtap shows the device below it: `macvtap0@eth1`.
        name: name
            .split_once('@')
            .map_or(name, |(name, _)| name)
            .to_owned(),
        up: flags.split(',').any(|flag| flag == "UP"),
        upper: after("master"),
        mac: after("link/ether").unwrap_or_default(),
    })
}

/// The recording hook of a hypervisor, for `qemu` and `network`.
pub struct Recorder<'host> {
    host: &'host Libvirtd,
}

impl<'host> Recorder<'host> {
    /// Its scripts, for [`super::LibvirtdSpec::hooks`].
    pub fn hooks() -> Vec<(String, String)> {
        let script = |hook: &str| (hook.to_owned(), SCRIPT.to_owned());
        ["qemu", "network"].map(script).to_vec()
    }

    /// The recorder of a hypervisor that was started with these scripts.
    pub fn of(host: &'host Libvirtd) -> Result<Self, LibvirtdError> {
        fs::create_dir_all(host.path(DIRECTORY)).map_err(|source| file_error(DIRECTORY, source))?;
        Ok(Self { host })
    }

    /// What was recorded since the last call of this, in order.
    pub fn take(&self) -> Result<Vec<HookCall>, LibvirtdError> {
        let failed = |source| file_error(DIRECTORY, source);
        let entries = fs::read_dir(self.host.path(DIRECTORY)).map_err(failed)?;
        let mut names: Vec<String> = entries
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| name.starts_with(|letter: char| letter.is_ascii_digit()))
            .collect();
        names.sort();
        let mut calls = Vec::new();
        for name in names {
            let directory = self.host.path(&format!("{DIRECTORY}/{name}"));
            calls.push(call(&directory).map_err(failed)?);
            fs::remove_dir_all(&directory).map_err(failed)?;
        }
        Ok(calls)
    }

    /// As [`Recorder::take`], once a call of this hook at this operation is among them: some come after virsh has
    /// answered, or when nobody asked.
    pub fn take_until(&self, hook: &str, operation: &str) -> Result<Vec<HookCall>, LibvirtdError> {
        let mut calls = Vec::new();
        super::await_until(
            || {
                calls.extend(self.take()?);
                Ok(calls
                    .iter()
                    .any(|call: &HookCall| call.hook == hook && call.operation == operation))
            },
            || format!("the {hook} hook to be called at {operation}"),
        )?;
        Ok(calls)
    }

    /// Makes a hook fail at an operation from now on, or no longer.
    pub fn fail(&self, hook: &str, operation: &str, fails: bool) -> Result<(), LibvirtdError> {
        self.mark(&format!("fail-{hook}-{operation}"), fails)
    }

    /// Makes a hook take half a second at an operation from now on and measure what QEMU computes meanwhile.
    pub fn pause(&self, hook: &str, operation: &str) -> Result<(), LibvirtdError> {
        self.mark(&format!("pause-{hook}-{operation}"), true)
    }

    fn mark(&self, name: &str, there: bool) -> Result<(), LibvirtdError> {
        let path = format!("{DIRECTORY}/{name}");
        if there {
            return self.host.write(&path, b"");
        }
        fs::remove_file(self.host.path(&path)).map_err(|source| file_error(&path, source))
    }
}

fn call(directory: &Path) -> std::io::Result<HookCall> {
    let text = |file: &str| fs::read_to_string(directory.join(file));
    let arguments = text("arguments")?;
    let mut words = arguments.lines().map(str::to_owned);
    let mut next = || words.next().unwrap_or_default();
    Ok(HookCall {
        hook: next(),
        object: next(),
        operation: next(),
        stage: next(),
        extra: next(),
        input: text("input")?,
        links: text("links")?,
        emulators: text("emulators")?,
        ticks: text("ticks").ok().and_then(|text| text.trim().parse().ok()),
    })
}
