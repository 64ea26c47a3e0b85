//! The whole way over TLS: an ovsdb-server with the ciphers of XCP-ng 8.3, certificates of our own.

use std::path::Path;
use std::time::Duration;

use channel::certificate::{Pair, authority, issue};
use channel::{Identity, Tls};
use ovsdb::vswitch::{DATABASE, OpenVSwitch};
use ovsdb::{Client, Event, Settings, Watch};
use testbed::ovsdb_server::{OvsdbServer, Storage, VSWITCH_SCHEMA};

use crate::judge::{PATIENCE, catch_up, run};

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    i64::try_from(since.expect("after 1970").as_secs()).expect("small")
}

fn tls(by: &Pair) -> Tls {
    let pair = issue(by, "controller", &[], 10, now()).expect("issued");
    let identity = Identity::from_pem(pair.certificate.as_bytes(), pair.key.as_bytes());
    Tls::new(Some(&identity.expect("a pair")), by.certificate.as_bytes()).expect("usable")
}

#[test]
fn a_switch_of_xcp_ng_is_watched_over_tls() {
    let (ours, others) = (
        authority("ours", 10, now()).expect("an authority"),
        authority("others", 10, now()).expect("an authority"),
    );
    let switch = issue(&ours, "switch", &[], 10, now()).expect("issued");
    let server = OvsdbServer::start(Path::new(VSWITCH_SCHEMA), Storage::Alone, &[]).expect("one");
    let mut arguments = Vec::new();
    for (file, text) in [
        ("private-key", &switch.key),
        ("certificate", &switch.certificate),
        ("ca-cert", &ours.certificate),
    ] {
        let path = server.directory().join(file);
        std::fs::write(&path, text).expect("written");
        arguments.push(format!("--{file}={}", path.display()));
    }
    arguments.push("--remote=pssl:6640:127.0.0.1".to_owned());
    arguments.push("--ssl-protocols=TLSv1.2".to_owned());
    arguments.push("--ssl-ciphers=AES128-GCM-SHA256".to_owned());
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut secure =
        OvsdbServer::start(Path::new(VSWITCH_SCHEMA), Storage::Alone, &arguments).expect("one");
    let client = |tls| {
        let target = "ssl:127.0.0.1:6640".parse().expect("a target");
        let mut settings = Settings::new(DATABASE, vec![Watch::all::<OpenVSwitch>()]);
        settings.backoff = (Duration::from_millis(5), Duration::from_millis(50));
        Client::new(target, Some(tls), settings)
    };
    let namespace = secure.namespace().clone();
    namespace.run(|| {
        let mut client = client(tls(&ours));
        run(&mut client);
        let peer = client.identity().expect("over TLS");
        assert_eq!(peer.cipher, "AES128-GCM-SHA256");
        secure.client("transact", &[r#"["Open_vSwitch",{"op":"insert","table":"Open_vSwitch","row":{"next_cfg":7}}]"#])
            .expect("ovsdb-client takes it");
        catch_up(&mut client);
        let root: OpenVSwitch = client.cache().all().next().expect("the row");
        assert_eq!(root.next_cfg, 7);
        secure.restart().expect("it starts again");
        run(&mut client);
        catch_up(&mut client);
    });
    namespace.run(|| {
        let mut stranger = client(tls(&others));
        let error = stranger.wait_for(PATIENCE, |_, event| match event {
            Event::Disconnected(error) => Some(error.to_string()),
            _ => None,
        });
        let error = error.expect("it is refused");
        assert!(error.contains("not to be believed"), "{error}");
    });
}
