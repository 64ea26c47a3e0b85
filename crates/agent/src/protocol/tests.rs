//! The wire form is a promise to hooks that were installed by another version.

use super::{PortClaim, Reply, Request, travels};
use policy::claim::{Claim, ProfileSource};

#[test]
fn what_travels_is_one_line() {
    let request = Request::Hook {
        system: "opennebula".to_owned(),
        arguments: vec!["pre".to_owned()],
        input: "PFZN\nPjw=\n".to_owned(),
        environment: Default::default(),
    };
    let line = serde_json::to_string(&request).unwrap();
    assert_eq!(
        line,
        r#"{"request":"hook","system":"opennebula","arguments":["pre"],"input":"PFZN\nPjw=\n","environment":{}}"#
    );
    assert_eq!(serde_json::from_str::<Request>(&line).unwrap(), request);
}

#[test]
fn what_may_be_left_out_may_be_left_out() {
    let reply: Reply = serde_json::from_str(r#"{"reply":"done"}"#).unwrap();
    assert_eq!(reply, Reply::done());
    let request: Request = serde_json::from_str(
        r#"{"request":"claim","port":{"name":"a/0","mac":"52:54:00:00:00:01"},"later":1}"#,
    )
    .unwrap();
    let Request::Claim { port } = request else {
        panic!("{request:?}")
    };
    assert_eq!(port.name, "a/0");
    assert!(serde_json::from_str::<Request>(r#"{"request":"dance"}"#).is_err());
}

#[test]
fn what_was_learned_is_written_as_another_host_reads_it() {
    let line = r#"{"request":"import","learned":{"version":1,"ports":{"web-1/0":{"mac":"52:54:00:00:00:01","addresses":[{"address":"10.0.0.5","origin":"leased","since":{"secs":1,"nanos":0},"expires":{"secs":2,"nanos":0},"server":null,"client":7}]}}},"connections":{"52:54:00:00:00:01":["tcp 10.0.0.5:40000 192.0.2.9:443 9 7/7"]}}"#;
    let request: Request = serde_json::from_str(line).unwrap();
    assert_eq!(serde_json::to_string(&request).unwrap(), line);
    let other = line.replace(r#""version":1"#, r#""version":2"#);
    assert!(serde_json::from_str::<Request>(&other).is_err());
    let other = line.replace("tcp ", "tcp4 ");
    assert!(serde_json::from_str::<Request>(&other).is_err());
}

#[test]
fn only_known_variables_travel() {
    assert!(travels("MOAT_PORT") && travels("vif") && travels("XENBUS_PATH"));
    assert!(!travels("PATH") && !travels("AWS_SECRET") && !travels("vifx"));
}

#[test]
fn a_port_is_a_claim_of_the_strongest_kind_that_is_no_document() {
    let claim = Claim::from(PortClaim {
        name: "a/0".to_owned(),
        profiles: vec!["web".to_owned()],
        ..PortClaim::default()
    });
    assert_eq!(claim.source, "moat port");
    assert_eq!(claim.profiles[&ProfileSource::Metadata], ["web"]);
    assert!(Claim::from(PortClaim::default()).profiles.is_empty());
}
