//! Random filters and the frames that are worth sending at them. Leaves out what libvirt itself refuses to
//! carry out, and what is known to differ (`docs/nwfilter.md`); what a filter means is left to `model`.

use frame::FrameSpec;
use frame::MacAddress;
use frame::random::Rng;

/// MAC of the port under test.
pub(crate) const OWN: MacAddress = MacAddress([0x52, 0x54, 0, 0, 0, 1]);
/// MAC of whoever it talks with.
pub(crate) const OTHER: MacAddress = MacAddress([0x52, 0x54, 0, 0, 0, 9]);
const THIRD: MacAddress = MacAddress([0x52, 0x55, 0, 0, 0, 8]);

const MACS: &[&str] = &[
    "52:54:00:00:00:01",
    "52:54:00:00:00:09",
    "52:55:00:00:00:08",
    "ff:ff:ff:ff:ff:ff",
    "$MAC",
];
const PORTS: &[u16] = &[22, 53, 67, 68, 80, 1024];
/// Chains with priorities of their own: libvirt takes chains of one priority in no certain order.
const CHAINS: &[(&str, i32)] = &[
    ("mac", -800),
    ("vlan", -750),
    ("ipv4-ip", -710),
    ("ipv4", -700),
    ("ipv6", -600),
    ("arp-mac", -520),
    ("arp", -500),
    ("rarp", -400),
    ("mac-late", 300),
];

/// A tree of filters below `r`.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    /// Texts; each has a name that begins with `prefix`.
    pub(crate) texts: Vec<String>,
    pub(crate) root: String,
    /// It has rules for iptables, of which only first packets are compared.
    pub(crate) packets: bool,
}

pub(crate) struct Generator<'a> {
    pub(crate) rng: &'a mut Rng,
    /// Second byte of all addresses, so that connections of two trees never meet.
    pub(crate) subnet: u8,
}

