//! Documents and the interfaces that exist → one [`HostProgram`]. Knows names, levels, inheritance
//! and isolation; leaves the meaning of the result to the evaluator and its lowering to datapaths.
//!
//! Compiling never fails as a whole: a port whose policy cannot be compiled is refused, which
//! leaves its device in quarantine (promise 1), and all others are unaffected.

mod addresses;
mod identity;
mod incremental;
mod networks;
mod profiles;
mod rules;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use thiserror::Error;

use crate::catalog::Catalog;
use crate::document::{Guard, Host, Level, Port};
use crate::intervals::Intervals;
use crate::learn::{Learn, Learned, Learning};
use crate::observation::Observation;
use crate::origin::Origin;
use crate::program::{
    Behaviour, Bridge, DefaultVerdict, Direction, HostProgram, PortProgram, Refusal, RuleList,
    Stage,
};
use crate::rule::Rule;

pub use incremental::Incremental;

use addresses::AddressSets;
use networks::Networks;
use profiles::{EffectiveProfile, Variables};

/// Why nothing at all can be compiled.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum CompileError {
    #[error(
        "the documents declare no host `{wanted}`; they declare {}: name one of these", declared.join(", ")
    )]
    UnknownHost {
        wanted: String,
        declared: Vec<String>,
    },
}

/// Compiles what `host` enforces for the interfaces in `observed`.
///
/// `host` names the Host document to follow. Without a name, and where documents declare exactly
/// one host, that one is taken. A host that no document declares has no uplinks and manages no
/// bridge, unless other hosts are declared, in which case a name that is missing is an error.
pub fn compile(
    catalog: &Catalog,
    host: Option<&str>,
    observed: &Observation,
) -> Result<HostProgram, CompileError> {
    compile_learned(catalog, host, observed, &Learned::new())
}

/// The same, where ports have learned addresses: these are their own, as if declared, wherever
/// documents let the port learn.
///
/// # Errors
/// As [`compile`].
pub fn compile_learned(
    catalog: &Catalog,
    host: Option<&str>,
    observed: &Observation,
    learned: &Learned,
) -> Result<HostProgram, CompileError> {
    let host = choose_host(catalog, host)?;
    let mut compiler = Compiler::new(catalog, &host, observed, learned);
    for port in catalog.ports.values() {
        compiler.admit(port, &host);
    }
    Ok(compiler.finish())
}

fn choose_host(catalog: &Catalog, wanted: Option<&str>) -> Result<Host, CompileError> {
    match wanted {
        Some(name) => match catalog.hosts.get(name) {
            Some(host) => Ok(host.clone()),
            None if catalog.hosts.is_empty() => Ok(Host {
                name: name.to_owned(),
                ..Host::default()
            }),
            None => Err(CompileError::UnknownHost {
                wanted: name.to_owned(),
                declared: catalog.hosts.keys().cloned().collect(),
            }),
        },
        None => match catalog.hosts.values().next() {
            Some(only) if catalog.hosts.len() == 1 => Ok(only.clone()),
            None => Ok(Host {
                name: "localhost".to_owned(),
                ..Host::default()
            }),
            Some(_) => Err(CompileError::UnknownHost {
                wanted: String::new(),
                declared: catalog.hosts.keys().cloned().collect(),
            }),
        },
    }
}

struct Compiler<'a> {
    catalog: &'a Catalog,
    pool: Option<&'a str>,
    /// Profiles of ports that have none from elsewhere.
    defaults: &'a [String],
    observed: &'a Observation,
    networks: Networks<'a>,
    addresses: AddressSets<'a>,
    /// By the port's profile names: ports that share them share this.
    profiles: BTreeMap<Vec<String>, Arc<EffectiveProfile<'a>>>,
    program: HostProgram,
}

impl<'a> Compiler<'a> {
    fn new(
        catalog: &'a Catalog,
        host: &'a Host,
        observed: &'a Observation,
        learned: &'a Learned,
    ) -> Self {
        let mut compiler = Self {
            catalog,
            pool: host.pool.as_deref(),
            defaults: &host.profiles,
            observed,
            networks: Networks::new(catalog),
            addresses: AddressSets::new(catalog, BTreeMap::new()),
            profiles: BTreeMap::new(),
            program: HostProgram {
                host: host.name.clone(),
                ..HostProgram::default()
            },
        };
        compiler.bridges(host);
        compiler.foreign();
        let bound = compiler.bound(learned);
        compiler.addresses = AddressSets::new(catalog, bound);
        compiler
    }

