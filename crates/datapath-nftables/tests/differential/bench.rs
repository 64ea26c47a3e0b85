//! One bridge with real interfaces, a policy in the kernel, and what came of each frame beside what should have come.
//! Knows how to install and to send; which policies and frames is left to the tests.

use std::collections::BTreeMap;

use ::datapath::{Capabilities, Datapath, resolve};
use datapath_nftables::NftablesDatapath;
use frame::MacAddress;
use policy::observation::Observation;
use policy::program::{ConnectionState, Direction};
use policy::rule::Verdict;
use policy::{Catalog, Decider, HostProgram, evaluate};
use testbed::{NamespaceOptions, RawPort, Switch, SwitchPort, SwitchSpec};

use super::bridge::{Path, path, plain, twice};
use super::generate::INTERFACES;

/// How a comparison can fail: told to people.
pub type Mismatch = String;

/// Frames that each counter should have counted, by its name.
pub type Tally = BTreeMap<String, u64>;

pub struct Bench {
    pub switch: Switch,
    pub ports: Vec<SwitchPort>,
    raw: Vec<RawPort>,
    local: Vec<MacAddress>,
    observed: Observation,
    datapath: NftablesDatapath,
    capabilities: Capabilities,
    /// br_netfilter looks at the frames too: see [`Bench::compare`].
    netfilter: bool,
}

impl Bench {
    pub fn new(netfilter: bool) -> Self {
        let switch = Switch::with(&SwitchSpec {
            ageing_seconds: 0,
            namespace: NamespaceOptions {
                bridge_calls_iptables: netfilter,
                ..NamespaceOptions::default()
            },
            ..SwitchSpec::default()
        })
        .expect("a switch");
        let ports = switch.add_ports(0, INTERFACES).expect("ports");
        let raw = ports.iter().map(|port| port.open().expect("a raw port"));
        let raw = raw.collect();
        let mut local: Vec<MacAddress> = ports
            .iter()
            .map(|port| {
                let [_, rest @ ..] = port.mac;
                let [b, c, d, e, f] = rest;
                MacAddress([0xfe, b, c, d, e, f])
            })
            .collect();
        let (observed, datapath, capabilities) = switch.namespace().run(|| {
            let mut datapath = NftablesDatapath::open().expect("netlink");
            let capabilities = datapath.capabilities().expect("capabilities");
            let observed = inventory::observe().expect("interfaces");
            (observed, datapath, capabilities)
        });
        local.extend(observed.bridges.values().map(|bridge| bridge.mac));
        Self {
            switch,
            ports,
            raw,
            local,
            observed,
            datapath,
            capabilities,
            netfilter,
        }
    }

    /// Whether what is counted is only what was sent: answers to rejected frames are counted like frames.
    pub fn counts_exactly(&self) -> bool {
        !self.netfilter && !self.capabilities.reject_out.present
    }

    /// The program of a declaration for this bench, fitted to this kernel.
    pub fn program(&self, catalog: &Catalog) -> Result<HostProgram, Mismatch> {
        let program = policy::compile(catalog, None, &self.observed)
            .map_err(|error| format!("does not compile: {error}"))?;
        let resolved = resolve(&program, &self.capabilities)
            .map_err(|unmet| format!("cannot be met: {unmet:#?}"))?;
        Ok(resolved.program)
    }

    /// Changes the kernel from what it has to `program`, and looks whether that leaves nothing to do.
    pub fn install(&mut self, program: &HostProgram) -> Result<(), Mismatch> {
        let installed = self
            .datapath
            .read()
            .map_err(|error| format!("reading: {error}"))?;
        let change = self.datapath.plan(program, &installed);
        self.datapath.commit(&change).map_err(|error| {
            format!("the kernel refused: {error}\nchange: {:#?}", change.summary)
        })?;
        let installed = self
            .datapath
            .read()
            .map_err(|error| format!("reading: {error}"))?;
        let again = self.datapath.plan(program, &installed);
        if again.is_empty() {
            Ok(())
        } else {
            Err(format!("a second plan is not empty: {:#?}", again.summary))
        }
    }

    pub fn remove(&mut self) {
        self.datapath.remove().expect("removed");
    }

    /// What the kernel has counted under each name.
    pub fn counted(&mut self) -> Tally {
        let installed = self.datapath.read().expect("the table");
        let counters = NftablesDatapath::counters(&installed);
        let frames = |(name, value): (String, ::datapath::CounterValue)| (name, value.frames);
        counters.rules.into_iter().map(frames).collect()
    }

    /// Our table as text.
    pub fn listing(&self) -> String {
        let listed = self
            .switch
            .namespace()
            .command("nft")
            .args(["-a", "list", "table", "bridge", "moat"])
            .output()
            .expect("nft runs");
        String::from_utf8_lossy(&listed.stdout).into_owned()
    }

    /// Sends the frame through one interface; what came to each one then, the sender's answers included.
    pub fn heard(&mut self, sender: usize, bytes: &[u8]) -> Vec<Vec<Vec<u8>>> {
        self.raw[sender].send(bytes).expect("sent");
        self.switch.settle().expect("settled");
        (0..self.raw.len())
            .map(|port| self.raw[port].drain().expect("drained"))
            .collect()
    }

    /// What came to one interface since it was last asked.
    pub fn drained(&mut self, port: usize) -> Vec<Vec<u8>> {
        self.switch.settle().expect("settled");
        self.raw[port].drain().expect("drained")
    }

