use std::sync::mpsc;

use datapath::{DatapathError, Remembered};
use policy::document::Limits;
use policy::intervals::Intervals;

use super::*;

fn watched(vm: &str, last: u8, came: bool) -> Watched {
    let address = std::net::Ipv4Addr::new(10, 0, 0, last);
    let port = PortProgram {
        name: format!("{vm}/0"),
        vm: None,
        labels: BTreeMap::new(),
        device: format!("vnet{last}"),
        ifindex: u32::from(last),
        bridge: "br0".to_owned(),
        network: "lan".to_owned(),
        mac: mac(last),
        ipv4: Intervals::single(address),
        ipv6: Intervals::default(),
        behaviour: String::new(),
        limits: Limits::default(),
        zone: 7,
        profiles: Vec::new(),
        origin: policy::origin::Origin::default(),
    };
    Watched {
        vm: vm.to_owned(),
        name: vm.to_owned(),
        port: Arc::new(port),
        zone: 7,
        came,
    }
}

fn mac(last: u8) -> MacAddress {
    MacAddress([0x52, 0x54, 0, 0, 0, last])
}

fn connection(text: &str) -> Connection {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

fn download(last: u8, port: u16, left: u32) -> Connection {
    connection(&format!("tcp 10.0.0.{last}:{port} 192.0.2.9:443 {left}"))
}

/// What the carrier is told, as text.
fn told(luggage: &[Luggage]) -> Vec<String> {
    let text = |luggage: &Luggage| match &luggage.belongings {
        Belongings::Connections(ports) => {
            let ports = ports.values().flatten().map(ToString::to_string);
            format!(
                "{}: {}",
                luggage.vm,
                ports.collect::<Vec<String>>().join(", ")
            )
        }
        Belongings::Learned(_) => "addresses".to_owned(),
    };
    luggage.iter().map(text).collect()
}

#[test]
fn a_connection_is_told_when_it_was_there_twice_and_once() {
    let mut surveyor = Surveyor::default();
    let ports = [watched("a", 1, false), watched("b", 2, false)];
    let lasting = download(1, 1000, 100);
    let seen = vec![vec![lasting.clone(), download(1, 1001, 100)], vec![]];
    assert_eq!(told(&surveyor.take(&ports, &seen)), [""; 0]);
    // Its time is another one, and that is no news later.
    let seen = vec![vec![download(1, 1000, 90), download(1, 1002, 100)], vec![]];
    let news = surveyor.take(&ports, &seen);
    assert_eq!(told(&news), ["a: tcp 10.0.0.1:1000 192.0.2.9:443 90"]);
    let seen = vec![vec![download(1, 1000, 95)], vec![]];
    assert_eq!(told(&surveyor.take(&ports, &seen)), [""; 0]);
    let nothing = vec![vec![], vec![]];
    assert_eq!(told(&surveyor.take(&ports, &nothing)), ["a: "]);
    assert_eq!(told(&surveyor.take(&ports, &nothing)), [""; 0]);
}

#[test]
fn what_came_with_a_vm_stays_until_more_is_known() {
    let mut surveyor = Surveyor::default();
    let ports = [watched("a", 1, true)];
    let seen = vec![vec![]];
    assert_eq!(told(&surveyor.take(&ports, &seen)), [""; 0]);
    assert_eq!(told(&surveyor.take(&ports, &seen)), ["a: "]);
    // Another life of it is another VM.
    assert_eq!(told(&surveyor.take(&[], &Vec::new())), [""; 0]);
    assert_eq!(told(&surveyor.take(&ports, &seen)), [""; 0]);
    assert_eq!(told(&surveyor.take(&ports, &seen)), ["a: "]);
}

#[test]
fn of_many_the_last_used_are_carried() {
    let mut connections: Vec<Connection> = (1..=10_000)
        .map(|port| download(1, port, u32::from(port)))
        .collect();
    most_active(&mut connections, MOST);
    assert_eq!(connections.len(), MOST);
    assert!(connections.iter().all(|it| it.left > 9_000));

    let mut surveyor = Surveyor::default();
    let ports: Vec<Watched> = (1..=9).map(|last| watched("a", last, false)).collect();
    let seen: Seen = (1..=9)
        .map(|last| (1..=600).map(|port| download(last, port, 100)).collect())
        .collect();
    surveyor.take(&ports, &seen);
    let news = surveyor.take(&ports, &seen);
    let [luggage] = news.as_slice() else {
        panic!("one VM: {news:?}");
    };
    let Belongings::Connections(ports) = &luggage.belongings else {
        panic!("connections: {luggage:?}");
    };
    let count: usize = ports.values().map(Vec::len).sum();
    assert_eq!(count, MOST_OF_VM);
}

/// A memory of these connections.
#[derive(Debug)]
struct Memory(Vec<(u16, Connection)>);

impl ConnectionMemory for Memory {
    fn list(
        &mut self,
        zones: &BTreeSet<u16>,
        each: &mut dyn FnMut(u16, Connection),
    ) -> Result<(), DatapathError> {
        for (zone, connection) in &self.0 {
            if zones.contains(zone) {
                each(*zone, connection.clone());
            }
        }
        Ok(())
    }

    fn remember(&mut self, _: u16, _: &[Connection]) -> Result<Remembered, DatapathError> {
        Ok(Remembered::default())
    }
}

#[test]
fn a_connection_is_of_every_port_that_is_an_end_of_it_in_its_zone() {
    let range = {
        let mut watched = watched("c", 3, false);
        let port = Arc::make_mut(&mut watched.port);
        port.ipv4 = Intervals::range([10, 0, 1, 0].into(), [10, 0, 1, 255].into());
        watched
    };
    let ports = [watched("a", 1, false), watched("b", 2, false), range];
    let between = connection("tcp 10.0.0.1:1 10.0.0.2:2 3");
    let ranged = connection("udp 192.0.2.9:1 10.0.1.77:2 3");
    let mut memory = Memory(vec![
        (7, between.clone()),
        (8, download(1, 1000, 100)),
        (7, connection("tcp 10.0.0.9:1 192.0.2.9:2 3")),
        (7, ranged.clone()),
    ]);
    let seen = look(&mut memory, &ports).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(seen, [vec![between.clone()], vec![between], vec![ranged]]);
    assert_eq!(
        look(&mut memory, &[]).map_err(|error| error.to_string()),
        Ok(Vec::new())
    );
}

#[test]
fn it_looks_until_nobody_listens() {
    let (carrier, luggage) = mpsc::channel();
    let (surveyor, ports) = mpsc::channel();
    let memory = Box::new(Memory(vec![(7, download(1, 1000, 100))]));
    let period = Duration::from_millis(1);
    let thread = std::thread::spawn(move || survey(memory, &ports, &carrier, period));
    let send = surveyor.send(vec![watched("a", 1, false)]);
    send.unwrap_or_else(|error| panic!("{error}"));
    let first = luggage.recv().unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(told(&[first]), ["a: tcp 10.0.0.1:1000 192.0.2.9:443 100"]);
    drop(surveyor);
    assert!(thread.join().is_ok());
}
