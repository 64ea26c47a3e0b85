use frame::{FrameSpec, MacAddress};
use learning::{Event, Forgotten, Moment, Refused};
use policy::Incremental;
use policy::language::{Source, load, parse};
use policy::observation::{Observation, ObservedBridge, ObservedInterface};
use policy::program::{ConnectionState, Direction};

use super::Learners;

const DOCUMENTS: &str = "
kind: Network
name: lan
bridge: br0
learn: first-packet
---
kind: Profile
name: p
stateful: off
guards: [ipv4, arp]
---
kind: Port
name: a
device: vnet1
mac: 52:54:00:00:00:01
network: lan
profiles: [p]
---
kind: Port
name: elsewhere
mac: 52:54:00:00:00:02
addresses: [10.0.0.9]
network: lan
profiles: [p]
";

fn observed(ifindex: u32) -> Observation {
    let mut observed = Observation::default();
    let bridge = ObservedBridge {
        ifindex: 2,
        ..ObservedBridge::default()
    };
    observed.bridges.insert("br0".to_owned(), bridge);
    let interface = ObservedInterface {
        ifindex,
        bridge: "br0".to_owned(),
        ..ObservedInterface::default()
    };
    observed.interfaces.insert("vnet1".to_owned(), interface);
    observed
}

struct Scene {
    learners: Learners,
    incremental: Incremental,
}

impl Scene {
    fn new() -> Self {
        let catalog = load(&[Source::new("test.yaml", DOCUMENTS)]).expect("documents");
        let mut scene = Self {
            learners: Learners::new(),
            incremental: Incremental::new(catalog, None, observed(11)),
        };
        assert_eq!(scene.follow(), []);
        scene
    }

    fn follow(&mut self) -> Vec<Event> {
        let program = self.incremental.compile().expect("a program").clone();
        let catalog = self.incremental.catalog().clone();
        let events = self.learners.follow(&catalog, &program, Moment::seconds(1));
        if self.learners.settle(&events, &mut self.incremental) {
            self.incremental.compile().expect("a program");
        }
        events
    }

    fn frame(address: &str) -> Vec<u8> {
        let spec: FrameSpec = format!("arp request {address} > 10.0.0.1")
            .parse()
            .expect("a frame");
        spec.to_frame(MacAddress([0x52, 0x54, 0, 0, 0, 1]), MacAddress([0xff; 6]))
    }

    fn sends(&mut self, ifindex: u32, address: &str) -> Vec<Event> {
        let frame = Self::frame(address);
        let now = Moment::seconds(2);
        let events = self.learners.report(ifindex, Direction::Out, &frame, now);
        if self.learners.settle(&events, &mut self.incremental) {
            self.incremental.compile().expect("a program");
        }
        events
    }

    fn passes(&self, address: &str) -> bool {
        let program = self.incremental.program();
        let frame = Self::frame(address);
        let state = ConnectionState::Untracked;
        policy::evaluate(program, "a", Direction::Out, &frame, state).passes()
    }
}

#[test]
fn what_is_reported_passes_from_the_next_program_on() {
    let mut scene = Scene::new();
    assert!(!scene.passes("10.0.0.5"));
    assert_eq!(scene.sends(12, "10.0.0.5"), [], "no port's interface");
    scene.sends(11, "10.0.0.5");
    assert!(scene.passes("10.0.0.5") && !scene.passes("10.0.0.6"));
    assert_eq!(scene.follow(), [], "it stays");
}

#[test]
fn what_a_port_of_another_host_declares_is_not_for_the_taking() {
    let mut scene = Scene::new();
    let events = scene.sends(11, "10.0.0.9");
    let conflict = Refused::Conflict {
        with: "elsewhere".to_owned(),
    };
    assert!(
        matches!(events.as_slice(), [Event::Refused { why, .. }] if *why == conflict),
        "{events:?}"
    );
    assert!(!scene.passes("10.0.0.9"));
}

#[test]
fn another_interface_and_other_documents_begin_anew() {
    let mut scene = Scene::new();
    scene.sends(11, "10.0.0.5");
    scene.incremental.observe(observed(21));
    let events = scene.follow();
    assert!(
        matches!(
            events.as_slice(),
            [Event::Forgotten {
                why: Forgotten::PortGone,
                ..
            }]
        ),
        "{events:?}"
    );
    assert!(!scene.passes("10.0.0.5"));
    scene.sends(21, "10.0.0.6");
    assert!(scene.passes("10.0.0.6"));
    let network = "kind: Network\nname: lan\nbridge: br0\n";
    for document in parse(&Source::new("n.yaml", network)).expect("a network") {
        scene.incremental.insert(document);
    }
    scene.follow();
    assert!(!scene.passes("10.0.0.6"), "nothing may be learned any more");
    assert!(scene.learners.learner().addresses("a").is_empty());
}