    /// What was learned by ports that may learn.
    fn bound(&mut self, learned: &'a Learned) -> BTreeMap<&'a str, Vec<ipnet::IpNet>> {
        let mut bound = BTreeMap::new();
        for (name, addresses) in learned {
            let Some(port) = self.catalog.ports.get(name) else {
                continue;
            };
            let Ok(profile) = self.effective_profile(self.profiles_of(port), &port.network) else {
                continue;
            };
            if self
                .learning(port, &profile)
                .is_some_and(|learning| learning.binds())
            {
                bound.insert(name.as_str(), addresses.iter().copied().collect());
            }
        }
        bound
    }

    /// The names of the profiles that are a port's: its own, else its network's, else the host's.
    fn profiles_of(&self, port: &'a Port) -> &'a [String] {
        let network = self.catalog.networks.get(&port.network);
        let of_network = network.map_or(&[][..], |network| &network.profiles);
        let named = [&port.profiles, of_network, self.defaults];
        let mut named = named.into_iter().filter(|names| !names.is_empty());
        named.next().unwrap_or_default()
    }

    /// What documents say of learning a port's addresses, and whether that is not its profiles'
    /// word: port before profile before network.
    fn learn(&self, port: &'a Port, profile: &EffectiveProfile<'a>) -> (Option<&'a Learn>, bool) {
        let network = self.catalog.networks.get(&port.network);
        match (&port.learn, profile.learn) {
            (Some(own), _) => (Some(own), true),
            (None, Some(of_profile)) => (Some(of_profile), false),
            (None, None) => (network.and_then(|network| network.learn.as_ref()), true),
        }
    }

    fn learning(&self, port: &'a Port, profile: &EffectiveProfile<'a>) -> Option<Learning> {
        self.learn(port, profile).0.and_then(Learning::of)
    }

    fn admit(&mut self, port: &'a Port, host: &Host) {
        if let Err(refusal) = self.port(port, host) {
            self.program.refused.insert(port.name.clone(), refusal);
        }
    }

    /// A port whose inputs are as they were, of a behaviour that another port has brought already.
    fn keep(&mut self, name: &str, port: Arc<PortProgram>) {
        self.program.ports.insert(name.to_owned(), port);
    }

    fn finish(mut self) -> HostProgram {
        self.refuse_shared_devices();
        self.program
    }

    fn bridges(&mut self, host: &Host) {
        for (name, declared) in &host.bridges {
            self.program.bridges.insert(
                name.clone(),
                Bridge {
                    ifindex: self.observed.bridges.get(name).map(|bridge| bridge.ifindex),
                    mac: self.observed.bridges.get(name).map(|bridge| bridge.mac),
                    managed: declared.managed,
                    uplinks: declared
                        .uplinks
                        .iter()
                        .map(|uplink| {
                            let seen = self.observed.interfaces.get(uplink);
                            let here = seen.filter(|interface| interface.bridge == *name);
                            (uplink.clone(), here.map(|interface| interface.ifindex))
                        })
                        .collect(),
                },
            );
        }
        for network in self.catalog.networks.values() {
            if let Some(bridge) = self.observed.bridges.get(&network.bridge) {
                self.program
                    .bridges
                    .entry(network.bridge.clone())
                    .or_insert_with(|| Bridge {
                        ifindex: Some(bridge.ifindex),
                        mac: Some(bridge.mac),
                        ..Bridge::default()
                    });
            }
        }
    }

    fn foreign(&mut self) {
        for interface in self.observed.interfaces.values() {
            let bridge = self.program.bridges.get(&interface.bridge);
            if !bridge.is_some_and(|bridge| bridge.managed) {
                let foreign = self
                    .program
                    .foreign
                    .entry(interface.bridge.clone())
                    .or_default();
                foreign.insert(interface.ifindex);
            }
        }
    }

    fn port(&mut self, port: &'a Port, host: &Host) -> Result<(), Refusal> {
        let absent = |reason: String| Refusal {
            reason,
            origin: port.origin.clone(),
            absent: true,
        };
        let refuse = |reason: String| Refusal {
            reason,
            origin: port.origin.clone(),
            absent: false,
        };
        if port.host.as_ref().is_some_and(|name| *name != host.name) {
            return Err(absent(format!(
                "it belongs to host {}",
                port.host.as_deref().unwrap_or("")
            )));
        }
        let Some(device) = port.device.as_deref() else {
            return Err(absent("it names no device".to_owned()));
        };
        let Some(interface) = self.observed.interfaces.get(device) else {
            return Err(absent(format!("no interface {device} is in a bridge here")));
        };
        let Some(network) = self.catalog.networks.get(&port.network) else {
            return Err(refuse(format!(
                "no document declares its network {}",
                port.network
            )));
        };
        if interface.bridge != network.bridge {
            return Err(refuse(format!(
                "its device {device} is in bridge {}, but network {} is bridge {}",
                interface.bridge, network.name, network.bridge
            )));
        }
        if let Some(bridge) = self.program.bridges.get(&network.bridge)
            && bridge.uplinks.contains_key(device)
        {
            return Err(refuse(format!(
                "its device {device} is declared as an uplink"
            )));
        }
        if let Some(vlan) = network.vlan {
            let filtering = self
                .observed
                .bridges
                .get(&network.bridge)
                .is_some_and(|bridge| bridge.vlan_filtering);
            if !filtering {
                return Err(refuse(format!(
                    "network {} is VLAN {vlan}, but bridge {} does not separate VLANs \
                     (ip link set {} type bridge vlan_filtering 1)",
                    network.name, network.bridge, network.bridge
                )));
            }
            if interface.pvid != Some(vlan) {
                return Err(refuse(format!(
                    "network {} is VLAN {vlan}, but its device {device} is not \
                     (bridge vlan add dev {device} vid {vlan} pvid untagged)",
                    network.name
                )));
            }
        }
        let profile = self
            .effective_profile(self.profiles_of(port), &port.network)
            .map_err(&refuse)?;
        let behaviour = self.behaviour(port, &profile).map_err(refuse)?;
        let (mut ipv4, mut ipv6) = addresses::of_port(port, self.addresses.learned(&port.name));
        ipv6 = ipv6.union(&Intervals::single(port.mac.eui64_link_local()));
        let learning = self.learning(port, &profile);
        if learning.is_some_and(|learning| !learning.binds()) {
            // ARP and neighbour discovery still speak with the port's own MAC.
            ipv4 = Intervals::range(Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST);
            ipv6 = Intervals::range(Ipv6Addr::UNSPECIFIED, Ipv6Addr::from(u128::MAX));
        }
        self.program.ports.insert(
            port.name.clone(),
            Arc::new(PortProgram {
                name: port.name.clone(),
                vm: port.vm.clone(),
                labels: port.labels.clone(),
                device: device.to_owned(),
                ifindex: interface.ifindex,
                bridge: network.bridge.clone(),
                network: network.name.clone(),
                mac: port.mac,
                ipv4,
                ipv6,
                behaviour,
                limits: profile.limits,
                zone: self.networks.zone(port),
                profiles: profile.versions.clone(),
                origin: port.origin.clone(),
            }),
        );
        Ok(())
    }

    fn effective_profile(
        &mut self,
        names: &[String],
        network: &str,
    ) -> Result<Arc<EffectiveProfile<'a>>, String> {
        if names.is_empty() && !self.networks.protects_by_itself(network) {
            return Err(format!(
                "neither it nor its network {network} nor the host names a profile (profiles: [NAME])"
            ));
        }
        if let Some(known) = self.profiles.get(names) {
            return Ok(Arc::clone(known));
        }
        let effective = Arc::new(EffectiveProfile::new(self.catalog, names)?);
        self.profiles.insert(names.to_vec(), Arc::clone(&effective));
        Ok(effective)
    }

    /// The name of the port's behaviour, which this makes if no port before had the same.
    fn behaviour(
        &mut self,
        port: &'a Port,
        profile: &EffectiveProfile<'a>,
    ) -> Result<String, String> {
        let (learn, overridden) = self.learn(port, profile);
        let learning = learn.and_then(Learning::of);
        let learned = self.addresses.learned(&port.name).to_vec();
        let variables = Variables::new(port, profile, learning.as_ref(), &learned);
        let sources = self.sources(port, profile);
        let mut lists = Vec::with_capacity(sources.len());
        for source in sources {
            lists.push(self.list(&source, &variables)?);
        }
        let isolation = self.networks.isolation(port);
        let implied_mac = self.networks.implies_mac_guard(&port.network);
        let mut identity: Vec<&str> = lists.iter().map(String::as_str).collect();
        identity.push(if implied_mac { "mac" } else { "" });
        identity.extend(
            isolation
                .iter()
                .flat_map(|i| i.sources.iter().map(String::as_str)),
        );
        // A profile's own word is the same for all its ports, and may change in place.
        let learns = learn.filter(|_| overridden).map(identity_of);
        identity.extend(learns.as_deref());
        let name = format!(
            "{}-{}",
            identity::word(&profile.name),
            identity::short(&identity)
        );
        if !self.program.behaviours.contains_key(&name) {
            let sets = isolation.iter().flat_map(|isolation| &isolation.sources);
            for set in sets {
                self.program
                    .mac_sets
                    .insert(set.clone(), self.networks.mac_set(set));
            }
            let mut guards = profile.guards.clone();
            if implied_mac {
                guards.insert(Guard::Mac);
            }
            if learning.as_ref().is_some_and(|learning| !learning.binds()) {
                guards.remove(&Guard::Ipv4);
                guards.remove(&Guard::Ipv6);
            }
            self.program.behaviours.insert(
                name.clone(),
                Arc::new(Behaviour {
                    name: name.clone(),
                    guards,
                    stateful: profile.stateful,
                    reject: profile.reject,
                    dhcp: profile.dhcp,
                    learning,
                    tagged: profile.tagged.clone(),
                    ethertypes: profile.ethertypes.clone(),
                    isolation,
                    lists,
                    default_in: default_verdict(profile, Direction::In),
                    default_out: default_verdict(profile, Direction::Out),
                }),
            );
        }
        Ok(name)
    }

    /// What decides about the port, in the order of DESIGN's "order of decision", steps 5 and 6.
    fn sources(&self, port: &Port, profile: &EffectiveProfile<'a>) -> Vec<Source<'a>> {
        let mut mandatory = Vec::new();
        let mut ordinary = Vec::new();
        for policy in self.catalog.policies.values() {
            let Some(rank) = self.rank(&policy.level, port) else {
                continue;
            };
            let source = |stage, rules| Source {
                name: policy.name.as_str(),
                kind: "policy",
                stage,
                rules,
                audit: false,
            };
            if !policy.mandatory.is_empty() {
                mandatory.push((rank, source(Stage::Mandatory, policy.mandatory.as_slice())));
            }
            if !policy.rules.is_empty() {
                ordinary.push((rank, source(Stage::Ordinary, policy.rules.as_slice())));
            }
        }
        // Stable sorts: policies of one level keep the order of their names.
        mandatory.sort_by_key(|(rank, _)| *rank);
        ordinary.sort_by_key(|(rank, _)| std::cmp::Reverse(*rank));
        let at_port = ordinary
            .iter()
            .take_while(|(rank, _)| *rank == PORT_RANK)
            .count();
        let mut all: Vec<Source<'a>> = mandatory.into_iter().map(|(_, source)| source).collect();
        let mut ordinary = ordinary.into_iter().map(|(_, source)| source);
        all.extend(ordinary.by_ref().take(at_port));
        all.extend(
            profile
                .parts
                .iter()
                .filter(|part| !part.rules.is_empty())
                .map(|part| Source {
                    name: part.name.as_str(),
                    kind: "profile",
                    stage: Stage::Ordinary,
                    rules: part.rules.as_slice(),
                    audit: part.audit,
                }),
        );
        all.extend(ordinary);
        all
    }

    /// How specific a level is for this port, or `None` where it does not apply.
    fn rank(&self, level: &Level, port: &Port) -> Option<u8> {
        match level {
            Level::Everything => Some(0),
            Level::Pool(name) => (self.pool == Some(name.as_str())).then_some(1),
            Level::Network(name) => (port.network == *name).then_some(2),
            Level::Select(labels) => addresses::selects(labels, port).then_some(3),
            Level::Vm(name) => (port.vm.as_ref() == Some(name)).then_some(4),
            Level::Port(name) => (port.name == *name).then_some(PORT_RANK),
        }
    }

    /// The name of the compiled list, which this makes if no port before needed the same.
    fn list(&mut self, source: &Source<'a>, variables: &Variables<'_>) -> Result<String, String> {
        let suffix = match source.stage {
            Stage::Mandatory => "-mandatory",
            Stage::Ordinary => "",
        };
        let mut name = format!("{}-{}{suffix}", source.kind, identity::word(source.name));
        if let Some(scope) = variables.scope(source.rules) {
            name = format!("{name}-{scope}");
        }
        if self.program.lists.contains_key(&name) {
            return Ok(name);
        }
        let title = match source.stage {
            Stage::Mandatory => format!("{} {} (mandatory)", source.kind, source.name),
            Stage::Ordinary => format!("{} {}", source.kind, source.name),
        };
        let mut list = RuleList {
            name: name.clone(),
            stage: source.stage,
            title,
            inward: Vec::new(),
            outward: Vec::new(),
        };
        let mut context = rules::Context {
            catalog: self.catalog,
            variables,
            list: &name,
            audit: source.audit,
            sets: Vec::new(),
            occurrences: BTreeMap::new(),
        };
        for rule in source.rules {
            context.compile(rule, &mut list).map_err(|error| {
                format!(
                    "{} cannot be compiled: rule at {}: {error}",
                    list.title, rule.origin
                )
            })?;
        }
        for set in context.sets {
            let addresses = self.addresses.resolve(&set);
            self.program
                .address_sets
                .entry(set.name())
                .or_insert(addresses);
        }
        self.program.lists.insert(name.clone(), Arc::new(list));
        Ok(name)
    }

    /// Two ports that claim one device cannot both be right: neither is admitted.
    fn refuse_shared_devices(&mut self) {
        let ports = self.program.ports.values();
        let mut claims: Vec<&Arc<PortProgram>> = ports.collect();
        claims.sort_by_key(|port| port.ifindex);
        let shared: Vec<Vec<String>> = claims
            .chunk_by(|one, next| one.ifindex == next.ifindex)
            .filter(|claimants| claimants.len() > 1)
            .map(|claimants| claimants.iter().map(|port| port.name.clone()).collect())
            .collect();
        for names in shared {
            for name in &names {
                if let Some(port) = self.program.ports.remove(name) {
                    let reason = format!(
                        "device {} is claimed by ports {}",
                        port.device,
                        names.join(", ")
                    );
                    let origin = port.origin.clone();
                    self.program.refused.insert(
                        name.clone(),
                        Refusal {
                            reason,
                            origin,
                            absent: false,
                        },
                    );
                }
            }
        }
    }
}

/// Tells what a port or its network says of learning from what others say.
fn identity_of(learn: &Learn) -> String {
    let Learn {
        mode,
        servers,
        ipv4_limit,
        ipv6_limit,
        within,
    } = learn;
    let mut text = format!("learn {}", mode.name());
    for limit in [ipv4_limit, ipv6_limit] {
        text.push_str(&limit.map_or_else(|| " -".to_owned(), |limit| format!(" {limit}")));
    }
    for server in servers {
        text.push_str(&format!(" {server}"));
    }
    for net in within {
        text.push_str(&format!(" {net}"));
    }
    text
}

const PORT_RANK: u8 = 5;

/// Rules of one document that apply to a port.
struct Source<'a> {
    name: &'a str,
    kind: &'static str,
    stage: Stage,
    rules: &'a [Rule],
    audit: bool,
}

fn default_verdict(profile: &EffectiveProfile<'_>, direction: Direction) -> DefaultVerdict {
    let (suffix, part) = match direction {
        Direction::In => ("in", &profile.default_in),
        Direction::Out => ("out", &profile.default_out),
    };
    DefaultVerdict {
        id: format!("{}/default-{suffix}", identity::word(&part.profile)),
        verdict: part.verdict,
        audit: part.audit,
        origin: Origin::clone(&part.origin),
    }
}
