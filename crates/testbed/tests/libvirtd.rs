//! Guests live, move and die on a real libvirt that shares nothing with the machine, and attack from the moment they
//! have a device.

use std::io::{Read, Write};
use std::net::IpAddr;
use std::time::Duration;
use testbed::forged::Kind;
use testbed::guest::GuestSpec;
use testbed::libvirtd::{
    Domain, GuestImage, Interface, Libvirtd, LibvirtdSpec, Migration, Question, connect,
};
use testbed::{Machine, MachineSpec, RawPort, Reach, marker_of};

const MAC: [u8; 6] = [0x52, 0x54, 0, 0, 0, 1];

#[test]
fn a_guest_attacks_with_every_kind_of_frame_and_nothing_is_left_behind() {
    let host = Libvirtd::new().expect("a hypervisor");
    let spec = GuestSpec::network(&["guest-program", "send", "pause=1000"]);
    let image = GuestImage::new(&spec).expect("an image");
    let domain = Domain::new("web-1", &image, vec![Interface::bridge("br0", MAC)]);
    host.define(&domain).expect("defined");
    let port = host.plug_port("outside0").expect("a port");
    let mut wire = port.open().expect("a wire");
    host.boot("web-1").expect("booted");
    let forged: Vec<Kind> = Kind::forged().collect();
    let device = host.device_of("web-1", MAC).expect("a device");
    let mut sent = host.count(&device, &forged).expect("a counter");
    host.await_console("web-1", "sending on eth0")
        .expect("a console");
    let mut missing = forged.clone();
    // The bridge keeps spanning tree messages to itself (01:80:c2:00:00:00) unless it forwards that group.
    missing.retain(|kind| *kind != Kind::SpanningTree);
    while !missing.is_empty() {
        let frame = wire.receive(Duration::from_secs(10)).expect("a wire");
        let frame = frame.unwrap_or_else(|| panic!("nothing more, but no {missing:?} yet"));
        let kind = marker_of(&frame).and_then(Kind::of_marker);
        missing.retain(|wanted| Some(*wanted) != kind.map(|(kind, _)| kind));
    }
    assert!(sent.count().expect("a count") >= 14);

    // Unplugged, killed, and the machine is as before.
    host.kill_emulator("web-1").expect("killed");
    let processes = host.processes().expect("processes");
    assert!(host.emulator("web-1").expect("processes").is_none());
    drop(host);
    let alive: Vec<_> = processes.iter().filter(|process| process.lives()).collect();
    assert!(alive.is_empty(), "{alive:?}");
}

#[test]
fn an_honest_guest_answers_and_sends_numbered_frames() {
    let host = Libvirtd::new().expect("a hypervisor");
    let flood = ["guest-program", "send", "kinds=honest", "pause=2000"];
    let image = GuestImage::new(&GuestSpec::answering(&flood, "10.0.0.1/24", 7)).expect("an image");
    let domain = Domain::new("web-1", &image, vec![Interface::bridge("br0", MAC)]);
    host.define(&domain).expect("defined");
    let client = MachineSpec {
        device: Some("client0".to_owned()),
        mac: Some([2, 0, 0, 0, 0, 9]),
        addresses: vec![([10, 0, 0, 9].into(), 24)],
        link_local: false,
    };
    let client = Machine::new(host.switch(), 0, &client).expect("a client");
    let mut wire = client.port().open().expect("a wire");
    host.boot("web-1").expect("booted");
    host.await_console("web-1", "answering on port 7")
        .expect("a console");

    let (address, patience) = ([10, 0, 0, 1].into(), Duration::from_secs(10));
    let pinged = client.ping(address, patience).expect("a ping");
    assert_eq!(pinged, Reach::Answered);
    let mut stream = client
        .connect_tcp((address, 7).into(), patience)
        .expect("a connection");
    stream.write_all(b"hello").expect("sent");
    let mut echo = [0; 5];
    stream.read_exact(&mut echo).expect("an echo");
    assert_eq!(&echo, b"hello");

    // Each number once, none left out.
    let numbers: Vec<u32> = wire
        .drain()
        .expect("frames")
        .iter()
        .filter_map(|frame| Kind::of_marker(marker_of(frame)?))
        .map(|(_, number)| number)
        .collect();
    let first = numbers.first().copied().expect("a flood");
    let expected: Vec<u32> = (first..).take(numbers.len()).collect();
    assert_eq!(numbers, expected);
}

#[test]
fn guests_outlive_the_daemon() {
    let host = Libvirtd::new().expect("a hypervisor");
    let image = GuestImage::new(&GuestSpec::network(&[])).expect("an image");
    let domain = Domain::new("web-1", &image, vec![Interface::bridge("br0", MAC)]);
    host.define(&domain).expect("defined");
    host.boot("web-1").expect("booted");
    let before = host.emulator("web-1").expect("processes").expect("runs");
    host.restart_daemon().expect("restarted");
    assert_eq!(
        host.ask(&["domstate", "web-1"]).expect("a state").trim(),
        "running"
    );
    host.kill_daemon().expect("killed");
    host.start_daemon().expect("started");
    assert_eq!(host.emulator("web-1").expect("processes"), Some(before));
    host.destroy("web-1").expect("destroyed");
    assert_eq!(host.emulator("web-1").expect("processes"), None);
}

