//! Asks both judges about the same witnesses of one port, and gathers what changes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use frame::build::ArpPacket;
use frame::{FrameBuilder, MacAddress};

use super::judge::{Judge, JudgedPort, Landmarks};
use super::peers::{Peers, peers};
use super::services::{Packets, packets};
use super::specials::{Special, specials};
use super::witness::{Ends, OUTSIDE_V4, OUTSIDE_V6, Own, STRANGER};
use super::{exotic, identity, link, words};
use crate::program::{ConnectionState, Direction};
use crate::rule::Verdict;

/// What changed for a port, in words.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Fact {
    pub(super) allowed: bool,
    pub(super) direction: Direction,
    pub(super) what: String,
    pub(super) peers: Vec<String>,
    pub(super) because: Vec<String>,
}

/// A judge with the port as it knows it.
#[derive(Clone, Copy)]
pub(super) struct Side<'a> {
    pub(super) judge: &'a dyn Judge,
    pub(super) port: &'a JudgedPort,
}

impl Side<'_> {
    pub(super) fn passes(
        &self,
        direction: Direction,
        frame: &[u8],
        state: ConnectionState,
    ) -> Option<bool> {
        let verdict = self.judge.verdict(self.port, direction, frame, state)?;
        Some(verdict == Verdict::Accept)
    }

    /// The first frame that passes, or none of them; `None` where the judge cannot tell.
    fn any(
        &self,
        direction: Direction,
        frames: &[Vec<u8>],
        state: ConnectionState,
    ) -> Option<bool> {
        let mut told = false;
        for frame in frames {
            match self.passes(direction, frame, state) {
                Some(true) => return Some(true),
                Some(false) => told = true,
                None => {}
            }
        }
        told.then_some(false)
    }

    /// Whether anything that the neighbour sends comes through.
    fn hears(&self, neighbour: MacAddress) -> bool {
        let own = Own::of(self.port);
        let mut frames = vec![FrameBuilder::new(neighbour, own.mac).arp(&ArpPacket {
            operation: 1,
            sender_mac: neighbour,
            sender_ip: OUTSIDE_V4,
            target_mac: MacAddress::ZERO,
            target_ip: own.v4,
        })];
        for peer in [IpAddr::V4(OUTSIDE_V4), IpAddr::V6(OUTSIDE_V6)] {
            frames.extend(Ends::new(&own, Direction::In, neighbour, peer).probes());
        }
        self.any(Direction::In, &frames, ConnectionState::New) == Some(true)
    }

    fn landmarks(&self) -> Landmarks {
        self.judge.landmarks(self.port)
    }
}

/// At most so many packets are tried for one port and direction; more conditions than that tell
/// apart are compared in part, and the result says so.
const MOST_WITNESSES: usize = 8_000;

pub(super) struct Compared {
    pub(super) facts: Vec<Fact>,
    pub(super) complete: bool,
}

pub(super) fn compare(before: Side<'_>, after: Side<'_>) -> Compared {
    let landmarks = [before.landmarks(), after.landmarks()];
    let mut facts = Vec::new();
    let (old, new) = (Own::of(before.port), Own::of(after.port));
    let neighbours @ [old_neighbour, new_neighbour] = neighbours(before, after, &landmarks);
    let packets = packets(&landmarks);
    let peers = peers(&landmarks);
    let mut complete = true;
    for direction in [Direction::In, Direction::Out] {
        let grid = Grid {
            sides: [(before, old), (after, new)],
            direction,
            neighbours,
            packets: &packets,
            peers: &peers,
        };
        complete &= grid.facts(&mut facts);
    }
    let olds = specials(&old, old_neighbour, &landmarks);
    let news = specials(&new, new_neighbour, &landmarks);
    facts.extend(
        olds.iter()
            .zip(&news)
            .filter_map(|(old, new)| special(before, after, old, new)),
    );
    let olds = exotic::specials(&old, old_neighbour, &landmarks);
    let news = exotic::specials(&new, new_neighbour, &landmarks);
    facts.extend(
        olds.iter()
            .zip(&news)
            .filter_map(|(old, new)| special(before, after, old, new)),
    );
    facts.sort();
    facts.dedup();
    Compared { facts, complete }
}

/// What changes because the port itself has other addresses.
pub(super) fn compare_identity(before: Side<'_>, after: Side<'_>) -> Vec<Fact> {
    identity::specials(before.port, after.port)
        .iter()
        .filter_map(|one| special(before, after, one, one))
        .collect()
}

