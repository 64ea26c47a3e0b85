//! OpenFlow messages read and written.

use crate::host::{folder, moat};

const FLOW: &str = "table=1,priority=100,tcp,tp_dst=22,send_flow_rem actions=drop";

#[test]
fn what_is_encoded_is_decoded() {
    for version in ["1.0", "1.1", "1.2", "1.3", "1.4", "1.5"] {
        let run = moat(&[
            "openflow",
            "encode",
            "--version",
            version,
            FLOW,
            "delete cookie=0x7/-1",
        ])
        .ends(0);
        let digits = run.stdout;
        assert_eq!(digits.lines().count(), 2, "{digits}");
        let run = moat(&["openflow", "decode", &digits]).ends(0);
        let flow = "add table=1,send_flow_rem,priority=100,tcp,tp_dst=22 actions=drop";
        assert!(run.stdout.contains(flow), "{version}: {}", run.stdout);
        assert!(
            run.stdout.contains("delete cookie=0x7/-1"),
            "{version}: {}",
            run.stdout
        );
        let run = moat(&["openflow", "decode", &digits, "--json"]).ends(0);
        assert_eq!(run.json()[0]["version"], version);
        // JSON becomes the same bytes again.
        let again = moat(&["openflow", "encode", &run.stdout]).ends(0);
        assert_eq!(again.stdout, digits);
    }
}

#[test]
fn files_may_hold_bytes_or_digits_with_comments() {
    let folder = folder();
    let digits = folder.join("messages.txt");
    let text = "# a barrier\n04 14 00 08\n00 00 00 01  # its xid\n\n04:15:00:08:00:00:00:01\n";
    std::fs::write(&digits, text).expect("a file");
    let bytes = folder.join("messages.bin");
    std::fs::write(&bytes, [4, 20, 0, 8, 0, 0, 0, 1, 4, 21, 0, 8, 0, 0, 0, 1]).expect("a file");
    for file in [digits, bytes] {
        let run = moat(&["openflow", "decode", file.to_str().expect("text")]).ends(0);
        let expected =
            "barrier_request (OpenFlow 1.3, xid 0x1)\nbarrier_reply (OpenFlow 1.3, xid 0x1)\n";
        assert_eq!(run.stdout, expected);
    }
}

#[test]
fn faults_are_told() {
    // A message of an unknown version, one that is whole, one that is cut.
    let run = moat(&[
        "openflow",
        "decode",
        "0914000800000001 0414000800000001 0414",
    ])
    .ends(1);
    assert_eq!(
        run.stdout.matches("unreadable").count(),
        2,
        "{}",
        run.stdout
    );
    assert!(run.stdout.contains("barrier_request"), "{}", run.stdout);
    // An error says what it means, and what it is about.
    let error = "0401001400000005 0005 0002 0414000800000005";
    let run = moat(&["openflow", "decode", error]).ends(0);
    assert!(
        run.stdout.contains("OFPFMFC_BAD_TABLE_ID"),
        "{}",
        run.stdout
    );
    assert!(
        run.stdout.contains("refused: barrier_request"),
        "{}",
        run.stdout
    );

    let run = moat(&["openflow", "decode", "no-such-file"]).ends(2);
    assert!(run.stderr.contains("hexadecimal"), "{}", run.stderr);
    let run = moat(&["openflow", "encode", "color=red,actions=drop"]).ends(2);
    assert!(run.stderr.contains("color"), "{}", run.stderr);
    let run = moat(&["openflow", "encode", "{\"version\": \"1.3\"}"]).ends(2);
    assert!(run.stderr.contains("message"), "{}", run.stderr);
    let run = moat(&[
        "openflow",
        "encode",
        "--version",
        "1.0",
        "reg0=1,actions=write_actions(output:1)",
    ])
    .ends(2);
    assert!(run.stderr.contains("1.0"), "{}", run.stderr);
}
