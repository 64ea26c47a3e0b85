//! `ovs-ofctl` as a judge: it prints messages, and it sends the flows of a text to a switch that we play.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use openflow::wire::Writer;
use openflow::{Action, Instruction, Match, Version};

/// A folder of this test's own, gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "openflow-judge-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a temporary folder can be made");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Whether 1.0 says it without Nicira's extended match.
fn standard_match(wanted: &Match) -> bool {
    wanted.encode(Version::V1_0, &mut Writer::new()).is_ok()
}

/// Match and actions or instructions, as they stand in a flow mod; of 1.0's two forms of match the `extended` one.
pub(crate) fn body(
    version: Version,
    extended: bool,
    wanted: &Match,
    actions: &[Action],
) -> Vec<u8> {
    let mut writer = Writer::new();
    if version > Version::V1_0 {
        wanted
            .encode(version, &mut writer)
            .expect("the match encodes");
        let apply = [Instruction::ApplyActions(actions.to_vec())];
        let list = if actions.is_empty() {
            &[][..]
        } else {
            &apply[..]
        };
        Instruction::encode_list(list, version, &mut writer).expect("the actions encode");
        return writer.into_bytes();
    }
    if !extended {
        wanted
            .encode(version, &mut writer)
            .expect("the match encodes");
    } else {
        wanted.encode_nxm(&mut writer).expect("the match encodes");
        writer.pad8(0);
    }
    Action::encode_list(actions, version, &mut writer).expect("the actions encode");
    writer.into_bytes()
}

/// A flow mod that adds a flow.
pub(crate) fn flow_mod(version: Version, wanted: &Match, actions: &[Action]) -> Vec<u8> {
    if version > Version::V1_0 {
        let apply = [Instruction::ApplyActions(actions.to_vec())];
        return flow_mod_of_instructions(
            version,
            wanted,
            if actions.is_empty() { &[] } else { &apply },
        );
    }
    let mut writer = Writer::new();
    let standard = standard_match(wanted);
    writer.bytes(&[1, if standard { 14 } else { 4 }, 0, 0, 0, 0, 0, 1]);
    if standard {
        wanted
            .encode(version, &mut writer)
            .expect("the match encodes");
    } else {
        writer.u32(0x2320);
        writer.u32(13);
    }
    writer.zeros(14);
    writer.u16(0x8000);
    writer.u32(u32::MAX);
    writer.u16(0xffff);
    writer.zeros(2);
    if !standard {
        let length_at = writer.len();
        writer.zeros(8);
        let start = writer.len();
        wanted.encode_nxm(&mut writer).expect("the match encodes");
        writer
            .patch_length(length_at, start, "a match")
            .expect("is short");
        writer.pad8(start);
    }
    Action::encode_list(actions, version, &mut writer).expect("the actions encode");
    writer.patch_length(2, 0, "a message").expect("is short");
    writer.into_bytes()
}

/// A flow mod that adds a flow with these instructions.
pub(crate) fn flow_mod_of_instructions(
    version: Version,
    wanted: &Match,
    list: &[Instruction],
) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.bytes(&[version.wire(), 14, 0, 0, 0, 0, 0, 1]);
    writer.zeros(22);
    writer.u16(0x8000);
    writer.u32(u32::MAX);
    writer.u32(u32::MAX);
    writer.u32(u32::MAX);
    writer.zeros(4);
    wanted
        .encode(version, &mut writer)
        .expect("the match encodes");
    Instruction::encode_list(list, version, &mut writer).expect("the instructions encode");
    writer.patch_length(2, 0, "a message").expect("is short");
    writer.into_bytes()
}

/// What is printed for each flow mod, from the match on.
pub(crate) fn print(messages: &[Vec<u8>]) -> Vec<String> {
    let folder = Folder::new();
    let file = folder.0.join("messages");
    std::fs::write(&file, messages.concat()).expect("the messages can be written");
    let output = Command::new("ovs-ofctl")
        .arg("ofp-parse")
        .arg(&file)
        .output()
        .expect("ovs-ofctl is installed");
    let text = String::from_utf8_lossy(&output.stdout);
    let lines: Vec<_> = text
        .lines()
        .filter(|line| line.contains("_FLOW_MOD ("))
        .collect();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        lines.len(),
        messages.len(),
        "every message is printed: {errors}"
    );
    // 1.0 has another word for the same action.
    let plain = |line: &str| {
        line.replace("strip_vlan", "pop_vlan")
            .replace("set_vlan_", "mod_vlan_")
    };
    lines
        .iter()
        .map(|line| plain(line.split_once(": ADD ").map_or(line, |(_, flow)| flow)))
        .collect()
}

/// What is sent for each line that describes a flow: whether with Nicira's extended match, and match and actions or
/// instructions.
pub(crate) fn send(version: Version, lines: &[String]) -> Vec<(bool, Vec<u8>)> {
    let folder = Folder::new();
    let (file, socket) = (folder.0.join("flows"), folder.0.join("switch"));
    std::fs::write(&file, lines.join("\n") + "\n").expect("the flows can be written");
    let listener = UnixListener::bind(&socket).expect("a socket can be made");
    let switch = std::thread::spawn(move || {
        listener
            .accept()
            .map(|(stream, _)| play_switch(version, stream))
            .expect("ovs-ofctl connects")
    });
    let mut target = std::ffi::OsString::from("unix:");
    target.push(&socket);
    let child = Command::new("ovs-ofctl")
        .args([
            "--timeout=20",
            "--no-names",
            "-O",
            version.protocol_name(),
            "add-flows",
        ])
        .arg(&target)
        .arg(&file)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("ovs-ofctl is installed");
    let output = child.wait_with_output().expect("ovs-ofctl ends");
    let errors = String::from_utf8_lossy(&output.stderr);
    // A connection that never came would leave the switch waiting.
    let _ = UnixStream::connect(&socket);
    let sent = switch.join().expect("the switch ends");
    assert!(
        output.status.success(),
        "ovs-ofctl refused our text: {errors}"
    );
    sent
}

/// Answers what has to be answered, and keeps the flow mods.
fn play_switch(version: Version, mut stream: UnixStream) -> Vec<(bool, Vec<u8>)> {
    let mut kept = Vec::new();
    let hello = [version.wire(), 0, 0, 8, 0, 0, 0, 1];
    if stream.write_all(&hello).is_err() {
        return kept;
    }
    loop {
        let mut header = [0; 8];
        if stream.read_exact(&mut header).is_err() {
            return kept;
        }
        let [_, kind, high, low, ..] = header;
        let mut body = vec![0; usize::from(u16::from_be_bytes([high, low])).saturating_sub(8)];
        if stream.read_exact(&mut body).is_err() {
            return kept;
        }
        let barrier = if version == Version::V1_0 { 18 } else { 20 };
        let answer = match kind {
            2 => Some(3),
            kind if kind == barrier => Some(barrier + 1),
            _ => None,
        };
        if let Some(answer) = answer {
            header[1] = answer;
            header[2] = 0;
            header[3] = 8;
            if stream.write_all(&header).is_err() {
                return kept;
            }
        }
        match (kind, version) {
            // The match stands before the rest of a flow mod of 1.0.
            (14, Version::V1_0) => kept.push((false, [&body[..40], &body[64..]].concat())),
            (14, _) => kept.push((false, body[40..].to_vec())),
            (4, Version::V1_0) if body[..8] == [0, 0, 0x23, 0x20, 0, 0, 0, 13] => {
                kept.push((true, body[40..].to_vec()))
            }
            _ => {}
        }
    }
}