fn special(before: Side<'_>, after: Side<'_>, old: &Special, new: &Special) -> Option<Fact> {
    let (direction, state) = (new.direction, new.state);
    let was = before.any(direction, &old.frames, state)?;
    let is = after.any(direction, &new.frames, state)?;
    if was == is {
        return None;
    }
    let plain = (
        before.any(direction, &old.plain, ConnectionState::New),
        after.any(direction, &new.plain, ConnectionState::New),
    );
    if plain == (Some(was), Some(is)) {
        return None;
    }
    let frame = new
        .frames
        .iter()
        .find(|frame| after.passes(direction, frame, state) == Some(is))?;
    let reason = after.judge.reason(after.port, direction, frame, state);
    Some(Fact {
        allowed: is,
        direction,
        what: new.what.clone(),
        peers: Vec::new(),
        because: reason.into_iter().collect(),
    })
}

/// Neighbours whose frames isolation lets through, before and after: the same one if there is one,
/// so that what isolation changes is told by its own witnesses alone.
fn neighbours(before: Side<'_>, after: Side<'_>, landmarks: &[Landmarks]) -> [MacAddress; 2] {
    let own = [before.port.mac, after.port.mac];
    let known = link::neighbours(landmarks).into_values();
    let known = known.filter_map(|alike| alike.into_iter().find(|mac| !own.contains(mac)));
    let mut found = [None; 2];
    for mac in [STRANGER].into_iter().chain(known) {
        let passes = [before, after].map(|side| side.hears(mac));
        if passes == [true, true] {
            return [mac, mac];
        }
        for (found, passes) in found.iter_mut().zip(passes) {
            *found = found.or(passes.then_some(mac));
        }
    }
    found.map(|found| found.unwrap_or(STRANGER))
}

/// All packets × all peers of one direction.
struct Grid<'a> {
    sides: [(Side<'a>, Own); 2],
    direction: Direction,
    neighbours: [MacAddress; 2],
    packets: &'a [Packets],
    peers: &'a Peers,
}

/// Packets that changed alike, with the peers for which they did.
type Cells = BTreeMap<usize, BTreeSet<usize>>;

impl Grid<'_> {
    /// Whether everything was compared.
    fn facts(&self, facts: &mut Vec<Fact>) -> bool {
        let mut changed: BTreeMap<(bool, Option<String>), Cells> = BTreeMap::new();
        let mut because: BTreeSet<String> = BTreeSet::new();
        let mut asked = 0_usize;
        let mut complete = true;
        for (index, packets) in self.packets.iter().enumerate() {
            for peer in self.applicable(packets) {
                asked += 1;
                if asked > MOST_WITNESSES {
                    complete = false;
                    break;
                }
                let Some((allowed, reason)) = self.cell(packets, peer) else {
                    continue;
                };
                because.extend(reason.clone().filter(|_| allowed));
                let key = (allowed, reason.filter(|_| !allowed));
                let cells = changed.entry(key).or_default();
                cells.entry(index).or_default().insert(peer);
            }
        }
        for ((allowed, reason), cells) in changed {
            let mut alike: BTreeMap<Vec<String>, BTreeSet<usize>> = BTreeMap::new();
            for (index, chosen) in cells {
                let Some(packets) = self.packets.get(index) else {
                    continue;
                };
                let words = self.peers.describe(&chosen, &self.applicable(packets));
                alike.entry(words).or_default().insert(index);
            }
            facts.extend(alike.into_iter().map(|(peers, chosen)| Fact {
                allowed,
                direction: self.direction,
                what: words::packets(&chosen, self.packets),
                peers,
                because: if allowed {
                    because.iter().cloned().collect()
                } else {
                    reason.iter().cloned().collect()
                },
            }));
        }
        complete
    }

    fn applicable(&self, packets: &Packets) -> BTreeSet<usize> {
        let classes = self.peers.classes.iter().enumerate();
        classes
            .filter(|(_, class)| packets.fits(class.witness.is_ipv6()))
            .map(|(index, _)| index)
            .collect()
    }

    /// Whether the packet is now allowed or denied, and by what; `None` where nothing changes.
    fn cell(&self, packets: &Packets, peer: usize) -> Option<(bool, Option<String>)> {
        let peer = self.peers.classes.get(peer)?.witness;
        let [(before, old), (after, new)] = &self.sides;
        let [heard, hears] = self.neighbours;
        let frame = |own: &Own, neighbour: MacAddress| {
            Ends::new(own, self.direction, neighbour, peer).witness(packets)
        };
        let state = ConnectionState::New;
        let sent = frame(new, hears);
        let is = after.passes(self.direction, &sent, state)?;
        let was = if (old, heard) == (new, hears) {
            before.passes(self.direction, &sent, state)?
        } else {
            before.passes(self.direction, &frame(old, heard), state)?
        };
        (was != is).then(|| {
            let port = after.port;
            (is, after.judge.reason(port, self.direction, &sent, state))
        })
    }
}
