//! Keeps the binary corpora alive: frames of every kind, and what the kernel says of a table.

use std::path::Path;

/// Written again where `MOAT_UPDATE_CORPUS` is set; otherwise they must still be there.
#[test]
fn binary_corpora_exist() {
    let update = std::env::var_os("MOAT_UPDATE_CORPUS").is_some();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let mut random = frame::random::Rng::new(1);
    let vocabulary = frame::random::Vocabulary::default();
    for number in 0..40 {
        let frame = frame::random::random_frame(&mut random, &vocabulary);
        let path = folder.join("frames").join(format!("{number:02}"));
        if update {
            std::fs::write(&path, &frame).expect("a writable folder");
        }
        assert!(
            path.exists(),
            "{} is missing: set MOAT_UPDATE_CORPUS=1",
            path.display()
        );
    }
    let leases = folder.join("leases");
    for (name, bytes) in [
        ("dhcp", conversation(false)),
        ("dhcpv6", conversation(true)),
    ] {
        let path = leases.join(name);
        if update {
            std::fs::create_dir_all(&leases).expect("a writable folder");
            std::fs::write(&path, bytes).expect("a writable folder");
        }
        assert!(
            path.exists(),
            "{} is missing: set MOAT_UPDATE_CORPUS=1",
            path.display()
        );
    }
    for (name, bytes) in flows() {
        let path = folder.join("flows").join(name);
        if update {
            std::fs::create_dir_all(folder.join("flows")).expect("a writable folder");
            std::fs::write(&path, bytes).expect("a writable folder");
        }
        assert!(
            path.exists(),
            "{} is missing: set MOAT_UPDATE_CORPUS=1",
            path.display()
        );
    }
    let path = folder.join("netlink").join("batch");
    if update {
        std::fs::write(&path, batch()).expect("a writable folder");
    }
    assert!(
        path.exists(),
        "{} is missing: set MOAT_UPDATE_CORPUS=1",
        path.display()
    );
}

/// What a client and a server say to each other, as `fuzz::leases` reads it.
fn conversation(ipv6: bool) -> Vec<u8> {
    let client = frame::MacAddress([0x52, 0x54, 0, 0, 0, 1]);
    let server = frame::MacAddress([2, 0, 0, 0, 0, 1]);
    let mut bytes = Vec::new();
    for (kind, from_server) in [(3, false), (if ipv6 { 7 } else { 5 }, true), (8, false)] {
        let (source, destination) = if from_server {
            (server, client)
        } else {
            (client, server)
        };
        let builder = frame::FrameBuilder::new(source, destination);
        let frame = if ipv6 {
            let (from, to) = (source.eui64_link_local(), destination.eui64_link_local());
            builder.ipv6(from, to).dhcpv6(kind, client).build()
        } else {
            let from = if from_server { [10, 0, 0, 1] } else { [0; 4] };
            let packet = builder.ipv4(from.into(), [255; 4].into());
            packet.dhcp(kind, client, [10, 0, 0, 5].into()).build()
        };
        let length = u16::try_from(frame.len()).expect("a short frame");
        bytes.extend(length.to_be_bytes());
        bytes.push(u8::from(from_server));
        bytes.extend(frame);
    }
    bytes
}

/// A batch has the form of what the kernel reports: the same messages, the same attributes.
fn batch() -> Vec<u8> {
    use nftables::{
        Batch, Chain, Comparison, Datatype, Element, Expression, Family, Hook, HookPoint, MetaKey,
        Object, Place, Policy, Register, Rule, Set, SetData, Table, TableId, Verdict,
    };
    let table = TableId::new(Family::Bridge, "moat");
    let mut batch = Batch::new(Some(1));
    batch.add_table(&Table::new(table.clone()));
    batch.add_chain(
        &table,
        &Chain::base(
            "prerouting",
            Hook::filter(HookPoint::Prerouting, -300, Policy::Accept),
        ),
    );
    batch.add_object(&table, &Object::counter("malformed"));
    batch.add_set(
        &table,
        &Set::new("in", &[Datatype::INTERFACE_INDEX], SetData::Verdict),
    );
    batch.add_elements(
        &table,
        "in",
        &[Element::verdict(vec![1, 0, 0, 0], Verdict::goto("x")).with_comment("web-1/0")],
    );
    let expressions = vec![
        Expression::Meta {
            key: MetaKey::Protocol,
            destination: Register::R0,
        },
        Expression::Compare {
            source: Register::R0,
            operator: Comparison::Equal,
            value: vec![8, 0],
        },
        Expression::Verdict(Verdict::Accept),
    ];
    batch.add_rule(
        &table,
        &Rule::new("prerouting", expressions).with_comment("IPv4"),
        Place::Last,
    );
    batch.encode()
}

/// The flows of the corpus of texts as bytes, as `fuzz::flows` reads them.
fn flows() -> Vec<(String, Vec<u8>)> {
    use openflow::text::{parse_actions, parse_instructions, parse_match};
    use openflow::wire::Writer;
    use openflow::{Action, Instruction, Version};
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join("flow-texts");
    let text = std::fs::read_to_string(folder.join("flows"))
        .expect("the corpus is part of the repository");
    let mut made = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let (wanted, list) = line.split_once("actions=").expect("a flow has actions");
        let wanted = parse_match(wanted).expect("a match");
        for version in [Version::V1_0, Version::V1_3, Version::V1_5] {
            let choice = version.wire() - 1;
            let mut add = |kind: u8, write: &dyn Fn(&mut Writer) -> bool| {
                let mut writer = Writer::append_to(vec![choice + 6 * kind]);
                if write(&mut writer) {
                    made.push((
                        format!("{number}-{}-{kind}", version.protocol_name()),
                        writer.into_bytes(),
                    ));
                }
            };
            add(0, &|writer| wanted.encode(version, writer).is_ok());
            add(1, &|writer| wanted.encode_nxm(writer).is_ok());
            let actions = parse_actions(list).ok();
            add(2, &|writer| {
                actions
                    .as_ref()
                    .is_some_and(|list| Action::encode_list(list, version, writer).is_ok())
            });
            let instructions = parse_instructions(list, version).expect("instructions");
            add(3, &|writer| {
                Instruction::encode_list(&instructions, version, writer).is_ok()
            });
        }
    }
    made
}