    /// Sends the frame through one interface and compares what arrives at all others with what should.
    ///
    /// With br_netfilter, IP that is malformed may vanish on the way and fragments come out as whole packets, after
    /// prerouting: then nothing more must arrive than should, and for whole packets exactly that.
    pub fn compare(
        &mut self,
        program: &HostProgram,
        sender: usize,
        bytes: &[u8],
        tally: &mut Tally,
    ) -> Result<(), Mismatch> {
        let mut receivers: Vec<&mut RawPort> = Vec::new();
        let mut from = None;
        for (number, port) in self.raw.iter_mut().enumerate() {
            if number == sender {
                from = Some(port);
            } else {
                receivers.push(port);
            }
        }
        let Some(from) = from else {
            return Err(format!("there is no interface {sender}"));
        };
        let heard = self
            .switch
            .exchange(from, bytes, &mut receivers)
            .map_err(|error| error.to_string())?;
        let answers = from_answers(&mut self.raw, sender)?;
        let (expected, rejected) =
            expected(program, &self.ports, &self.local, sender, bytes, tally);
        if answers > usize::from(rejected) {
            return Err(format!(
                "{answers} answers to {}",
                self.ports[sender].device
            ));
        }
        let others = (0..self.ports.len()).filter(|number| *number != sender);
        for ((receiver, heard), expected) in others.zip(heard).zip(expected) {
            let exact = !self.netfilter || plain(bytes);
            // ip_rcv_core and br_netfilter cut Ethernet padding off.
            let same =
                |frame: &Vec<u8>| frame == bytes || self.netfilter && bytes.starts_with(frame);
            let (delivered, changed) = (heard.len(), !heard.iter().all(same));
            let fine = if exact {
                delivered == usize::from(expected.passes) && !changed
            } else {
                delivered <= usize::from(expected.passes)
            };
            if !fine {
                return Err(format!(
                    "from {} to {}: {delivered} arrived{}, {} expected:\n{}",
                    self.ports[sender].device,
                    self.ports[receiver].device,
                    if changed { " (changed)" } else { "" },
                    usize::from(expected.passes),
                    expected.because,
                ));
            }
        }
        Ok(())
    }
}

/// What should become of a frame at one receiver.
struct Expected {
    passes: bool,
    because: String,
}

/// The port that claims an interface, the bridge's attitude to it, or nobody.
enum Claim<'a> {
    Port(&'a str),
    Open,
    Quarantine,
}

fn claim<'a>(program: &'a HostProgram, interface: &SwitchPort) -> Claim<'a> {
    let claimed = program
        .ports
        .values()
        .find(|port| port.ifindex == interface.index);
    if let Some(port) = claimed {
        return Claim::Port(&port.name);
    }
    let bridge = program.bridges.get("br0");
    let uplink = bridge.is_some_and(|bridge| bridge.uplinks.contains_key(&interface.device));
    let managed = bridge.is_some_and(|bridge| bridge.managed);
    if uplink || !managed {
        Claim::Open
    } else {
        Claim::Quarantine
    }
}

fn expected(
    program: &HostProgram,
    interfaces: &[SwitchPort],
    local: &[MacAddress],
    sender: usize,
    bytes: &[u8],
    tally: &mut Tally,
) -> (Vec<Expected>, bool) {
    let path = path(bytes, local);
    let mut rejected = false;
    let mut judge = |interface: &SwitchPort, direction| {
        let (passes, because, decider) = match claim(program, interface) {
            Claim::Open => (true, format!("{} is not filtered", interface.device), None),
            Claim::Quarantine => (
                false,
                format!("{} is in quarantine", interface.device),
                Some(Decider::Quarantine),
            ),
            Claim::Port(name) => {
                let state = ConnectionState::Untracked;
                let evaluation = evaluate(program, name, direction, bytes, state);
                let steps: Vec<String> = evaluation
                    .steps
                    .iter()
                    .map(|step| format!("  {}: {}", step.stage, step.text))
                    .collect();
                let because = format!(
                    "{name} {direction:?}: {:?}\n{}",
                    evaluation.verdict,
                    steps.join("\n")
                );
                rejected |= direction == Direction::Out && evaluation.verdict == Verdict::Reject;
                (evaluation.passes(), because, Some(evaluation.decider))
            }
        };
        // What a class accepts is not counted.
        let counted = |decider: &Decider| !matches!(decider, Decider::Class(_));
        if let Some(decider) = decider.filter(counted) {
            *tally.entry(decider.to_string()).or_default() += 1;
        }
        (passes, because)
    };
    let (sent, first) = match path {
        Path::Nowhere => (false, "the kernel drops it".to_owned()),
        _ => judge(&interfaces[sender], Direction::Out),
    };
    if sent && path == Path::Everywhere && twice(bytes) {
        judge(&interfaces[sender], Direction::Out);
    }
    let receivers = (0..interfaces.len()).filter(|number| *number != sender);
    let all = receivers
        .map(|number| {
            if !sent || path != Path::Everywhere {
                return Expected {
                    passes: false,
                    because: format!("{first}\n{path:?}"),
                };
            }
            let (passes, second) = judge(&interfaces[number], Direction::In);
            Expected {
                passes,
                because: format!("{first}\n{second}"),
            }
        })
        .collect();
    (all, rejected)
}

/// Frames that came back to the sender.
fn from_answers(raw: &mut [RawPort], sender: usize) -> Result<usize, Mismatch> {
    match raw.get_mut(sender).map(RawPort::drain) {
        Some(Ok(answers)) => Ok(answers.len()),
        Some(Err(error)) => Err(error.to_string()),
        None => Ok(0),
    }
}