#[test]
fn a_guest_moves_to_another_hypervisor_or_stays_where_it_is() {
    let one = Libvirtd::new().expect("a hypervisor");
    let other = Libvirtd::start(&LibvirtdSpec {
        name: "hv-2".to_owned(),
        ..LibvirtdSpec::default()
    })
    .expect("another");
    connect(&one, &other).expect("connected");
    let spec = GuestSpec::network(&["guest-program", "send", "kinds=honest", "pause=1000"]);
    let image = GuestImage::new(&spec).expect("an image");
    let domain = Domain::new("web-1", &image, vec![Interface::bridge("br0", MAC)]);
    one.define(&domain).expect("defined");
    other.provide(&image).expect("an image there");
    one.boot("web-1").expect("booted");
    one.await_console("web-1", "sending on eth0")
        .expect("a console");
    let here = |host: &Libvirtd| host.emulator("web-1").expect("processes").is_some();

    // Cancelled: slow enough for that.
    let slow = one
        .migrate("web-1", &other, &["--bandwidth", "1"])
        .expect("begun");
    one.await_migration("web-1").expect("under way");
    one.cancel("web-1").expect("cancelled");
    assert!(!ended(slow).0);
    assert_eq!((here(&one), here(&other)), (true, false));
    assert_eq!(
        one.ask(&["domstate", "web-1"]).expect("a state").trim(),
        "running"
    );

    let port = other.plug_port("outside0").expect("a port");
    let mut wire = port.open().expect("a wire");
    let (moved, message) = ended(one.migrate("web-1", &other, &[]).expect("begun"));
    assert!(moved, "{message}");
    assert_eq!((here(&one), here(&other)), (false, true));
    // QEMU itself announces the guest at its new place, so that switches send there what is for it.
    let mut announced = false;
    while !announced {
        let frame = wire.receive(Duration::from_secs(10)).expect("a wire");
        let frame = frame.expect("QEMU announces the guest by RARP");
        let announcement = [MAC.as_slice(), &[0x80, 0x35]].concat();
        announced = frame.get(6..14) == Some(announcement.as_slice());
    }
    let device = other.device_of("web-1", MAC).expect("a device");
    let mut sent = other.count(&device, &[Kind::Honest]).expect("a counter");
    let before = sent.count().expect("a count");
    while sent.count().expect("a count") == before {}
}

fn ended(migration: Migration) -> (bool, String) {
    let output = migration.wait().expect("an end");
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.success(), message)
}

#[test]
fn two_guests_ask_send_and_hear_what_they_are_told_to() {
    let host = Libvirtd::new().expect("a hypervisor");
    let image = GuestImage::new(&GuestSpec::obeying(&[22])).expect("an image");
    let mac = |last| [0x52, 0x54, 0, 0, 0, last];
    let [mut one, mut two] = [(1, "one"), (2, "two")].map(|(last, name)| {
        let mut domain = Domain::new(name, &image, vec![Interface::bridge("br0", mac(last))]);
        domain.control = true;
        host.define(&domain).expect("defined");
        host.boot(name).expect("booted");
        let remote = host.remote(name);
        let mut remote = remote
            .unwrap_or_else(|error| panic!("{error}: {}", host.console(name).unwrap_or_default()));
        let addresses = [
            ([10, 0, 0, last].into(), 24),
            ([0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(last)].into(), 64),
        ];
        remote.add_addresses(&addresses).expect("addresses");
        remote.listen().expect("listening");
        let device = host.device_of(name, mac(last)).expect("a device");
        let index = host.switch().links().find(&device).expect("it").index;
        let tap = RawPort::open(host.switch().namespace(), &device, index).expect("its tap");
        (remote, tap)
    });

    let six: IpAddr = [0x2001, 0xdb8, 0, 0, 0, 0, 0, 2].into();
    let four: IpAddr = [10, 0, 0, 2].into();
    let questions = [
        (Question::Ping(four), true),
        (Question::Tcp((four, 22).into()), true),
        (Question::Tcp((four, 23).into()), false),
        (Question::Ping([10, 0, 0, 3].into()), false),
        (Question::Ping(six), true),
        (Question::Tcp((six, 22).into()), true),
    ];
    let (asked, expected): (Vec<Question>, Vec<bool>) = questions.into_iter().unzip();
    let answers = one.0.ask(&asked, Duration::from_secs(2)).expect("answers");
    assert_eq!(answers, expected);

    // Byte for byte: a tag, a frame shorter than Ethernet's shortest, one to somebody else.
    let to = |destination: [u8; 6], rest: &[u8]| [&destination[..], &mac(1), rest].concat();
    let frames = vec![
        to(mac(2), &[0x81, 0, 0, 5, 0x88, 0x88, 1, 2, 3]),
        to(mac(2), &[0x88, 0x88, 4]),
        to(
            [2, 0, 0, 0, 0, 99],
            &[&[0x88, 0x88][..], &[7; 100]].concat(),
        ),
    ];
    two.0.hear(&two.1).expect("frames");
    one.0.send(&frames, &mut one.1).expect("sent");
    host.switch().settle().expect("settled");
    let heard = two.0.hear(&two.1).expect("frames");
    for frame in &frames {
        assert!(heard.contains(frame), "{frame:02x?} is not in {heard:02x?}");
    }
    let again = two.0.hear(&two.1).expect("frames");
    assert!(!again.contains(&frames[0]));
}
