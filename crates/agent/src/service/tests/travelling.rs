//! What an agent does with connections that come with a port, on interfaces that exist.

use std::collections::BTreeSet;

use datapath::Remembered;
use policy::connection::Connection;
use testbed::{Switch as Bench, SwitchPort};

use super::*;
use crate::protocol::Exported;

/// A switch's memory that this test can look into.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory(Arc<Mutex<Vec<(u16, Connection)>>>);

impl Memory {
    fn with<T>(&self, look: impl FnOnce(&mut Vec<(u16, Connection)>) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn texts(&self) -> Vec<String> {
        self.with(|all| all.iter().map(|(_, it)| it.to_string()).collect())
    }
}

impl ConnectionMemory for Memory {
    fn list(
        &mut self,
        zones: &BTreeSet<u16>,
        each: &mut dyn FnMut(u16, Connection),
    ) -> Result<(), DatapathError> {
        let all = self.with(|all| all.clone());
        for (zone, connection) in all.into_iter().filter(|(zone, _)| zones.contains(zone)) {
            each(zone, connection);
        }
        Ok(())
    }

    fn remember(
        &mut self,
        zone: u16,
        connections: &[Connection],
    ) -> Result<Remembered, DatapathError> {
        let new = connections.iter().map(|it| (zone, it.clone()));
        self.with(|all| all.extend(new));
        Ok(Remembered {
            added: connections.len(),
            ..Remembered::default()
        })
    }
}

const DOCUMENTS: &str = "kind: Host\nname: hv-1\nbridges: {br0: {managed: true}}\n---\n\
    kind: Profile\nname: client\nguards: [mac, ipv4]\ndefault: {in: drop, out: accept}\n\
    rules: [drop out tcp 25, accept in ssh]\n";

const GOES_ON: [&str; 2] = [
    "tcp 10.0.0.5:40000 192.0.2.9:443 1000 7/7",
    "tcp 192.0.2.9:40000 10.0.0.5:22 1000",
];
const DOES_NOT: [&str; 3] = [
    "tcp 10.0.0.5:40000 192.0.2.9:25 1000",
    "tcp 192.0.2.9:40000 10.0.0.5:80 1000",
    "tcp 10.0.0.6:40000 192.0.2.9:443 1000",
];

fn claim(port: &SwitchPort) -> Request {
    let address = "10.0.0.5/32".parse();
    Request::Claim {
        port: PortClaim {
            name: "web-1/0".to_owned(),
            device: Some(port.device.clone()),
            mac: port.mac.into(),
            bridge: Some("br0".to_owned()),
            addresses: address.into_iter().collect(),
            profiles: vec!["client".to_owned()],
            ..PortClaim::default()
        },
    }
}

fn brought(port: &SwitchPort) -> Request {
    let texts = GOES_ON.into_iter().chain(DOES_NOT);
    let connections: Vec<Connection> = texts
        .map(|text| text.parse().unwrap_or_else(|error| panic!("{error}")))
        .collect();
    Request::Import(Exported {
        connections: BTreeMap::from([(port.mac.into(), connections)]),
        ..Exported::default()
    })
}

fn exported(reply: Option<&Reply>) -> Vec<String> {
    let Some(Reply::Done { output, .. }) = reply else {
        panic!("{reply:?}");
    };
    let exported: Exported = serde_json::from_str(output).unwrap_or_else(|error| panic!("{error}"));
    let connections = exported.connections.values().flatten();
    connections.map(ToString::to_string).collect()
}

#[test]
fn connections_go_on_when_their_port_is_enforced_and_where_its_policy_lets_them() {
    let bench = Bench::new().unwrap_or_else(|error| panic!("{error}"));
    let port = bench.add_port().unwrap_or_else(|error| panic!("{error}"));
    let folder = Folder::new("travelling");
    let export = || Request::Export {
        of: "web-1/0".to_owned(),
    };
    bench.namespace().run(|| {
        let switch = Switch::default();
        // They come before their port, wait for it, and are judged when it is enforced.
        let agent = start(&folder, &switch, DOCUMENTS);
        let replies = ask(agent, vec![brought(&port), Request::Status]);
        assert!(
            matches!(replies.first(), Some(Reply::Done { .. })),
            "{replies:?}"
        );
        assert_eq!(switch.remembered.texts(), [""; 0]);

        let agent = start(&folder, &switch, DOCUMENTS);
        let requests = vec![brought(&port), claim(&port), Request::Status, export()];
        let replies = ask(agent, requests);
        let mut remembered = switch.remembered.texts();
        remembered.sort();
        assert_eq!(remembered, GOES_ON, "{replies:?}");
        assert_eq!(exported(replies.last()).len(), GOES_ON.len());
        let [.., Reply::Status(status), _] = replies.as_slice() else {
            panic!("{replies:?}");
        };
        let notes: Vec<&String> = status.ports.iter().flat_map(|port| &port.notes).collect();
        let told = |note: &&&String| note.contains("2 go on and 3 only when it speaks");
        assert!(notes.iter().any(|note| told(&note)), "{notes:?}");
        let zones: BTreeSet<u16> = switch
            .remembered
            .with(|all| all.iter().map(|it| it.0).collect());
        let programs = switch.programs();
        let ports = programs.iter().flat_map(|program| program.ports.values());
        assert_eq!(zones, ports.map(|port| port.zone).collect());

        // What the switch refuses to carry out lets nothing go on.
        let switch = Switch::default();
        let agent = start(&folder, &switch, DOCUMENTS);
        switch.broken.store(true, Ordering::SeqCst);
        ask(agent, vec![claim(&port), brought(&port)]);
        assert_eq!(switch.remembered.texts(), [""; 0]);
    });
}
