//! Where libvirt and moat differ, each shown on both: the list of docs/nwfilter.md.

use frame::{FrameSpec, MacAddress};
use policy::program::Direction;

use super::generate::{OTHER, OWN};
use super::{Bench, judged, world};

/// A filter's rules, a frame, and who lets it pass.
struct Difference {
    name: &'static str,
    rules: &'static str,
    direction: Direction,
    frame: Vec<u8>,
    libvirt: bool,
    moat: bool,
}

fn frame(spec: &str, (source, destination): (MacAddress, MacAddress)) -> Vec<u8> {
    let spec: FrameSpec = spec
        .parse()
        .unwrap_or_else(|error| panic!("{spec}: {error}"));
    spec.to_frame(source, destination)
}

fn sent(spec: &str) -> Vec<u8> {
    frame(spec, (OWN, OTHER))
}

/// The frame with some bytes replaced.
fn patched(mut frame: Vec<u8>, at: usize, bytes: &[u8]) -> Vec<u8> {
    frame[at..at + bytes.len()].copy_from_slice(bytes);
    frame
}

fn differences() -> Vec<Difference> {
    let (libvirt, moat, direction) = (true, false, Direction::Out);
    let drop_other_ports = "<rule action='drop' direction='out'>\
        <tcp match='no' dstportstart='22' dstportend='80'/></rule>";
    vec![
        Difference {
            name: "D2: a negated destination port, a port outside",
            rules: drop_other_ports,
            direction,
            frame: sent("tcp 10.250.0.1:5000 > 10.250.0.2:443"),
            libvirt,
            moat,
        },
        Difference {
            name: "D2: a negated destination port, a port inside",
            rules: drop_other_ports,
            direction,
            frame: sent("tcp 10.250.0.1:5000 > 10.250.0.2:22"),
            libvirt: false,
            moat: true,
        },
        Difference {
            name: "an ICMP type in both directions",
            rules: "<rule action='drop' direction='inout'><icmp type='8'/></rule>",
            direction,
            frame: sent("icmp 10.250.0.1 > 10.250.0.3"),
            libvirt,
            moat,
        },
        Difference {
            name: "the protocol behind a VLAN tag",
            rules: "<rule action='drop' direction='out'><vlan encap-protocol='arp'/></rule>",
            direction,
            frame: sent("arp request 10.250.0.1 > 10.250.0.4 vlan 5"),
            libvirt,
            moat,
        },
        Difference {
            name: "a code point, which libvirt does not shift",
            rules: "<rule action='drop' direction='out'><ip dscp='46'/></rule>",
            direction,
            frame: {
                let mut frame = sent("udp 10.250.0.1:5000 > 10.250.0.7:80");
                super::generate::expedite(&mut frame);
                frame
            },
            libvirt,
            moat,
        },
        Difference {
            name: "neighbour discovery, which the kernel does not track",
            rules: "<rule action='accept' direction='out'><icmpv6/></rule>\
                    <rule action='drop' direction='inout' priority='1000'><all-ipv6/></rule>",
            direction,
            frame: sent("ns fd00:fa::1 target fd00:fa::2"),
            libvirt: false,
            moat: true,
        },
        Difference {
            name: "a priority tag",
            rules: "",
            direction,
            frame: sent("ether 0x88b5 vlan 0"),
            libvirt,
            moat,
        },
        Difference {
            name: "a service tag",
            rules: "",
            direction,
            frame: patched(sent("ether 0x88b5 vlan 7"), 12, &[0x88, 0xa8]),
            libvirt,
            moat,
        },
        Difference {
            name: "ARP for other hardware than Ethernet",
            rules: "",
            direction,
            frame: patched(sent("arp request 10.250.0.1 > 10.250.0.5"), 14, &[0, 6]),
            libvirt,
            moat,
        },
        Difference {
            name: "a cut transport header",
            rules: "",
            direction,
            frame: patched(
                sent("ip proto 47 fd00:fa::1 > fd00:fa::6")
                    .into_iter()
                    .take(54 + 4)
                    .collect(),
                18,
                &[0, 4, 17],
            ),
            libvirt,
            moat,
        },
    ]
}

#[test]
fn every_listed_difference_is_as_listed() {
    let mut bench = Bench::new("hv-differences");
    let parameters = world::parameters(&[("IP", &["10.250.0.1"])]);
    let mut wrong = Vec::new();
    for (number, one) in differences().into_iter().enumerate() {
        let root = format!("d{number}");
        let xml = format!("<filter name='{root}'>{}</filter>", one.rules);
        bench.define(&xml);
        bench.bind(&root, &parameters).expect("bound");
        let device = bench.moat_device().to_owned();
        let filters = world::filters(&[xml]);
        let (_, yaml) = world::documents(&filters, &root, &parameters, &device, "br1");
        let program = world::program(&yaml, bench.observed());
        let program = bench.install(&program);
        let frames = [one.frame];
        let [libvirt, moat] = bench.sent(one.direction, &frames);
        let said = judged(&program, one.direction, &frames[0]);
        bench.unbind();
        println!(
            "{}: libvirt {libvirt:?}, moat {moat:?}, evaluator {said}",
            one.name
        );
        if (libvirt[0], moat[0], said) != (one.libvirt, one.moat, one.moat) {
            wrong.push(one.name);
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}
