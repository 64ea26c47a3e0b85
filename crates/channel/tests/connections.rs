//! Connections with real sockets: TLS with our own certificates, peers that are silent, slow or not
//! believed, and nobody who holds up anybody.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use channel::certificate::{Pair, authority, issue};
use channel::{Channel, ChannelError, Identity, Interest, Listen, Listener, Target, Tls, wait};
use testbed::{Namespace, NamespaceOptions};

const PATIENCE: Duration = Duration::from_secs(60);
/// The time of certificates, 2026.
const NOW: i64 = 1_795_000_000;

fn now() -> i64 {
    i64::try_from(
        std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .expect("after 1970")
            .as_secs(),
    )
    .expect("small")
}

fn tls(pair: &Pair, believes: &Pair) -> Tls {
    let identity = Identity::from_pem(pair.certificate.as_bytes(), pair.key.as_bytes());
    Tls::new(
        Some(&identity.expect("a pair")),
        believes.certificate.as_bytes(),
    )
    .expect("usable")
}

fn address(listener: &Listener) -> SocketAddr {
    listener.address().expect("on TCP")
}

fn target(listener: &Listener, scheme: &str) -> Target {
    format!("{scheme}:{}", address(listener))
        .parse()
        .expect("a target")
}

/// Several channels and listeners that are turned by one thread.
struct Room {
    began: Instant,
    listener: Option<Listener>,
    channels: Vec<Channel>,
    received: Vec<Vec<u8>>,
    ended: Vec<Option<String>>,
}

impl Room {
    fn new(listener: Option<Listener>) -> Self {
        Self {
            began: Instant::now(),
            listener,
            channels: Vec::new(),
            received: Vec::new(),
            ended: Vec::new(),
        }
    }

    fn add(&mut self, channel: Channel) -> usize {
        self.channels.push(channel);
        self.received.push(Vec::new());
        self.ended.push(None);
        self.channels.len() - 1
    }

    fn connect(&mut self, target: &Target, tls: Option<&Tls>, setup: Duration) -> usize {
        let channel = Channel::connect(target, tls, self.began.elapsed(), setup);
        self.add(channel.expect("it begins"))
    }

    /// Turns until `done` says so.
    fn until(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> bool) {
        loop {
            let now = self.began.elapsed();
            assert!(
                now < PATIENCE,
                "waited in vain until {what}: {:?}",
                self.ended
            );
            let accepted = self
                .listener
                .as_ref()
                .and_then(|listener| listener.accept(now, PATIENCE).expect("accepted"));
            if let Some(channel) = accepted {
                self.add(channel);
            }
            let mut more = false;
            for (place, channel) in self.channels.iter_mut().enumerate() {
                if self.ended[place].is_some() {
                    continue;
                }
                let before = self.received[place].len();
                match channel.turn(now, &mut self.received[place]) {
                    Ok(turn) => more |= turn.more,
                    Err(error) => self.ended[place] = Some(error.to_string()),
                }
                assert!(self.received[place].len() - before <= (256 + 32) << 10);
            }
            if done(self) {
                return;
            }
            if !more {
                let interests: Vec<Interest<'_>> = self
                    .channels
                    .iter()
                    .filter_map(Channel::interest)
                    .chain(self.listener.as_ref().map(Listener::interest))
                    .collect();
                wait(&interests, Some(Duration::from_millis(20))).expect("poll");
            }
        }
    }
}

/// The work, in a network of its own.
fn alone(work: impl FnOnce() + Send) {
    let options = NamespaceOptions {
        ipv6: true,
        ..NamespaceOptions::default()
    };
    Namespace::with(options).expect("a namespace").run(work);
}

