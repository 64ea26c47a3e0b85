//! Attacks carried out: frames sent as they are, every victim watched, counters read before and after.
//! Knows how to measure; leaves what is sent to `attacks` and what should happen to `prediction`.

use anyhow::Context;
use frame::FrameBuilder;
use frame::MacAddress;
use frame::build::ArpPacket;
use policy::Catalog;
use policy::program::{ConnectionState, Direction};
use serde::{Deserialize, Serialize};
use testbed::{PinnedThread, RawPort, SwitchPort};

use super::attacks::{Attack, Attacker};
use super::body::End;
use super::enforcement::{self, Enforced};
use super::prediction::{Denial, Predictor};
use super::progress::Progress;
use super::site::Site;

/// One attack and what came of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Assault {
    pub(super) name: String,
    pub(super) from: String,
    /// The machine aimed at.
    pub(super) to: String,
    /// How many machines should not receive it.
    pub(super) victims: usize,
    /// How many received it without moat.
    pub(super) before: usize,
    /// How many received it with moat.
    pub(super) after: usize,
    /// How many would according to the evaluator.
    pub(super) expected: usize,
    /// What stops it on its way to the machine aimed at, according to the evaluator.
    pub(super) denied_by: Option<Denial>,
    /// Kernel and evaluator say the same of every victim.
    pub(super) agrees: bool,
}

/// The sockets of a site through which attacks go.
pub(super) struct Arena<'a> {
    site: &'a Site,
    machines: Vec<End<'a>>,
    unclaimed: Option<(usize, SwitchPort, RawPort)>,
    wire: Option<RawPort>,
    /// What this thread sends is found again sooner where nobody else sends.
    _pinned: Option<PinnedThread>,
}

impl<'a> Arena<'a> {
    /// Opens every machine's end of its wire, and plugs in an interface that no document knows.
    pub(super) fn open(site: &'a Site, attacks: &[Attack]) -> anyhow::Result<Self> {
        let machines = site.machines.iter().map(|resident| resident.machine.end());
        let machines = machines.collect::<Result<_, _>>()?;
        let beside = attacks.iter().find_map(|attack| match attack.by {
            Attacker::Unclaimed(beside) => site.machines.get(beside),
            _ => None,
        });
        let unclaimed = match beside {
            Some(beside) => {
                let host = site.hosts.get(beside.host).context("no such host")?;
                let port = host.plug_unclaimed(beside.bridge)?;
                let raw = port.open()?;
                Some((beside.host, port, raw))
            }
            None => None,
        };
        let wire = match (&site.wire, site.hosts.first()) {
            (Some((name, index)), Some(first)) => {
                Some(RawPort::open(first.switch().namespace(), name, *index)?)
            }
            _ => None,
        };
        Ok(Self {
            site,
            machines,
            unclaimed,
            wire,
            _pinned: match site.has_guests() {
                true => None,
                false => Some(PinnedThread::here()?),
            },
        })
    }

    /// Carries one out; says of each victim whether a frame of it arrived there.
    fn attempt(&mut self, attack: &Attack) -> anyhow::Result<Vec<bool>> {
        let host = self.site.hosts.first().context("no host")?;
        let settler = host.switch().settler();
        let stranger = match attack.by {
            Attacker::Machine(place) => {
                let machine = self.machines.get_mut(place);
                let machine = machine.context("an attack without an attacker")?;
                machine.send(&attack.frames)?;
                None
            }
            Attacker::Unclaimed(_) => self.unclaimed.as_ref().map(|(_, _, raw)| raw),
            Attacker::Wire => self.wire.as_ref(),
        };
        if let Some(stranger) = stranger {
            attack
                .frames
                .iter()
                .try_for_each(|frame| stranger.send(frame))?;
        }
        settler.settle()?;
        let mut reached = Vec::new();
        for place in &attack.victims {
            let victim = self.machines.get_mut(*place).context("no such victim")?;
            let received = victim.heard()?;
            reached.push(received.iter().any(|frame| attack.frames.contains(frame)));
        }
        Ok(reached)
    }

    /// Lets machines say where they are, so that no bridge believes an earlier forger; forgets what was heard.
    fn prepare(&mut self, attack: &Attack) -> anyhow::Result<()> {
        let host = self.site.hosts.first().context("no host")?;
        let settler = host.switch().settler();
        for place in &attack.known {
            let (Some(resident), Some(raw)) = (
                self.site.machines.get(*place),
                self.machines.get_mut(*place),
            ) else {
                continue;
            };
            let mac = resident.port.mac;
            if let Some(std::net::IpAddr::V4(own)) = resident.address(false) {
                let announcement = ArpPacket {
                    operation: 1,
                    sender_mac: mac,
                    sender_ip: own,
                    target_mac: MacAddress::ZERO,
                    target_ip: own,
                };
                let frame = FrameBuilder::new(mac, MacAddress::BROADCAST).arp(&announcement);
                raw.send(&[frame])?;
            }
        }
        settler.settle()?;
        for machine in &mut self.machines {
            machine.heard()?;
        }
        Ok(())
    }

