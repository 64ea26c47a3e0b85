use super::*;
use crate::xml::Domain;

fn domain(metadata: &str) -> Domain {
    let text = format!(
        "<domain type='kvm'><name>web-1</name><uuid>c7a5fdbd-edaf-4455-926a-d65c16db1809</uuid>\
         <metadata>{metadata}</metadata></domain>"
    );
    Domain::parse(&text).unwrap_or_else(|error| panic!("{error}"))
}

/// As libvirt gives it back: with the namespace on every element.
fn stored(element: &str) -> String {
    let prefix = CONNECTIONS_PREFIX;
    let start = format!("<{prefix}:connections xmlns:{prefix}='{CONNECTIONS_NAMESPACE}'>");
    element
        .replace("<connections>", &start)
        .replace("</", &format!("</{prefix}:"))
        .replace("<port", &format!("<{prefix}:port"))
}

fn port(last: u8, connections: &[&str]) -> PortConnections {
    PortConnections {
        mac: MacAddress([0x52, 0x54, 0, 0, 0, last]),
        connections: connections.iter().map(|it| (*it).to_owned()).collect(),
    }
}

#[test]
fn what_is_written_is_read_as_the_same() {
    let ports = vec![
        port(
            1,
            &[
                "tcp 10.0.0.5:1 192.0.2.9:2 3",
                "udp [2001:db8::5]:1 [2001:db8::9]:2 3",
            ],
        ),
        port(2, &["tcp 10.0.0.6:1 192.0.2.9:2 3 7/7"]),
    ];
    let element = connections_element(&ports).expect("an element");
    assert_eq!(domain(&stored(&element)).connections, Ok(ports));
}

#[test]
fn without_connections_there_is_no_element() {
    assert_eq!(connections_element(&[]), None);
    assert_eq!(connections_element(&[port(1, &[])]), None);
    assert_eq!(domain("").connections, Ok(Vec::new()));
}

#[test]
fn another_form_is_not_understood_and_the_domain_is_read_all_the_same() {
    let many = vec!["udp 10.0.0.5:1 192.0.2.9:2 3"; MOST_CONNECTIONS + 1];
    let many = connections_element(&[port(1, &many)]).expect("an element");
    for element in [
        "<connections><port>a</port></connections>",
        "<connections><port mac='52:54:00:00:00:01'/></connections>",
        "<connections><port mac='here'>a</port></connections>",
        "<connections><port mac='52:54:00:00:00:01' x='1'>a</port></connections>",
        "<connections x='1'/>",
        &many,
    ] {
        let domain = domain(&stored(element).replace(
            "<connections x",
            &format!("<connections xmlns='{CONNECTIONS_NAMESPACE}' x"),
        ));
        assert!(domain.connections.is_err(), "{element}");
        assert_eq!(domain.name, "web-1");
    }
}