#[test]
fn bytes_travel_both_ways_over_every_network() {
    alone(|| {
        let own = authority("test", 10, now()).expect("an authority");
        let switch = issue(&own, "switch", &["::1".to_owned()], 10, now()).expect("issued");
        let controller = issue(&own, "controller", &[], 10, now()).expect("issued");
        let path = std::env::temp_dir().join(format!("moat-channel-{}.sock", std::process::id()));
        let unix = format!("punix:{}", path.display());
        for listen in [
            "ptcp:0:127.0.0.1",
            "ptcp:0:[::1]",
            "pssl:0:127.0.0.1",
            "pssl:0:[::1]",
            &unix,
        ] {
            let server = tls(&switch, &own);
            let client = tls(&controller, &own);
            let listener = Listener::bind(&listen.parse().expect("to listen on"), Some(&server));
            let listener = listener.expect("bound");
            let target = if listen == unix {
                let mode = std::fs::metadata(&path)
                    .expect("the socket")
                    .permissions()
                    .mode();
                assert_eq!(mode & 0o777, 0o600);
                Target::Unix(path.clone())
            } else {
                target(
                    &listener,
                    if listen.starts_with("pssl") {
                        "ssl"
                    } else {
                        "tcp"
                    },
                )
            };
            let mut room = Room::new(Some(listener));
            let here = room.connect(&target, Some(&client), PATIENCE);
            // More than any buffer of the system holds.
            let bytes: Vec<u8> = (0..3_000_000_u32)
                .map(|number| (number % 251) as u8)
                .collect();
            room.channels[here].send(&bytes).expect("kept");
            room.until("all has arrived", |room| {
                room.received
                    .get(1)
                    .is_some_and(|received| received.len() == bytes.len())
            });
            assert!(room.received[1] == bytes);
            room.channels[1].send(&bytes).expect("kept");
            room.until("all has come back", |room| {
                room.received[0].len() == bytes.len()
            });
            assert!(room.received[0] == bytes);
            assert_eq!(room.channels[0].waiting(), 0);
            if listen.starts_with("pssl") {
                let peer = room.channels[0].identity().expect("over TLS");
                assert_eq!(
                    (peer.subject.as_str(), peer.version.as_str()),
                    ("O=moat, CN=switch", "TLSv1.3")
                );
                let peer = room.channels[1].identity().expect("over TLS");
                assert_eq!(peer.subject, "O=moat, CN=controller");
            }
            drop(room.channels.remove(0));
            room.received.remove(0);
            room.ended.remove(0);
            room.until("the end is noticed", |room| room.ended[0].is_some());
        }
        assert!(!path.exists());
    });
}

#[test]
fn who_is_not_believed_is_refused_by_both_ends() {
    alone(|| {
        let (own, other) = (
            authority("own", 10, now()).expect("an authority"),
            authority("other", 10, now()).expect("an authority"),
        );
        let good = issue(&own, "good", &[], 10, now()).expect("issued");
        let foreign = issue(&other, "foreign", &[], 10, now()).expect("issued");
        let expired = issue(&own, "expired", &[], 1, NOW - 400 * 86_400).expect("issued");
        let early = issue(&own, "early", &[], 1000, now() + 100 * 86_400).expect("issued");
        let attempt = |server: Tls, client: Tls| {
            let listen = "pssl:0:127.0.0.1".parse().expect("to listen on");
            let listener = Listener::bind(&listen, Some(&server)).expect("bound");
            let target = target(&listener, "ssl");
            let mut room = Room::new(Some(listener));
            room.connect(&target, Some(&client), PATIENCE);
            room.until("both have an opinion", |room| {
                let settled =
                    |place: usize| room.ended[place].is_some() || room.channels[place].is_open();
                room.channels.len() == 2 && settled(0) && settled(1)
            });
            // With TLS 1.3 a client hears of its refusal only when it reads on.
            if room.ended[1].is_some() {
                room.until("the client hears", |room| room.ended[0].is_some());
            }
            room.ended
        };
        let both = attempt(tls(&good, &own), tls(&good, &own));
        assert_eq!(both, [None, None]);
        for (bad, word) in [
            (&foreign, "local issuer"),
            (&expired, "expired"),
            (&early, "not yet valid"),
        ] {
            let server_is_bad = attempt(tls(bad, &own), tls(&good, &own));
            let reason = server_is_bad[0].as_deref().expect("refused");
            assert!(
                reason.contains("not to be believed") && reason.contains(word),
                "{reason}"
            );
            let client_is_bad = attempt(tls(&good, &own), tls(bad, &own));
            let reason = client_is_bad[1].as_deref().expect("refused");
            assert!(
                reason.contains("not to be believed") && reason.contains(word),
                "{reason}"
            );
        }
        let nameless = Tls::new(None, own.certificate.as_bytes()).expect("usable");
        assert!(
            attempt(tls(&good, &own), nameless)[1].is_some(),
            "no certificate at all"
        );
        // Another name than the one that is wanted.
        let named = |name: &str| tls(&good, &own).with_name(name);
        assert_eq!(attempt(tls(&good, &own), named("good")), [None, None]);
        let reason = attempt(tls(&good, &own), named("better"))[0].clone();
        assert!(reason.expect("refused").contains("hostname mismatch"));
        // A host's own certificate may be what is believed.
        let pinned = attempt(tls(&foreign, &own), tls(&good, &foreign));
        assert_eq!(pinned, [None, None]);
    });
}

