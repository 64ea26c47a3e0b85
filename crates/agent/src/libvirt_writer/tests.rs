use super::*;

fn luggage(vm: &str, name: &str) -> Luggage {
    Luggage {
        vm: vm.to_owned(),
        name: name.to_owned(),
        belongings: Belongings::Learned(BTreeMap::new()),
    }
}

fn name(luggage: Option<Luggage>) -> Option<String> {
    luggage.map(|luggage| luggage.name)
}

#[test]
fn a_domain_is_written_at_most_every_second_and_the_newest_wins() {
    let mut waiting = Waiting::default();
    let now = Instant::now();
    waiting.add(luggage("1", "first"), now);
    assert_eq!(waiting.next(now), Some(now));
    assert_eq!(name(waiting.take(now)), Some("first".to_owned()));
    assert_eq!(waiting.next(now), None);
    waiting.add(luggage("1", "second"), now);
    waiting.add(luggage("1", "third"), now);
    waiting.add(luggage("2", "other"), now);
    assert_eq!(name(waiting.take(now)), Some("other".to_owned()));
    assert_eq!(name(waiting.take(now)), None);
    let later = now + LEAST;
    assert_eq!(waiting.next(now), Some(later));
    assert_eq!(name(waiting.take(later)), Some("third".to_owned()));
    assert_eq!(name(waiting.take(later)), None);
}

#[test]
fn what_failed_waits_and_gives_way_to_what_is_newer() {
    let mut waiting = Waiting::default();
    let now = Instant::now();
    waiting.put_back(luggage("1", "old"), now, BUSY);
    assert_eq!(name(waiting.take(now + LEAST)), None);
    waiting.add(luggage("1", "new"), now);
    waiting.put_back(luggage("1", "old"), now, BUSY);
    assert_eq!(name(waiting.take(now + BUSY)), Some("new".to_owned()));
}

#[test]
fn a_vm_of_another_source_is_not_written() {
    assert_eq!(call(&luggage("web-1", "web-1")), None);
    let call = call(&luggage("c7a5fdbd-edaf-4455-926a-d65c16db1809", "web-1"));
    assert_eq!(call.and_then(|call| call.element), None);
}

#[test]
fn both_kinds_of_a_domain_are_written_one_after_the_other() {
    let mut waiting = Waiting::default();
    let now = Instant::now();
    let mac = frame::MacAddress([0x52, 0x54, 0, 0, 0, 1]);
    let connection = "tcp 10.0.0.5:1 192.0.2.9:2 3";
    let connections = vec![connection.parse().unwrap_or_else(|error| panic!("{error}"))];
    let connections = Luggage {
        belongings: Belongings::Connections(BTreeMap::from([(mac, connections)])),
        ..luggage("c7a5fdbd-edaf-4455-926a-d65c16db1809", "web-1")
    };
    waiting.add(luggage(&connections.vm, "web-1"), now);
    waiting.add(connections.clone(), now);
    let first = waiting.take(now);
    assert_eq!(first.map(|it| Kind::of(&it)), Some(Kind::Learned));
    assert_eq!(waiting.take(now), None);
    let second = waiting.take(now + LEAST);
    assert_eq!(second, Some(connections.clone()));
    let call = call(&connections).unwrap_or_else(|| panic!("a call"));
    assert_eq!(call.namespace, CONNECTIONS_NAMESPACE);
    let expected = format!("<connections><port mac='{mac}'>{connection}</port></connections>");
    assert_eq!(call.element, Some(expected));
}
