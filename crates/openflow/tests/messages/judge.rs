//! The installed Open vSwitch reads what this crate writes.

use crate::{encoded, examples};
use openflow::wire::Writer;
use openflow::{Message, Version};
use std::process::{Command, Stdio};

/// What Open vSwitch does not have, so that its refusal says nothing.
fn beyond_open_vswitch(version: Version, message: &Message) -> bool {
    let text = format!("{message:?}");
    matches!(message.name(), "experimenter" | "opaque" | "table_status" | "request_forward")
        // Later ones watch flows by other messages.
        || (version > Version::V1_2 && message.name().starts_with("nx_flow_monitor"))
        // It wants whole ones; the live test reads those of a real switch.
        || text.contains("TableFeatures([TableFeatures")
        // 1.4 has its own.
        || (version > Version::V1_3 && message.name() == "nx_set_async2")
        // The flow format is a matter of 1.0.
        || (version > Version::V1_0 && message.name() == "nx_set_flow_format")
        || text.contains("Opaque")
        || text.contains("Experimenter")
        // Only 1.0 carries Nicira's statistics and flow removals.
        || (version > Version::V1_0 && (text.contains("NxFlow(") || text.contains("NxAggregate(")))
        || (version > Version::V1_0 && text.contains("NxFlowMonitor("))
}

/// What Open vSwitch says of each message; their xids are 1, 2, 3 and so on.
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
    // A message begins where a line names its xid; one within another has the same.
    let mut found: Vec<String> = Vec::new();
    for line in text.lines() {
        let next = format!("(xid={:#x}):", found.len() + 1);
        if line.contains(&next) && !line.starts_with(' ') {
            found.push(line.to_owned());
        } else if let Some(last) = found.last_mut() {
            last.push('\n');
            last.push_str(line);
        }
    }
    let (got, last) = (found.len(), found.last());
    assert_eq!(
        got,
        messages.len(),
        "one answer for each message, but after {last:?}"
    );
    found
}

#[test]
fn open_vswitch_reads_every_example() {
    let all: Vec<_> = encoded()
        .into_iter()
        .filter(|(version, message, _)| !beyond_open_vswitch(*version, message))
        .collect();
    let numbered = |(xid, (version, message, _)): (u32, &(Version, Message, Vec<u8>))| {
        let mut writer = Writer::new();
        message
            .encode(*version, xid, &mut writer)
            .expect("it was before");
        writer.into_bytes()
    };
    let bytes: Vec<Vec<u8>> = (1..).zip(&all).map(numbered).collect();
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
            let xid = u32::try_from(sent.len() + 1).expect("few");
            if message.encode(version, xid, &mut writer).is_ok() {
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
            // The name of the same action in 1.0.
            let said = said.replace("strip_vlan", "pop_vlan");
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

/// Actions that fit any flow; # is a number.
const ACTIONS: &[&str] = &[
    "output:#",
    "NORMAL",
    "IN_PORT,output:#,FLOOD",
    "CONTROLLER:#",
    "load:#->NXM_NX_REG2[],resubmit(,2)",
    "load:#->NXM_NX_REG3[0..11],resubmit(#,3)",
    "move:NXM_NX_REG0[]->NXM_NX_REG1[],output:NXM_NX_REG1[]",
    "set_queue:#,output:#",
    "set_tunnel:#,output:#",
    "mod_dl_src:52:54:00:00:00:01,mod_dl_dst:52:54:00:00:00:02,output:#",
    "note:01.02.03.04.05.06,clone(output:#)",
    "conjunction(#,1/3),conjunction(#,3/3)",
    "controller(userdata=01.02.03,max_len=#)",
];

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
        flow.priority = u16::try_from(self.below(65_536)).expect("small");
        flow.cookie = u64::try_from(self.below(1_000_000)).expect("small");
        flow.table = u8::try_from(self.below(250)).expect("small");
        if self.below(2) == 0 {
            let text =
                ACTIONS[self.below(ACTIONS.len())].replace('#', &self.below(500).to_string());
            flow.instructions =
                openflow::text::parse_instructions(&text, version).expect("actions");
        }
        flow
    }
}
