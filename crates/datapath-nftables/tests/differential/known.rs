//! What chance found once and must not come back: policies and frames by name.

use frame::random::{Rng, random_frame};
use frame::{FrameBuilder, MacAddress, TcpFlags};

use super::bench::{Bench, Tally};
use super::draft::Draft;
use super::generate::{INTERFACES, vocabulary};

fn draft(rules: &[&str], group: &str) -> Draft {
    let rules: Vec<String> = rules.iter().map(|rule| (*rule).to_owned()).collect();
    let mut draft = Draft::default();
    draft.add("kind: Network\nname: net-0\nbridge: br0", Vec::new());
    draft.add(
        "kind: Profile\nname: profile-0\nstateful: off\nreject: preferred\ndefault: {in: accept, out: accept}",
        vec![("rules", rules)],
    );
    draft.add(
        "kind: Port\nname: port-0\ndevice: vnet0\nmac: '52:54:00:00:00:01'\nnetwork: net-0\nprofiles: [profile-0]",
        Vec::new(),
    );
    draft.add(
        format!("kind: Group\nname: group-0\nmembers: [{group}]"),
        Vec::new(),
    );
    draft
}

fn install(bench: &mut Bench, draft: &Draft) -> policy::HostProgram {
    let program = bench
        .program(&draft.catalog().expect("documents"))
        .expect("a program");
    bench.install(&program).expect("installed");
    program
}

#[test]
fn ranges_change_whole() {
    let mut bench = Bench::new(false);
    let rules = ["drop both from @group-0"];
    for members in [
        "'2001:db8::2', '2001:db8::3'",
        "'2001:db8::1', '2001:db8::3'",
        "'2001:db8::/64'",
        "'2001:db8::8-2001:db8::b', '2001:db8::1'",
        "'ff00::/8', 255.0.0.0/8",
        "'fe80::/10', 'ff00::/8'",
    ] {
        install(&mut bench, &draft(&rules, members));
    }
}

#[test]
fn fields_of_two_protocols_are_about_no_packet() {
    let mut bench = Bench::new(false);
    let rules = [
        "drop both tcp 22 with icmp.code 0, 1",
        "drop both udp 67-68 with tcp.flags syn, all/none",
        "drop both tcp with icmp.type 0-255",
    ];
    let program = install(&mut bench, &draft(&rules, "10.0.0.1"));
    let link = || FrameBuilder::new(MacAddress([0x52, 0x54, 0, 0, 0, 1]), MacAddress::BROADCAST);
    let ip = || link().ipv4([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
    let frames = [
        ip().tcp(40000, 22, TcpFlags::SYN).build(),
        ip().tcp(40000, 22, TcpFlags::SYN)
            .fragment(34, true)
            .payload(vec![0; 16])
            .build(),
        ip().udp(68, 67).build(),
        ip().udp(67, 68)
            .fragment(1, false)
            .payload(vec![2; 16])
            .build(),
    ];
    for frame in frames {
        for sender in [0, 1] {
            let compared = bench.compare(&program, sender, &frame, &mut Tally::new());
            compared.unwrap_or_else(|why| panic!("{why}"));
        }
    }
}

#[test]
fn a_bridge_without_a_policy_passes_everything() {
    let mut bench = Bench::new(false);
    let program = install(&mut bench, &Draft::default());
    let mut rng = Rng::new(1);
    for _ in 0..500 {
        let frame = random_frame(&mut rng, &vocabulary());
        let sender = rng.below(INTERFACES as usize);
        let compared = bench.compare(&program, sender, &frame, &mut Tally::new());
        compared.unwrap_or_else(|why| panic!("{why}"));
    }
}
