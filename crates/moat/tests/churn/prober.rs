//! Sends what must not pass, from every port that exists, all the while, and counts what passes. Knows
//! frames; which ports there are is told.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use testbed::forged::{Identities, Kind};
use testbed::{MarkedFrame, MarkerCounter, RawPort, SwitchPort};

use crate::host::{Host, PEER};

/// The marker of honest frames that an interface sends that nobody claims.
const STRAY: u32 = 0xdead_0001;

/// Who a machine is, and that it pretends to be the peer.
pub(crate) fn identities(number: usize) -> Identities {
    let [high, low] = u16::try_from(number).expect("few ports").to_be_bytes();
    let sixth = |a: u16, b: u16| Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, a, b);
    Identities {
        mac: [0x52, 0x54, 0, 1, high, low],
        ipv4: Ipv4Addr::new(10, 1, high, low),
        ipv6: sixth(1, u16::from_be_bytes([high, low])),
        foreign_mac: PEER,
        foreign_ipv4: Ipv4Addr::new(10, 0, 0, 1),
        foreign_ipv6: sixth(0, 1),
        to_mac: [0xff; 6],
        to_ipv4: Ipv4Addr::new(10, 0, 0, 254),
        to_ipv6: sixth(0, 254),
    }
}

struct Sender {
    wire: RawPort,
    frames: Vec<Vec<u8>>,
    next: usize,
}

#[derive(Default)]
struct Shared {
    senders: Mutex<BTreeMap<u64, Sender>>,
    peers: Mutex<Vec<(RawPort, Vec<u8>)>>,
    paused: AtomicBool,
    ends: AtomicBool,
    forged: AtomicU64,
    honest: AtomicU64,
}

/// What went and what came.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counted {
    pub(crate) forged_sent: u64,
    pub(crate) forged_arrived: u64,
    pub(crate) stray_arrived: u64,
    pub(crate) honest_sent: u64,
    pub(crate) honest_arrived: u64,
    pub(crate) admitted_arrived: u64,
}

/// The thread that sends ends with it.
pub(crate) struct Prober {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    counters: Vec<[MarkerCounter; 4]>,
    next: u64,
}

fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("the prober did not panic")
}

impl Prober {
    pub(crate) fn new(hosts: &[Host]) -> Self {
        let shared = Arc::new(Shared::default());
        let forged: Vec<Kind> = Kind::forged().collect();
        let mut counters = Vec::new();
        for host in hosts {
            // Index 0: at every port of the host, and at its uplink.
            let kinds = |kinds: &[Kind], device: &SwitchPort, everywhere: bool| {
                let index = if everywhere { 0 } else { device.end_index };
                let ends = &device.end_namespace;
                MarkerCounter::of_kinds(ends, &device.end_device, index, kinds).expect("a counter")
            };
            let ends = host.switch.ends();
            counters.push([
                kinds(&forged, &host.uplink, true),
                MarkerCounter::open(ends, "all", 0, Some(STRAY)).expect("a counter"),
                kinds(&[Kind::Honest], &host.uplink, false),
                kinds(&[Kind::HonestIpv6], &host.uplink, false),
            ]);
            let honest = Kind::Honest.frame(&Identities::of(PEER), 1);
            let wire = host.peer.open().expect("a wire");
            hold(&shared.peers).push((wire, honest));
        }
        let thread = thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                while !shared.ends.load(Ordering::SeqCst) {
                    turn(&shared);
                    thread::sleep(Duration::from_millis(4));
                }
            }
        });
        Self {
            shared,
            thread: Some(thread),
            counters,
            next: 0,
        }
    }

    /// A port that nobody has claimed yet: it forges from its first moment on.
    pub(crate) fn add(&mut self, port: &SwitchPort, number: usize) -> u64 {
        let who = identities(number);
        let frames = Kind::forged().map(|kind| kind.frame(&who, 1)).collect();
        self.insert(port, frames)
    }

    /// A port that nobody claims: what would be honest from a claimed one must not pass either.
    pub(crate) fn add_stray(&mut self, port: &SwitchPort, number: usize) -> u64 {
        let who = identities(number);
        let honest = MarkedFrame {
            source_mac: who.mac,
            destination_mac: who.to_mac,
            source: (who.ipv4, 4000).into(),
            destination: (who.to_ipv4, 4000).into(),
            marker: STRAY,
            length: 60,
        };
        self.insert(port, vec![honest.bytes()])
    }

    fn insert(&mut self, port: &SwitchPort, frames: Vec<Vec<u8>>) -> u64 {
        let wire = port.open().expect("a wire");
        for frame in &frames {
            // The first frames go before anybody is told of the port.
            if wire.send(frame).is_ok() {
                self.shared.forged.fetch_add(1, Ordering::SeqCst);
            }
        }
        self.next += 1;
        let next = self.next as usize;
        let sender = Sender { wire, frames, next };
        hold(&self.shared.senders).insert(self.next, sender);
        self.next
    }

    pub(crate) fn remove(&self, key: u64) {
        hold(&self.shared.senders).remove(&key);
    }

    /// One honest frame of a port, which its switch has been said to admit.
    pub(crate) fn admitted(&self, key: u64, number: usize) -> bool {
        let frame = Kind::HonestIpv6.frame(&identities(number), 1);
        let senders = hold(&self.shared.senders);
        senders[&key].wire.send(&frame).is_ok()
    }

    /// Nothing is sent until [`Self::resume`]; what was sent has arrived or never will.
    pub(crate) fn pause(&self, hosts: &[Host]) {
        self.shared.paused.store(true, Ordering::SeqCst);
        drop(hold(&self.shared.senders));
        for host in hosts {
            host.switch.settle().expect("it settles");
        }
        // The prober's thread may have been on another CPU, whose queue holds at most 1,000 frames.
        thread::sleep(Duration::from_millis(20));
    }

    pub(crate) fn resume(&self) {
        self.shared.paused.store(false, Ordering::SeqCst);
    }

    pub(crate) fn count(&mut self) -> Counted {
        let mut counted = Counted {
            forged_sent: self.shared.forged.load(Ordering::SeqCst),
            honest_sent: self.shared.honest.load(Ordering::SeqCst),
            ..Counted::default()
        };
        for [forged, stray, honest, admitted] in &mut self.counters {
            counted.forged_arrived += forged.count().expect("a count");
            counted.stray_arrived += stray.count().expect("a count");
            counted.honest_arrived += honest.count().expect("a count");
            counted.admitted_arrived += admitted.count().expect("a count");
        }
        counted
    }
}

fn turn(shared: &Shared) {
    let mut senders = hold(&shared.senders);
    // Under the lock, so that who pauses knows when the last frame was sent.
    if shared.paused.load(Ordering::SeqCst) {
        return;
    }
    for (wire, frame) in hold(&shared.peers).iter() {
        if wire.send(frame).is_ok() {
            shared.honest.fetch_add(1, Ordering::SeqCst);
        }
    }
    for sender in senders.values_mut() {
        for _ in 0..2 {
            let frame = &sender.frames[sender.next % sender.frames.len()];
            sender.next += 1;
            // A device that is down or gone takes none.
            if sender.wire.send(frame).is_ok() {
                shared.forged.fetch_add(1, Ordering::SeqCst);
            }
        }
    }
}

impl Drop for Prober {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
