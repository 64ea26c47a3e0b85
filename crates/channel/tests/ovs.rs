//! TLS with the ovsdb-server that is installed: its defaults, and what XCP-ng 8.3 starts it with.

use std::path::Path;
use std::time::{Duration, Instant};

use channel::certificate::{Pair, authority, describe, issue};
use channel::{Channel, Identity, Interest, PeerIdentity, Tls, wait};
use testbed::ovsdb_server::{OvsdbServer, Storage, VSWITCH_SCHEMA};

const PATIENCE: Duration = Duration::from_secs(60);

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    i64::try_from(since.expect("after 1970").as_secs()).expect("small")
}

/// The certificates of a switch, in files, and what the other end needs.
struct Certificates {
    directory: std::path::PathBuf,
    authority: Pair,
}

impl Certificates {
    fn own(name: &str) -> Self {
        let directory =
            std::env::temp_dir().join(format!("moat-tls-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&directory).expect("a directory");
        let authority = authority("moat", 10, now()).expect("an authority");
        let switch = issue(&authority, "switch", &[], 10, now()).expect("issued");
        for (file, text) in [
            ("ca.pem", &authority.certificate),
            // As `moat tls` writes it.
            (
                "switch.pem",
                &format!("{}{}", switch.certificate, switch.key),
            ),
        ] {
            std::fs::write(directory.join(file), text).expect("written");
        }
        Self {
            directory,
            authority,
        }
    }

    fn file(&self, name: &str) -> String {
        self.directory.join(name).display().to_string()
    }

    fn client(&self) -> Tls {
        let pair = issue(&self.authority, "controller", &[], 10, now()).expect("issued");
        let identity = Identity::from_pem(pair.certificate.as_bytes(), pair.key.as_bytes());
        let authority = self.authority.certificate.as_bytes();
        Tls::new(Some(&identity.expect("a pair")), authority).expect("usable")
    }

    fn server(&self, more: &[&str]) -> OvsdbServer {
        let files = [
            format!("--private-key={}", self.file("switch.pem")),
            format!("--certificate={}", self.file("switch.pem")),
            format!("--ca-cert={}", self.file("ca.pem")),
        ];
        let mut arguments = vec!["--remote=pssl:6640:127.0.0.1"];
        arguments.extend(files.iter().map(String::as_str));
        arguments.extend(more);
        OvsdbServer::start(Path::new(VSWITCH_SCHEMA), Storage::Alone, &arguments).expect("a server")
    }
}

impl Drop for Certificates {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// Asks for the databases over TLS; who answered, or why nobody did.
fn ask(server: &OvsdbServer, tls: &Tls) -> Result<PeerIdentity, String> {
    server.namespace().run(|| {
        let began = Instant::now();
        let target = "ssl:127.0.0.1:6640".parse().expect("a target");
        let mut channel = Channel::connect(&target, Some(tls), Duration::ZERO, PATIENCE)
            .map_err(|error| error.to_string())?;
        channel
            .send(br#"{"method":"list_dbs","params":[],"id":1}"#)
            .map_err(|error| error.to_string())?;
        let mut received = Vec::new();
        loop {
            channel
                .turn(began.elapsed(), &mut received)
                .map_err(|error| error.to_string())?;
            if received.ends_with(b"}") {
                assert!(String::from_utf8_lossy(&received).contains("Open_vSwitch"));
                return Ok(channel.identity().expect("over TLS"));
            }
            let interests: Vec<Interest<'_>> = channel.interest().into_iter().collect();
            wait(&interests, Some(Duration::from_millis(20))).expect("poll");
            assert!(began.elapsed() < PATIENCE, "no answer");
        }
    })
}

#[test]
fn an_ovsdb_server_with_our_certificates_is_spoken_to() {
    let certificates = Certificates::own("default");
    let server = certificates.server(&[]);
    let peer = ask(&server, &certificates.client()).expect("an answer");
    assert_eq!(peer.subject, "O=moat, CN=switch");
    assert_eq!(peer.version, "TLSv1.3");
}

#[test]
fn an_ovsdb_server_as_xcp_ng_starts_it_is_spoken_to() {
    let certificates = Certificates::own("xcp");
    // As its ovs-ctl has it, with the slip in the first name.
    let server = certificates.server(&[
        "--ssl-protocols=TLSv1.2",
        "--ssl-ciphers=AES256-GCM-SHA38:AES256-SHA256:AES256-SHA:AES128-GCM-SHA256:AES128-SHA256:AES128-SHA",
    ]);
    let peer = ask(&server, &certificates.client()).expect("an answer");
    assert_eq!(
        (peer.version.as_str(), peer.cipher.as_str()),
        ("TLSv1.2", "AES128-GCM-SHA256")
    );
}

#[test]
fn an_ovsdb_server_of_another_authority_is_refused_and_refuses() {
    let (certificates, others) = (Certificates::own("one"), Certificates::own("two"));
    let server = certificates.server(&[]);
    let reason = ask(&server, &others.client()).expect_err("it is refused");
    assert!(reason.contains("not to be believed"), "{reason}");
    // It is believed, but does not believe us.
    let stranger = issue(&others.authority, "stranger", &[], 10, now()).expect("issued");
    let identity = Identity::from_pem(stranger.certificate.as_bytes(), stranger.key.as_bytes());
    let tls = Tls::new(
        Some(&identity.expect("a pair")),
        certificates.authority.certificate.as_bytes(),
    );
    let reason = ask(&server, &tls.expect("usable")).expect_err("it refuses");
    assert!(reason.contains("ssl:127.0.0.1:6640"), "{reason}");
}

#[test]
fn certificates_of_ovs_pki_are_believed() {
    let certificates = Certificates::own("pki");
    let directory = certificates.file("pki");
    let pki = |arguments: &[&str]| {
        let output = std::process::Command::new("ovs-pki")
            .arg(format!("--dir={directory}"))
            .arg(format!("--log={directory}.log"))
            .args(arguments)
            .current_dir(&certificates.directory)
            .output()
            .expect("ovs-pki runs");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    };
    pki(&["init"]);
    pki(&["req+sign", "ours", "controller"]);
    let read = |name: &str| std::fs::read(certificates.directory.join(name)).expect("written");
    let identity = Identity::from_pem(&read("ours-cert.pem"), &read("ours-privkey.pem"));
    let authority = read("pki/controllerca/cacert.pem");
    assert!(describe(&authority).expect("an authority")[0].is_authority);
    let tls = Tls::new(Some(&identity.expect("a pair")), &authority).expect("usable");
    // The same pair at both ends.
    let server = OvsdbServer::start(
        Path::new(VSWITCH_SCHEMA),
        Storage::Alone,
        &[
            "--remote=pssl:6640:127.0.0.1",
            &format!("--private-key={}", certificates.file("ours-privkey.pem")),
            &format!("--certificate={}", certificates.file("ours-cert.pem")),
            &format!(
                "--ca-cert={}",
                certificates.file("pki/controllerca/cacert.pem")
            ),
        ],
    )
    .expect("a server");
    ask(&server, &tls).expect("an answer");
}
