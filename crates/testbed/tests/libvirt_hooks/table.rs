//! Recorded hook calls as the tables of docs/libvirt-hooks.md, so that the page says what libvirt does and nothing else.

use roxmltree::{Document, Node};
use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;
use testbed::libvirtd::{HookCall, HostDevice, mac_text};

/// An interface of the scene: what the column is called, and its MAC.
pub(crate) type Column = (&'static str, [u8; 6]);

/// The table of a scene: a row for each call, a column for each interface.
pub(crate) fn table(calls: &[HookCall], columns: &[Column]) -> String {
    let mut text = String::from("| hook |");
    for (name, _) in columns {
        text += &format!(" {name} |");
    }
    text += " QEMU |\n|---|";
    text += &"---|".repeat(columns.len());
    text += "---|\n";
    // Ports of networks come in no particular order.
    for alike in calls.chunk_by(|one, other| one.name() == other.name()) {
        let mut rows: Vec<String> = alike.iter().map(|call| row(call, columns)).collect();
        rows.sort();
        text.extend(rows);
    }
    if calls.is_empty() {
        text = "No hook is called.\n".to_owned();
    }
    text
}

fn row(call: &HookCall, columns: &[Column]) -> String {
    let mut text = format!("| `{}` |", call.name());
    for (_, mac) in columns {
        text += &format!(" {} |", cell(call, &mac_text(*mac)));
    }
    text + &format!(" {} |\n", emulator(call))
}

/// What a call says of an interface, and what the host has of it.
fn cell(call: &HookCall, mac: &str) -> String {
    let document = Document::parse(&call.input).expect("XML");
    let mut elements = document.descendants().filter(|node| {
        let named = |name| node.has_tag_name(name);
        (named("interface") || named("networkport"))
            && child(*node, "mac").and_then(|mac| mac.attribute("address")) == Some(mac)
    });
    let xml = match elements.next() {
        None => "–".to_owned(),
        Some(port) if port.has_tag_name("networkport") => port_of_network(port),
        Some(interface) => interface_of_domain(interface),
    };
    // A tap has the guest's MAC with another first byte, a macvtap the same.
    let is_it = |device: &&HostDevice| device.mac.get(2..) == mac.get(2..);
    let device = match call.devices().iter().find(is_it) {
        None => "no device".to_owned(),
        Some(device) => {
            let state = if device.up { "up" } else { "down" };
            let place = match &device.upper {
                Some(bridge) => format!(" in {bridge}"),
                None => String::new(),
            };
            format!("{} {state}{place}", without_number(&device.name))
        }
    };
    format!("{xml}; {device}")
}

fn interface_of_domain(interface: Node<'_, '_>) -> String {
    let mut text = format!("`{}`", interface.attribute("type").unwrap_or_default());
    if let Some(source) = child(interface, "source") {
        let names: Vec<&str> = source.attributes().map(|it| it.name()).collect();
        text += &format!(" source {}", names.join(" "));
    }
    match child(interface, "target").and_then(|target| target.attribute("dev")) {
        Some(device) => text += &format!(", target {}", without_number(device)),
        None => text += ", no target",
    }
    if child(interface, "alias").is_some() {
        text += ", alias";
    }
    text
}

fn port_of_network(port: Node<'_, '_>) -> String {
    let mut text = "networkport".to_owned();
    if let Some(group) = child(port, "group") {
        text += &format!(" group {}", group.text().unwrap_or_default());
    }
    if let Some(plug) = child(port, "plug") {
        let what = plug.attributes().filter(|it| it.name() != "mode");
        let words: Vec<&str> = what.map(|it| it.value()).collect();
        text += &format!(", plug {}", words.join(" "));
    }
    text
}

fn emulator(call: &HookCall) -> &'static str {
    match (call.emulators.trim().is_empty(), call.ticks) {
        (true, _) => "none",
        (false, None) => "runs",
        // Half a second: a guest that boots computes all the time, one that is stopped never does.
        (false, Some(0..=2)) => "runs, virtual CPUs stopped",
        (false, Some(_)) => "runs, virtual CPUs run",
    }
}

fn child<'a, 'input>(node: Node<'a, 'input>, name: &str) -> Option<Node<'a, 'input>> {
    node.children().find(|child| child.has_tag_name(name))
}

fn without_number(device: &str) -> String {
    let name = device.trim_end_matches(|letter: char| letter.is_ascii_digit());
    if name == device {
        return device.to_owned();
    }
    format!("{name}N")
}

/// Compares a scene with the page, or rewrites the page where MOAT_UPDATE_DOCS asks for it.
pub(crate) fn check(scene: &str, text: &str) {
    static PAGE: Mutex<()> = Mutex::new(());
    let _one_at_a_time = PAGE.lock();
    let path = in_project("docs/libvirt-hooks.md");
    let page = fs::read_to_string(&path).expect("the page");
    let (open, close) = (format!("<!-- {scene} -->\n"), "<!-- end -->\n");
    let (before, rest) = page
        .split_once(&open)
        .unwrap_or_else(|| panic!("docs/libvirt-hooks.md has no place for {scene}: {open}"));
    let (shown, after) = rest.split_once(close).expect("an end");
    if updates() {
        fs::write(&path, [before, &open, text, close, after].concat()).expect("the page");
    } else {
        assert_eq!(
            shown, text,
            "docs/libvirt-hooks.md, {scene}: libvirt does otherwise; MOAT_UPDATE_DOCS=1 rewrites the page"
        );
    }
}

/// Keeps the input of calls as samples for tests of what reads it, with nothing of this machine in it.
pub(crate) fn keep(calls: &[HookCall], name: &str) {
    if !updates() {
        return;
    }
    for call in calls {
        let file = format!(
            "crates/import/tests/samples/libvirt/{name}-{}-{}.xml",
            call.hook, call.operation
        );
        let lines: String = call
            .input
            .lines()
            // Which kernel and initial file system it was does not matter.
            .filter(|line| !line.contains("<initrd>"))
            .map(|line| match line.split_once("<kernel>") {
                Some((before, _)) => format!("{before}<kernel>/var/lib/guests/vmlinuz</kernel>\n"),
                None => format!("{line}\n"),
            })
            .collect();
        let path = in_project(&file);
        fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        fs::write(&path, lines).expect("a sample");
    }
}

fn updates() -> bool {
    std::env::var_os("MOAT_UPDATE_DOCS").is_some()
}

fn in_project(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path)
}
