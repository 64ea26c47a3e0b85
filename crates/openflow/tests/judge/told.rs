//! A real Open vSwitch tells the flows that it took: what it tells is what was sent, as this crate says it reads back.

use openflow::text::{Position, actions, instructions, parse_instructions, parse_match_leaving};
use openflow::{Action, Instruction, Match, Version};
use testbed::OpenVSwitch;

use crate::random::{self, Entropy};

/// Actions that name what this switch has not.
fn foreign(action: &Action) -> bool {
    match action {
        Action::Group(_) | Action::Meter(_) | Action::Controller(_) | Action::Sample(_) => true,
        Action::Clone(inner) => inner.iter().any(foreign),
        _ => false,
    }
}

/// Cookie, match and instructions of a line of `dump-flows`.
fn read(line: &str, version: Version) -> (u64, Match, Vec<Instruction>) {
    let (wanted, list) = line.split_once("actions=").expect("a flow has actions");
    let mut cookie = None;
    let at = Position::new(line);
    let wanted = parse_match_leaving(&at, wanted, |pair| {
        if pair.key == "cookie" {
            let digits = pair.value.strip_prefix("0x").unwrap_or(pair.value);
            cookie = u64::from_str_radix(digits, 16).ok();
        }
        Ok(())
    });
    let list = parse_instructions(list, version).unwrap_or_else(|error| panic!("{line}: {error}"));
    (
        cookie.expect("a cookie"),
        wanted.unwrap_or_else(|error| panic!("{line}: {error}")),
        list,
    )
}

#[test]
fn a_switch_tells_what_was_sent() {
    let switch = OpenVSwitch::start().expect("an Open vSwitch");
    switch.add_bridge("br0").expect("a bridge");
    let protocols = "protocols=OpenFlow10,OpenFlow11,OpenFlow12,OpenFlow13,OpenFlow14,OpenFlow15";
    switch
        .vsctl(&["set", "bridge", "br0", protocols])
        .expect("protocols");
    for version in [Version::V1_3, Version::V1_4, Version::V1_5] {
        let mut sent = Vec::new();
        for number in 0..400 {
            let mut entropy = Entropy::new(0x701d ^ (number << 8));
            let wanted = random::random_match(&mut entropy, version);
            let mut list = random::random_actions(&mut entropy, version, &wanted);
            list.retain(|action| !foreign(action));
            sent.push((wanted, list));
        }
        let lines: Vec<_> = (1u64..)
            .zip(&sent)
            .map(|(number, (wanted, list))| {
                format!(
                    "cookie={number:#x},priority={number},{wanted} actions={}\n",
                    actions(list)
                )
            })
            .collect();
        let file = switch.directory().join("flows");
        std::fs::write(&file, lines.concat()).expect("the flows can be written");
        let file = file.to_string_lossy();
        switch
            .ofctl(&["-O", version.protocol_name(), "add-flows", "br0", &file])
            .expect("the switch takes our text");
        let told = switch
            .ofctl(&[
                "-O",
                version.protocol_name(),
                "--no-names",
                "dump-flows",
                "br0",
            ])
            .expect("flows");
        let told: Vec<_> = told
            .lines()
            .filter(|line| line.contains("actions=") && !line.contains("cookie=0x0,"))
            .collect();
        assert_eq!(told.len(), sent.len(), "OpenFlow {version}");
        for line in told {
            let (cookie, wanted, list) = read(line, version);
            let (ours, list_sent) = &sent[cookie as usize - 1];
            assert_eq!(
                wanted.normalised(),
                ours.normalised(),
                "OpenFlow {version}: {line}"
            );
            let as_sent = Action::as_sent(list_sent, version).expect("can be sent");
            assert_eq!(
                instructions(&list).to_string(),
                actions(&as_sent).to_string(),
                "OpenFlow {version}: {line}"
            );
        }
        switch.ofctl(&["del-flows", "br0"]).expect("flows go");
    }
}