#[test]
fn a_peer_that_is_silent_or_slow_holds_up_nobody() {
    alone(|| {
        let own = authority("own", 10, now()).expect("an authority");
        let good = issue(&own, "good", &[], 10, now()).expect("issued");
        let both = tls(&good, &own);
        let listener = Listener::bind(&"pssl:0:127.0.0.1".parse().expect("one"), Some(&both));
        let listener = listener.expect("bound");
        // Connects and says nothing; says half a word; takes connections and never answers.
        let silent = TcpStream::connect(address(&listener)).expect("connected");
        let mut half = TcpStream::connect(address(&listener)).expect("connected");
        half.write_all(&[22, 3, 1]).expect("written");
        let mute = TcpListener::bind("127.0.0.1:0").expect("bound");
        let mute_target: Target = format!("ssl:{}", mute.local_addr().expect("bound"))
            .parse()
            .expect("one");
        let good_target = target(&listener, "ssl");
        let mut room = Room::new(Some(listener));
        let refused = room.connect(&mute_target, Some(&both), Duration::from_millis(200));
        let here = room.connect(&good_target, Some(&both), PATIENCE);
        room.channels[here].send(b"hello").expect("kept");
        room.until("the good one is heard", |room| {
            room.received.iter().any(|received| received == b"hello")
        });
        room.until("the mute one is given up", |room| {
            room.ended[refused].is_some()
        });
        assert!(
            room.ended[refused]
                .as_deref()
                .expect("ended")
                .contains("did not answer in time")
        );
        drop((silent, half));
    });
}

#[test]
fn a_peer_that_does_not_read_is_cut_off_and_costs_no_more_than_allowed() {
    alone(|| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let target: Target = format!("tcp:{}", listener.local_addr().expect("bound"))
            .parse()
            .expect("one");
        let mut room = Room::new(None);
        room.connect(&target, None, PATIENCE);
        let (mut peer, _) = listener.accept().expect("connected");
        room.until("it is open", |room| room.channels[0].is_open());
        let piece = vec![7; 1 << 20];
        let mut kept = 0;
        let error = loop {
            match room.channels[0].send(&piece) {
                Ok(()) => kept += 1,
                Err(error) => break error,
            }
            let _ = room.channels[0].turn(room.began.elapsed(), &mut room.received[0]);
        };
        assert!(matches!(error, ChannelError::Backlog { .. }), "{error}");
        assert!((64..100).contains(&kept), "{kept} MiB");
        assert!(room.channels[0].waiting() <= channel::MOST_OUTGOING_BYTES);
        // What was kept still arrives in order.
        let reader = std::thread::spawn(move || {
            let mut all = Vec::new();
            peer.read_to_end(&mut all).expect("read");
            all
        });
        room.until("all is sent", |room| room.channels[0].waiting() == 0);
        drop(room);
        let all = reader.join().expect("it reads");
        assert!(all.len() == kept << 20 && all.iter().all(|byte| *byte == 7));
    });
}

#[test]
fn refusals_say_who_and_why() {
    alone(|| {
        let mut room = Room::new(None);
        room.connect(&"tcp:127.0.0.1:1".parse().expect("one"), None, PATIENCE);
        room.until("it is refused", |room| room.ended[0].is_some());
        let error = room.ended[0].clone().expect("ended");
        assert!(
            error.contains("cannot connect to tcp:127.0.0.1:1") && error.contains("refused"),
            "{error}"
        );
        let failed = |target: &str| {
            Channel::connect(
                &target.parse().expect("one"),
                None,
                Duration::ZERO,
                PATIENCE,
            )
            .expect_err("it cannot")
            .to_string()
        };
        assert!(failed("ssl:127.0.0.1:1").contains("there are no certificates"));
        assert!(failed("unix:/nowhere/at/all.sock").contains("/nowhere/at/all.sock"));
        // Names are resolved beside; this one is in every hosts file.
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let port = listener.local_addr().expect("bound").port();
        let named = room.connect(
            &format!("tcp:localhost:{port}").parse().expect("one"),
            None,
            PATIENCE,
        );
        room.until("the name leads there", |room| {
            room.channels[named].is_open()
        });
        let listen: Listen = format!("ptcp:{port}:127.0.0.1").parse().expect("one");
        let taken = Listener::bind(&listen, None)
            .expect_err("taken")
            .to_string();
        assert!(taken.contains("in use"), "{taken}");
    });
}