    /// Where an attack enters: a host and a port, which no document knows where it is not a machine's.
    fn entrance(&self, attack: &Attack) -> (usize, String) {
        let of = |place: usize| self.site.machines.get(place);
        match attack.by {
            Attacker::Machine(place) => of(place).map(|one| (one.host, one.port.name.clone())),
            Attacker::Unclaimed(_) => {
                let unclaimed = self.unclaimed.as_ref();
                unclaimed.map(|(host, port, _)| (*host, port.device.clone()))
            }
            Attacker::Wire => self.site.wire.as_ref().map(|(name, _)| (1, name.clone())),
        }
        .unwrap_or_default()
    }

    fn people_call(&self, attack: &Attack) -> String {
        let name = self.entrance(attack).1;
        match attack.by {
            Attacker::Machine(place) => match self.site.machines.get(place) {
                Some(machine) => machine.name().to_owned(),
                None => name,
            },
            Attacker::Unclaimed(_) => format!("{name}, which nobody declared,"),
            Attacker::Wire => format!("a stranger on the wire {name}"),
        }
    }
}

impl Drop for Arena<'_> {
    fn drop(&mut self) {
        if let Some((host, port, _)) = self.unclaimed.take()
            && let Some(host) = self.site.hosts.get(host)
        {
            // It goes with its namespace otherwise.
            let _ = host.switch().unplug(&[port]);
        }
    }
}

/// Carries all out where nothing is enforced: who was reached, by attack and victim.
pub(super) fn unprotected(
    site: &Site,
    attacks: &[Attack],
    progress: &Progress,
) -> anyhow::Result<Vec<Vec<bool>>> {
    let mut arena = Arena::open(site, attacks)?;
    let mut reached = Vec::new();
    for attack in attacks {
        progress.detail(&attack.name);
        arena.prepare(attack)?;
        reached.push(arena.attempt(attack)?);
    }
    Ok(reached)
}

/// Carries all out under the policy, and puts each beside what it did `before` and what the evaluator says.
pub(super) fn protected(
    site: &Site,
    attacks: &[Attack],
    before: &[Vec<bool>],
    catalog: &Catalog,
    hosts: &mut [Enforced],
    progress: &Progress,
) -> anyhow::Result<Vec<Assault>> {
    let mut arena = Arena::open(site, attacks)?;
    let mut assaults = Vec::new();
    for (attack, before) in attacks.iter().zip(before) {
        progress.detail(&attack.name);
        arena.prepare(attack)?;
        let first = enforcement::counted(hosts)?;
        let reached = arena.attempt(attack)?;
        let last = enforcement::counted(hosts)?;
        let predictor = Predictor { catalog, hosts };
        let expected = attack
            .victims
            .iter()
            .map(|victim| predict(&predictor, &arena, attack, *victim));
        let mut expected: Vec<Option<Denial>> = expected.collect();
        for denial in expected.iter_mut().flatten() {
            if let (Some(first), Some(last)) = (first.get(denial.host), last.get(denial.host)) {
                denial.counted = enforcement::moved(first, last, &denial.decider) > 0;
            }
        }
        let agrees = reached.iter().zip(&expected).all(|(reached, denial)| {
            denial
                .as_ref()
                .map_or(*reached, |denial| !reached && denial.counted)
        });
        let count = |reached: &[bool]| reached.iter().filter(|reached| **reached).count();
        let aimed_at = attack
            .victims
            .first()
            .and_then(|place| site.machines.get(*place));
        assaults.push(Assault {
            name: attack.name.clone(),
            from: arena.people_call(attack),
            to: aimed_at.map_or(String::new(), |machine| machine.name().to_owned()),
            victims: attack.victims.len(),
            before: count(before),
            after: count(&reached),
            expected: expected.iter().filter(|denial| denial.is_none()).count(),
            denied_by: expected.into_iter().next().flatten(),
            agrees,
        });
    }
    Ok(assaults)
}

/// Why no frame of the attack reaches one victim; `None`: one does.
fn predict(
    predictor: &Predictor<'_>,
    arena: &Arena<'_>,
    attack: &Attack,
    victim: usize,
) -> Option<Denial> {
    let victim = arena.site.machines.get(victim)?;
    let to = (victim.host, victim.port.name.as_str());
    let (host, name) = arena.entrance(attack);
    let mut reason = None;
    for frame in &attack.frames {
        let state = ConnectionState::New;
        let denial = match attack.by {
            Attacker::Wire => predictor.at(to, Direction::In, frame, state),
            _ => predictor.between((host, &name), to, frame, state),
        };
        reason = reason.or(Some(denial?));
    }
    reason
}
