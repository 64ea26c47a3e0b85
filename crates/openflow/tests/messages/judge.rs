//! The installed Open vSwitch reads what this crate writes.

use crate::{encoded, examples};
use openflow::wire::Writer;
use openflow::{Message, Version};
use std::process::{Command, Stdio};

/// What Open vSwitch does not have, so that its refusal says nothing.
fn beyond_open_vswitch(version: Version, message: &Message) -> bool {
    let text = format!("{message:?}");
    matches!(message.name(), "experimenter" | "opaque" | "table_status" | "request_forward")
        || text.contains("Opaque")
        || text.contains("Experimenter")
        // Only 1.0 carries Nicira's statistics and flow removals.
        || (version > Version::V1_0 && (text.contains("NxFlow(") || text.contains("NxAggregate(")))
        || (version > Version::V1_0 && text.contains("NxFlowMonitor("))
}

fn judged(messages: &[Vec<u8>]) -> Vec<String> {
    let path = std::env::temp_dir().join(format!(
        "moat-judge-{}-{:?}",
        std::process::id(),
        std::thread::current().id()
    ));
    std::fs::write(&path, messages.concat()).expect("a file");
    let output = Command::new("ovs-ofctl")
        .arg("ofp-parse")
        .arg(&path)
        .stderr(Stdio::inherit())
        .output();
    std::fs::remove_file(&path).expect("removed");
    let output = output.expect("ovs-ofctl of the package openvswitch-common");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    // A message begins where a line names its xid.
    let mut found: Vec<String> = Vec::new();
    for line in text.lines() {
        if line.contains("(xid=0x") && !line.starts_with(' ') {
            found.push(line.to_owned());
        } else if let Some(last) = found.last_mut() {
            last.push('\n');
            last.push_str(line);
        }
    }
    assert_eq!(
        found.len(),
        messages.len(),
        "one answer for each message:\n{text}"
    );
    found
}

#[test]
fn open_vswitch_reads_every_example() {
    let all: Vec<_> = encoded()
        .into_iter()
        .filter(|(version, message, _)| !beyond_open_vswitch(*version, message))
        .collect();
    let bytes: Vec<Vec<u8>> = all.iter().map(|(_, _, bytes)| bytes.clone()).collect();
    let mut wrong = Vec::new();
    for ((version, message, _), said) in all.iter().zip(judged(&bytes)) {
        if said.contains("***decode error") || said.contains("UNKNOWN") {
            wrong.push(format!(
                "{version} {message:?}:\n{}",
                said.lines().next().unwrap_or_default()
            ));
        }
    }
    assert!(all.len() > 500, "{}", all.len());
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        all.len(),
        wrong.join("\n")
    );
}

#[test]
fn open_vswitch_reads_thousands_of_random_flows_as_they_are_printed() {
    let mut random = Random(7);
    for version in Version::ALL {
        let flows: Vec<_> = (0..1_000).map(|_| random.flow(version)).collect();
        let mut sent = Vec::new();
        let mut bytes = Vec::new();
        for flow in flows {
            let mut writer = Writer::new();
            let message = Message::flow_mod(version, flow.clone());
            if message.encode(version, 1, &mut writer).is_ok() {
                let bytes_of = writer.into_bytes();
                let read = Message::decode(&bytes_of).expect("read");
                let (Message::FlowMod(read) | Message::NxFlowMod(read)) = read else {
                    panic!("{read:?}")
                };
                sent.push(*read);
                bytes.push(bytes_of);
            }
        }
        assert!(sent.len() > 400, "{version}: {}", sent.len());
        for (flow, said) in sent.iter().zip(judged(&bytes)) {
            assert!(!said.contains("decode error"), "{version} {flow}: {said}");
            let actions = openflow::text::instructions(&flow.instructions).to_string();
            assert!(
                said.ends_with(&format!(" actions={actions}")),
                "{version} {flow}:\n{said}"
            );
            let matching = flow.matching.to_string();
            assert!(said.contains(&matching), "{version} {flow}:\n{said}");
        }
    }
}

/// A random choice of parts of the examples.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("small") % bound
    }

    fn flow(&mut self, version: Version) -> openflow::FlowMod {
        let flows = examples::flows(version);
        // The last ones are of other commands.
        let count = examples::FLOWS.len();
        let mut flow = flows[self.below(count)].clone();
        let other = &flows[self.below(count)];
        flow.instructions.clone_from(&other.instructions);
        flow.priority = u16::try_from(self.below(65_536)).expect("small");
        flow.cookie = u64::try_from(self.below(1_000_000)).expect("small");
        flow.table = u8::try_from(self.below(250)).expect("small");
        if self.below(2) == 0 {
            let port = openflow::PortNumber(u32::try_from(self.below(500)).expect("small"));
            flow.instructions = vec![openflow::Instruction::ApplyActions(vec![
                openflow::Action::output(port),
            ])];
        }
        flow
    }
}
