//! What happens to a frame, and why: from documents alone, and from the kernel's own ruleset.

use crate::host::{DOCUMENTS, Host, folder, moat};

#[test]
fn a_trace_needs_no_devices() {
    let folder = folder();
    let file = folder.join("policy.yaml");
    std::fs::write(&file, DOCUMENTS).expect("a file");
    let path = file.to_str().expect("text");
    let passes = "tcp 10.0.0.5:40000 > 10.0.0.6:80";
    let run = moat(&["trace", path, "--port", "web-1/0", "out", passes]).ends(0);
    // Both ends are ports: the sender's `out`, then the receiver's `in`.
    assert!(
        run.stdout.contains("web-1/0 sends it (out)"),
        "{}",
        run.stdout
    );
    assert!(
        run.stdout.contains("web-2/0 is to get it (in)"),
        "{}",
        run.stdout
    );
    assert!(run.stdout.contains("policy.yaml:15"), "{}", run.stdout);

    let dropped = "tcp 10.0.0.5:40000 > 10.0.0.6:25";
    let run = moat(&["trace", path, "--port", "web-1/0", "out", dropped, "--json"]).ends(1);
    let part = &run.json()[0]["parts"][0];
    assert_eq!(part["verdict"], "drop");
    let steps = part["steps"].as_array().expect("steps");
    let origin = steps.last().expect("a step")["origin"]
        .as_str()
        .expect("a place")
        .to_owned();
    assert!(origin.ends_with("policy.yaml:16:5"), "{origin}");

    let forged = "tcp 10.0.0.9:40000 > 10.0.0.6:80";
    let run = moat(&["trace", path, "--port", "web-1/0", "out", forged]).ends(1);
    assert!(run.stdout.contains("guard/ipv4"), "{}", run.stdout);
    let run = moat(&["trace", path, "--port", "web-9/0", "out", forged]).ends(2);
    assert!(run.stderr.contains("web-1/0"), "{}", run.stderr);
    let run = moat(&["trace", path, "--port", "web-1/0", forged]).ends(2);
    assert!(run.stderr.contains("which way"), "{}", run.stderr);
}

#[test]
fn frames_come_from_captures_and_digits_too() {
    let folder = folder();
    let file = folder.join("policy.yaml");
    std::fs::write(&file, DOCUMENTS).expect("a file");
    let frame: frame::FrameSpec = "udp 10.0.0.5:5000 > 10.0.0.6:53".parse().expect("a frame");
    let mac = |last| frame::MacAddress([0x52, 0x54, 0, 0, 0, last]);
    let bytes = frame.to_frame(mac(1), mac(9));
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut capture: Vec<u8> = Vec::new();
    for number in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 1] {
        capture.extend(number.to_le_bytes());
    }
    for number in [0, 0, bytes.len() as u32, bytes.len() as u32] {
        capture.extend(number.to_le_bytes());
    }
    capture.extend(&bytes);
    let pcap = folder.join("frames.pcap");
    std::fs::write(&pcap, capture).expect("a file");
    let arguments = [
        "trace",
        file.to_str().expect("text"),
        "--port",
        "web-1/0",
        "--frame",
        &digits,
        "--pcap",
        pcap.to_str().expect("text"),
        "--offline",
        "--json",
        "out",
    ];
    let answers = moat(&arguments).ends(0).json();
    assert_eq!(answers.as_array().map(Vec::len), Some(2));
    assert_eq!(answers[0], answers[1]);
}

#[test]
fn the_kernel_is_asked_and_agrees_until_somebody_interferes() {
    let host = Host::new(2);
    let file = host.write("policy.yaml", DOCUMENTS);
    host.moat(&["apply", &file]).ends(0);
    let frames = [
        ("tcp 10.0.0.5:40000 > 10.0.0.6:80", 0),
        ("tcp 10.0.0.5:40000 > 10.0.0.6:25", 1),
        ("tcp 10.0.0.5:40000 > 10.0.0.6:22", 1),
        ("tcp 10.0.0.77:40000 > 10.0.0.6:80", 1),
        ("arp request 10.0.0.5 > 10.0.0.6", 0),
        ("dhcp discover", 0),
        ("ether 0x88cc", 1),
    ];
    for (frame, code) in frames {
        // Without documents: those of the last apply.
        let arguments = [
            "trace", "--port", "web-1/0", "--live", "--json", "out", frame,
        ];
        let answer = host.moat(&arguments).ends(code).json();
        for part in answer[0]["parts"].as_array().expect("parts") {
            assert_eq!(part["live"]["agrees"], true, "{frame}: {part:#}");
        }
    }
    host.nft("insert rule bridge moat out accept");
    let run = host
        .moat(&[
            "trace",
            &file,
            "--port",
            "web-1/0",
            "--live",
            "out",
            frames[1].0,
        ])
        .ends(1);
    assert!(run.stdout.contains("kernel differs"), "{}", run.stdout);
}
