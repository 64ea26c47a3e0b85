//! A host on which every device of the documents exists, and questions in one line.

use frame::{FrameSpec, MacAddress};
use policy::language::{Source, load};
use policy::learn::Learned;
use policy::observation::{Observation, ObservedBridge, ObservedInterface};
use policy::program::{ConnectionState, Direction};
use policy::{Evaluation, HostProgram, evaluate};

pub(crate) struct World {
    pub(crate) program: HostProgram,
}

/// MAC of everybody who is not a port.
pub(crate) const STRANGER: MacAddress = MacAddress([0x02, 0, 0, 0, 0, 0x99]);

impl World {
    pub(crate) fn new(documents: &str) -> Self {
        Self::that_learned(documents, &[])
    }

    /// Ports have learned these addresses besides.
    pub(crate) fn that_learned(documents: &str, learned: &[(&str, &[&str])]) -> Self {
        let catalog = load(&[Source::new("test.yaml", documents)])
            .unwrap_or_else(|errors| panic!("{}", errors.render(false, 100)));
        let mut observed = Observation::default();
        for network in catalog.networks.values() {
            let bridge = ObservedBridge {
                ifindex: 1,
                ..ObservedBridge::default()
            };
            observed.bridges.insert(network.bridge.clone(), bridge);
        }
        for (ifindex, port) in (10..).zip(catalog.ports.values()) {
            let bridge = catalog.networks[&port.network].bridge.clone();
            let interface = ObservedInterface {
                ifindex,
                bridge,
                ..ObservedInterface::default()
            };
            observed
                .interfaces
                .insert(port.device.clone().expect("a device"), interface);
        }
        let learned: Learned = learned
            .iter()
            .map(|(port, addresses)| {
                let addresses = addresses.iter().map(|a| a.parse().expect("a prefix"));
                ((*port).to_owned(), addresses.collect())
            })
            .collect();
        let program =
            policy::compile_learned(&catalog, None, &observed, &learned).expect("a program");
        Self { program }
    }

    /// Without connection tracking.
    pub(crate) fn out(&self, port: &str, spec: &str) -> Evaluation {
        self.ask(port, Direction::Out, spec, ConnectionState::Untracked)
    }

    pub(crate) fn inward(&self, port: &str, spec: &str) -> Evaluation {
        self.ask(port, Direction::In, spec, ConnectionState::Untracked)
    }

    pub(crate) fn ask(
        &self,
        port: &str,
        direction: Direction,
        spec: &str,
        state: ConnectionState,
    ) -> Evaluation {
        let own = self
            .program
            .ports
            .get(port)
            .map_or(STRANGER, |port| port.mac);
        let (source, destination) = match direction {
            Direction::Out => (own, STRANGER),
            Direction::In => (STRANGER, own),
        };
        let spec: FrameSpec = spec
            .parse()
            .unwrap_or_else(|error| panic!("{spec}: {error}"));
        self.bytes(port, direction, &spec.to_frame(source, destination), state)
    }

    pub(crate) fn bytes(
        &self,
        port: &str,
        direction: Direction,
        frame: &[u8],
        state: ConnectionState,
    ) -> Evaluation {
        evaluate(&self.program, port, direction, frame, state)
    }
}

/// The decider by the name of its counter.
pub(crate) fn decided(evaluation: &Evaluation) -> String {
    evaluation.decider.to_string()
}
