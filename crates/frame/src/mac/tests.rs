use super::*;

#[test]
fn text_goes_both_ways() {
    let mac: MacAddress = "52:54:00:AB:cd:01".parse().unwrap();
    assert_eq!(mac.octets(), [0x52, 0x54, 0, 0xab, 0xcd, 1]);
    assert_eq!(mac.to_string(), "52:54:00:ab:cd:01");
    let json = serde_json::to_string(&mac).unwrap();
    assert_eq!(json, "\"52:54:00:ab:cd:01\"");
    assert_eq!(serde_json::from_str::<MacAddress>(&json).unwrap(), mac);
}

#[test]
fn other_spellings_are_refused_with_the_reason() {
    for (text, reason) in [
        ("52-54-00-00-00-01", "separator"),
        ("5254.0000.0001", "separator"),
        ("52:54:00:00:00", "5 groups"),
        ("52:54:00:00:00:01:02", "7 groups"),
        ("52:54:0:00:00:01", "group 3 `0`"),
        ("52:54:+0:00:00:01", "group 3 `+0`"),
        ("52:54:00:00:00:0g", "group 6 `0g`"),
        ("52:54:00:00:00:é", "group 6 `é`"),
        (" 52:54:00:00:00:01", "group 1"),
        ("", "1 groups"),
    ] {
        let message = text.parse::<MacAddress>().unwrap_err().to_string();
        assert!(message.contains(reason), "{text}: {message}");
        assert!(message.contains("52:54:00:00:00:01"), "no hint: {message}");
    }
}

#[test]
fn kinds_and_the_link_local_address() {
    let mac: MacAddress = "52:54:00:00:00:01".parse().unwrap();
    assert!(mac.is_valid_unicast() && !mac.is_multicast() && !mac.is_broadcast());
    assert!(MacAddress::BROADCAST.is_broadcast() && MacAddress::BROADCAST.is_multicast());
    assert!(MacAddress([1, 0, 0x5e, 0, 0, 1]).is_multicast());
    assert!(!MacAddress::ZERO.is_valid_unicast());
    assert_eq!(mac.eui64_link_local().to_string(), "fe80::5054:ff:fe00:1");
}
