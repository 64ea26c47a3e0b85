use super::*;

#[test]
fn the_text_form_is_read_as_it_is_written() {
    for text in [
        "tcp 10.0.0.5:40000 192.0.2.9:443 432000 7/10",
        "tcp [2001:db8::5]:40000 [2001:db8::9]:22 1",
        "udp 10.0.0.5:5000 192.0.2.9:53 120",
    ] {
        let connection: Connection = text.parse().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(connection.to_string(), text);
        let json = serde_json::to_string(&connection).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(json, format!("\"{text}\""));
        let again: Connection =
            serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(again, connection);
    }
}

#[test]
fn other_text_is_refused() {
    for text in [
        "",
        "tcp",
        "sctp 10.0.0.5:1 192.0.2.9:2 3",
        "tcp 10.0.0.5 192.0.2.9:2 3",
        "tcp 10.0.0.5:1 [2001:db8::9]:2 3",
        "tcp [fe80::1%3]:1 [fe80::2]:2 3",
        "tcp 10.0.0.5:1 192.0.2.9:2 -3",
        "tcp 10.0.0.5:1 192.0.2.9:2 4294967296",
        "tcp 10.0.0.5:1 192.0.2.9:2 3 7",
        "tcp 10.0.0.5:1 192.0.2.9:2 3 7/15",
        "tcp 10.0.0.5:1 192.0.2.9:2 3 7/7 more",
        "udp 10.0.0.5:1 192.0.2.9:2 3 7/7",
    ] {
        assert!(text.parse::<Connection>().is_err(), "{text}");
    }
    // However long it is, the error is short.
    let error = "x".repeat(100_000).parse::<Connection>().map(|_| ());
    assert!(error.is_err_and(|error| error.to_string().len() < 300));
}
