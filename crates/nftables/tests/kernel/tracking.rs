//! The table of connections: what is put in is read back, counts for packets, and can be taken out.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};

use nftables::conntrack::{
    ConnectionTracking, Entry, TCP, TCP_ESTABLISHED, Tcp, UDP, status, tcp_flags,
};

use super::support::run;

/// ENOENT.
const MISSING: i32 = 2;

/// In a namespace of its own, where connections are tracked and those that are not known are dropped.
fn tracking() -> ConnectionTracking {
    nftables::enter_new_network_namespace().expect("tests of the kernel run as root");
    run("ip link set lo up");
    run(
        "nft 'table inet t { chain c { type filter hook output priority 0; ct state new,invalid drop; }; }'",
    );
    ConnectionTracking::open().expect("a netlink socket")
}

fn entries(table: &mut ConnectionTracking) -> BTreeSet<Entry> {
    let mut entries = BTreeSet::new();
    table
        .list(|entry| {
            entries.insert(entry);
        })
        .expect("readable");
    entries
}

fn entry(protocol: u8, origin: &str, destination: &str) -> Entry {
    Entry {
        zone: 0,
        protocol,
        origin: origin.parse().expect("an address"),
        destination: destination.parse().expect("an address"),
        status: status::SEEN_REPLY | status::ASSURED | status::CONFIRMED,
        left: 300,
        tcp: (protocol == TCP).then_some(Tcp {
            state: TCP_ESTABLISHED,
            scales: [7, 10],
            flags: [tcp_flags::WINDOW_SCALE | tcp_flags::BE_LIBERAL; 2],
        }),
    }
}

#[test]
fn entries_are_read_back_as_they_were_put_in() {
    let mut table = tracking();
    assert!(entries(&mut table).is_empty());
    let wanted: Vec<Entry> = (0..200_u16)
        .map(|number| match number % 3 {
            0 => Entry {
                zone: number,
                ..entry(TCP, &format!("10.0.0.5:{}", 1000 + number), "192.0.2.9:443")
            },
            1 => entry(
                UDP,
                &format!("[2001:db8::5]:{}", 1000 + number),
                "[2001:db8::9]:53",
            ),
            _ => entry(
                TCP,
                &format!("[2001:db8::5]:{}", 1000 + number),
                "[2001:db8::9]:80",
            ),
        })
        .collect();
    let answers = table.put(&wanted).expect("answered");
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    let found = entries(&mut table);
    let mut untimed: BTreeSet<Entry> = BTreeSet::new();
    for mut entry in found {
        assert!((1..=300).contains(&entry.left), "{entry:?}");
        entry.left = 300;
        untimed.insert(entry);
    }
    assert_eq!(untimed, wanted.iter().cloned().collect());

    // What is there is brought to what is said.
    let closed = Entry {
        tcp: wanted[0].tcp.map(|tcp| Tcp { state: 8, ..tcp }),
        left: 10,
        ..wanted[0].clone()
    };
    assert_eq!(table.put(&[closed]).expect("answered"), [Ok(())]);
    assert_eq!(table.put(&wanted[..1]).expect("answered"), [Ok(())]);
    let found = entries(&mut table);
    assert_eq!(found.len(), wanted.len());
    let state = |entry: &Entry| entry.tcp.map(|tcp| tcp.state);
    let first = found.iter().find(|it| it.origin == wanted[0].origin);
    assert_eq!(first.and_then(state), Some(TCP_ESTABLISHED));
    assert!(first.is_some_and(|it| it.left > 10));
    let gone = table.delete(&wanted).expect("answered");
    assert!(gone.iter().all(Result::is_ok), "{gone:?}");
    assert!(entries(&mut table).is_empty());
    let gone = table.delete(&wanted[..1]).expect("answered");
    assert_eq!(gone, [Err(MISSING)]);
}

#[test]
fn an_entry_is_what_lets_packets_of_a_connection_pass() {
    let mut table = tracking();
    let server = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let client = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    server.set_nonblocking(true).expect("set");
    let address = |socket: &UdpSocket| socket.local_addr().expect("an address");
    let heard = || server.recv(&mut [0; 8]).is_ok();
    // What the output hook drops, the sender hears of as EPERM.
    let _ = client.send_to(b"1", address(&server));
    assert!(!heard(), "it begins a connection");
    let one = Entry {
        origin: address(&client),
        destination: address(&server),
        ..entry(UDP, "127.0.0.1:1", "127.0.0.1:2")
    };
    assert_eq!(
        table.put(std::slice::from_ref(&one)).expect("answered"),
        [Ok(())]
    );
    client.send_to(b"2", address(&server)).expect("sent");
    assert!(heard(), "it belongs to one");
    assert_eq!(table.delete(&[one]).expect("answered"), [Ok(())]);
    let _ = client.send_to(b"3", address(&server));
    assert!(!heard(), "it is cut");
}

#[test]
fn a_real_connection_goes_on_by_what_was_read_of_it() {
    let mut table = tracking();
    run("nft 'flush chain inet t c; add rule inet t c ct state new counter'");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a socket");
    let mut client = TcpStream::connect(listener.local_addr().expect("an address")).expect("one");
    let (mut server, _) = listener.accept().expect("one");
    let known: Vec<Entry> = entries(&mut table).into_iter().collect();
    let [one] = known.as_slice() else {
        panic!("one connection: {known:?}");
    };
    assert_eq!(one.origin, client.local_addr().expect("an address"));
    assert_eq!(one.destination, listener.local_addr().expect("an address"));
    let tcp = one.tcp.expect("of TCP");
    assert_eq!(tcp.state, TCP_ESTABLISHED);
    assert!(tcp.scales.iter().all(|scale| *scale > 0), "{tcp:?}");
    // Forgotten and put in again, with windows that nobody knows.
    run("nft add rule inet t c ct state new,invalid drop");
    assert_eq!(table.delete(&known).expect("answered"), [Ok(())]);
    let again = Entry {
        tcp: Some(Tcp {
            flags: tcp.flags.map(|flags| flags | tcp_flags::BE_LIBERAL),
            ..tcp
        }),
        ..one.clone()
    };
    assert_eq!(table.put(&[again]).expect("answered"), [Ok(())]);
    let megabyte = vec![7; 1 << 20];
    let sent = megabyte.clone();
    let sender = std::thread::spawn(move || {
        server.write_all(&sent).expect("sent");
    });
    let mut received = vec![0; megabyte.len()];
    client.read_exact(&mut received).expect("received");
    assert_eq!(received, megabyte);
    sender.join().expect("sent");
}