impl Generator<'_> {
    pub(crate) fn tree(&mut self, prefix: &str) -> Tree {
        let packets = self.rng.one_in(2);
        let root = format!("{prefix}-r");
        let mut texts = Vec::new();
        let mut references = String::new();
        for number in 0..self.rng.below(4) {
            let (chain, priority) = self.rng.pick_or(CHAINS, ("mac", -800));
            let name = format!("{prefix}-{number}");
            let rules = self.rules(4, packets);
            texts.push(format!(
                "<filter name='{name}' chain='{chain}' priority='{priority}'>{rules}</filter>"
            ));
            references.push_str(&format!("<filterref filter='{name}'/>"));
        }
        let mut rules = self.rules(4, packets);
        // What people write ends so.
        if self.rng.one_in(2) {
            rules.push_str("<rule action='drop' direction='inout' priority='1000'/>");
        }
        if packets && self.rng.one_in(2) {
            rules.push_str("<rule action='drop' direction='inout' priority='1000'><all/></rule>");
        }
        texts.push(format!(
            "<filter name='{root}'>{references}{rules}</filter>"
        ));
        Tree {
            texts,
            root,
            packets,
        }
    }

    fn rules(&mut self, most: usize, packets: bool) -> String {
        let count = 1 + self.rng.below(most);
        (0..count).map(|_| self.rule(packets)).collect()
    }

    fn rule(&mut self, packets: bool) -> String {
        let direction = self.rng.pick(&["in", "out", "inout"]);
        let packet = packets && self.rng.one_in(2);
        let element = if packet {
            self.packet_element(direction)
        } else {
            self.link_element()
        };
        let actions: &[&str] = if packet {
            &[
                "accept", "accept", "accept", "drop", "drop", "reject", "return",
            ]
        } else {
            &[
                "accept", "accept", "drop", "drop", "reject", "return", "return", "continue",
            ]
        };
        let action = self.rng.pick(actions);
        let priority = self.rng.pick(&[
            "",
            " priority='-900'",
            " priority='-705'",
            " priority='-500'",
            " priority='100'",
            " priority='500'",
            " priority='1000'",
        ]);
        let state = if packet && self.rng.one_in(3) {
            " statematch='0'"
        } else {
            ""
        };
        format!("<rule action='{action}' direction='{direction}'{priority}{state}>{element}</rule>")
    }

    fn link_element(&mut self) -> String {
        let element = self.rng.pick(&[
            "", "mac", "mac", "vlan", "arp", "rarp", "ip", "ip", "ip", "ipv6", "ipv6",
        ]);
        if element.is_empty() {
            return String::new();
        }
        let mut attributes = Vec::new();
        let negated = self.rng.one_in(5);
        if self.rng.one_in(4) {
            let mac = self.rng.pick(MACS);
            attributes.push(format!("srcmacaddr='{mac}'"));
            if mac != "$MAC" && self.rng.one_in(3) {
                attributes.push("srcmacmask='ff:ff:00:00:00:00'".to_owned());
            }
        }
        if self.rng.one_in(4) {
            attributes.push(format!("dstmacaddr='{}'", self.rng.pick(MACS)));
        }
        match element {
            "mac" if self.rng.one_in(2) => {
                let id = self
                    .rng
                    .pick(&["arp", "rarp", "ipv4", "ipv6", "vlan", "0x88b5"]);
                attributes.push(format!("protocolid='{id}'"));
            }
            "vlan" if self.rng.one_in(2) => {
                attributes.push(format!("vlanid='{}'", self.rng.pick(&[5_u16, 6])));
            }
            "arp" | "rarp" => self.arp(&mut attributes),
            "ip" => {
                self.addresses(false, &mut attributes);
                // libvirt cannot carry out negated protocols with ports.
                self.protocol(
                    &["tcp", "udp", "icmp", "sctp", "47"],
                    negated,
                    &mut attributes,
                );
            }
            "ipv6" => {
                self.addresses(true, &mut attributes);
                let icmp = !negated && self.rng.one_in(4);
                if icmp {
                    attributes.push("protocol='icmpv6' type='128' typeend='133'".to_owned());
                } else {
                    self.protocol(&["tcp", "udp", "sctp"], negated, &mut attributes);
                }
            }
            _ => {}
        }
        let negation = if negated { " match='no'" } else { "" };
        format!("<{element}{negation} {}/>", attributes.join(" "))
    }

    fn arp(&mut self, attributes: &mut Vec<String>) {
        if self.rng.one_in(3) {
            let opcode = self.rng.pick(&["Request", "Reply", "Request_Reverse", "4"]);
            attributes.push(format!("opcode='{opcode}'"));
        }
        if self.rng.one_in(4) {
            attributes.push("hwtype='1' protocoltype='0x800'".to_owned());
        }
        for name in ["arpsrcmacaddr", "arpdstmacaddr"] {
            if self.rng.one_in(4) {
                attributes.push(format!("{name}='{}'", self.rng.pick(MACS)));
            }
        }
        for (name, mask) in [
            ("arpsrcipaddr", "arpsrcipmask"),
            ("arpdstipaddr", "arpdstipmask"),
        ] {
            if self.rng.one_in(4) {
                let address = self.ipv4();
                attributes.push(format!("{name}='{address}'"));
                if !address.starts_with('$') && self.rng.one_in(3) {
                    attributes.push(format!("{mask}='{}'", self.rng.pick(&["31", "24"])));
                }
            }
        }
    }

    fn addresses(&mut self, ipv6: bool, attributes: &mut Vec<String>) {
        for (name, mask) in [("srcipaddr", "srcipmask"), ("dstipaddr", "dstipmask")] {
            if !self.rng.one_in(3) {
                continue;
            }
            let address = if ipv6 { self.ipv6() } else { self.ipv4() };
            attributes.push(format!("{name}='{address}'"));
            if !address.starts_with('$') && self.rng.one_in(3) {
                let bits: &[&str] = if ipv6 {
                    &["127", "64"]
                } else {
                    &["31", "255.255.255.0"]
                };
                attributes.push(format!("{mask}='{}'", self.rng.pick(bits)));
            }
        }
    }

    fn protocol(&mut self, names: &[&'static str], negated: bool, attributes: &mut Vec<String>) {
        if self.rng.one_in(2) {
            return;
        }
        let protocol = self.rng.pick(names);
        attributes.push(format!("protocol='{protocol}'"));
        if !negated && matches!(protocol, "tcp" | "udp" | "sctp") {
            self.ports(attributes);
        }
    }

    fn ports(&mut self, attributes: &mut Vec<String>) {
        for (first, last) in [
            ("srcportstart", "srcportend"),
            ("dstportstart", "dstportend"),
        ] {
            if self.rng.one_in(3) {
                let port = self.rng.pick(PORTS);
                attributes.push(format!("{first}='{port}'"));
                if self.rng.one_in(3) {
                    attributes.push(format!("{last}='{}'", port + 20));
                }
            }
        }
    }

    fn packet_element(&mut self, direction: &str) -> String {
        let ipv6 = self.rng.one_in(3);
        let kind = self
            .rng
            .pick(&["tcp", "udp", "udp", "sctp", "all", "icmp", "esp"]);
        let element = match (kind, ipv6) {
            ("icmp", true) => "icmpv6".to_owned(),
            (kind, true) => format!("{kind}-ipv6"),
            (kind, false) => kind.to_owned(),
        };
        let mut attributes = Vec::new();
        self.addresses(ipv6, &mut attributes);
        let negated = self.rng.one_in(6);
        if matches!(kind, "tcp" | "udp" | "sctp") && !negated {
            self.ports(&mut attributes);
        }
        if self.rng.one_in(8) {
            attributes.push("dscp='46'".to_owned());
        }
        // libvirt leaves `inout` with an ICMP type out.
        if kind == "icmp" && direction != "inout" && self.rng.one_in(2) {
            attributes.push(format!("type='{}'", if ipv6 { 128 } else { 8 }));
        }
        if self.rng.one_in(8) {
            attributes.push("srcmacaddr='52:54:00:00:00:09'".to_owned());
        }
        let negation = if negated { " match='no'" } else { "" };
        format!("<{element}{negation} {}/>", attributes.join(" "))
    }

    fn ipv4(&mut self) -> String {
        match self.rng.below(6) {
            0 => "0.0.0.0".to_owned(),
            1 => "$IP".to_owned(),
            _ => self.ipv4_address(),
        }
    }

    pub(crate) fn ipv4_address(&mut self) -> String {
        format!("10.{}.0.{}", self.subnet, 1 + self.rng.below(4))
    }

    fn ipv6(&mut self) -> String {
        match self.rng.below(6) {
            0 => "fe80::9".to_owned(),
            _ => self.ipv6_address(),
        }
    }

    pub(crate) fn ipv6_address(&mut self) -> String {
        format!("fd00:{:x}::{}", self.subnet, 1 + self.rng.below(4))
    }

    /// A whole, unfragmented frame that begins a connection, if it is of one.
    pub(crate) fn frame(&mut self) -> Vec<u8> {
        let (a, b) = (self.ipv4_address(), self.ipv4_address());
        let (c, d) = (self.ipv6_address(), self.ipv6_address());
        let a = if self.rng.one_in(8) {
            "0.0.0.0".to_owned()
        } else {
            a
        };
        let (p, q) = (self.port(), self.port());
        let mut text = match self.rng.below(24) {
            0..=2 => format!("tcp {a}:{p} > {b}:{q}"),
            3..=6 => format!("udp {a}:{p} > {b}:{q}"),
            7 => format!("sctp {a}:{p} > {b}:{q}"),
            8 => format!("icmp {a} > {b}"),
            9 => format!("ip proto {} {a} > {b}", self.rng.pick(&[2_u8, 47, 50])),
            10 | 11 => format!("tcp [{c}]:{p} > [{d}]:{q}"),
            12..=14 => format!("udp [{c}]:{p} > [{d}]:{q}"),
            15 => format!("icmp6 {c} > {d}"),
            16 => format!("ip proto 50 {c} > {d}"),
            17 => format!("ns {c} target {d}"),
            18 | 19 => format!("arp {} {a} > {b}", self.rng.pick(&["request", "reply"])),
            20 => format!("arp request {a} > {b} sender 52:55:00:00:00:08"),
            21 | 22 => format!("rarp {} {a} > {b}", self.rng.pick(&["request", "reply"])),
            _ => "ether 0x88b5".to_owned(),
        };
        if self.rng.one_in(8) {
            text.push_str(&format!(" vlan {}", self.rng.pick(&[5_u16, 6])));
        }
        let spec: FrameSpec = text
            .parse()
            .unwrap_or_else(|error| panic!("{text}: {error}"));
        let source = self.rng.pick_or(&[OWN, OWN, OTHER, OTHER, THIRD], OWN);
        let destination = self
            .rng
            .pick_or(&[OWN, OTHER, OTHER, THIRD, MacAddress::BROADCAST], OTHER);
        let mut frame = spec.to_frame(source, destination);
        if self.rng.one_in(6) {
            expedite(&mut frame);
        }
        frame
    }

    fn port(&mut self) -> u16 {
        let port = self.rng.pick(PORTS);
        if self.rng.one_in(4) { port + 10 } else { port }
    }
}

/// Gives an untagged IP packet the code point 46.
pub(crate) fn expedite(frame: &mut [u8]) {
    match frame.get(12..14) {
        Some([0x08, 0x00]) => {
            frame[15] = 46 << 2;
            frame[24..26].fill(0);
            let header = frame[14..34].chunks(2);
            let sum: u32 = header
                .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]))
                .sum();
            let folded = (sum & 0xffff) + (sum >> 16);
            let folded = (folded & 0xffff) + (folded >> 16);
            let [.., high, low] = (!folded).to_be_bytes();
            frame[24..26].copy_from_slice(&[high, low]);
        }
        Some([0x86, 0xdd]) => {
            frame[14] = 0x60 | (46 << 2 >> 4);
            frame[15] = (46 << 2 & 0x0f) << 4 | frame[15] & 0x0f;
        }
        _ => {}
    }
}
