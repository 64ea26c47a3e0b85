//! Random declarations for one bridge with six interfaces, and the words that frames should hit.

use std::net::{Ipv4Addr, Ipv6Addr};

use frame::MacAddress;
use frame::random::{Rng, Vocabulary};
use policy::rule::{Field, FieldKind};

use testbed::guest::inside_guest;

use super::draft::Draft;

/// Interfaces of the bridge: four for ports, one that may be an uplink, one that nobody claims.
pub(crate) const INTERFACES: u32 = 6;
const PORTS: usize = 4;
const UPLINK: usize = 4;

pub(crate) const MACS: [&str; 8] = [
    "52:54:00:00:00:01",
    "52:54:00:00:00:02",
    "52:54:00:00:00:03",
    "52:54:00:00:00:04",
    "52:54:00:00:01:07",
    "02:aa:00:00:00:01",
    "0e:00:00:00:00:10",
    "02:bb:00:00:00:02",
];
const IPV4: [&str; 12] = [
    "10.0.0.1",
    "10.0.0.2",
    "10.0.0.3",
    "10.0.0.4",
    "10.0.0.9",
    "10.0.0.8-10.0.0.11",
    "10.0.0.0/24",
    "10.1.0.0/25",
    "10.1.0.7",
    "192.168.1.1-192.168.1.7",
    "172.16.0.1",
    "10.0.0.4/30",
];
const IPV6: [&str; 10] = [
    "2001:db8::1",
    "2001:db8::2",
    "2001:db8::3",
    "2001:db8::9",
    "2001:db8::/64",
    "2001:db8:1::/96",
    "2001:db8::8-2001:db8::b",
    "fd00::1",
    "fe80::5054:ff:fe00:1",
    "ff02::1",
];
const PORT_NUMBERS: [u16; 14] = [
    22, 25, 53, 67, 68, 80, 443, 546, 547, 8000, 8005, 8010, 40000, 65535,
];
const VLANS: [u16; 6] = [5, 99, 100, 105, 110, 4094];
const ETHER_TYPES: [u16; 7] = [0x88cc, 0x8863, 0x8035, 0x9000, 0x0842, 0x0806, 0x0800];
const PROTOCOLS: [u8; 10] = [1, 2, 6, 17, 33, 47, 50, 58, 132, 136];
const GUARDS: [&str; 7] = [
    "mac",
    "ipv4",
    "ipv6",
    "arp",
    "nd",
    "no-dhcp-server",
    "no-router-advertisement",
];
const SERVICES: [&str; 8] = [
    "http", "https", "ssh", "dns", "dhcp", "ping", "smtp", "ours",
];

/// What frames should hit.
pub(crate) fn vocabulary() -> Vocabulary {
    let mac = |text: &&str| text.parse().expect("a MAC");
    let mut macs: Vec<MacAddress> = MACS.iter().map(mac).collect();
    // The bridge's own address and that of one of its interfaces.
    macs.push(MacAddress([0x02, 0xb0, 0, 0, 0, 0]));
    macs.push(MacAddress([0xfe, 0x54, 0, 0, 0, 1]));
    let mut ipv4: Vec<Ipv4Addr> = Vec::new();
    for text in IPV4 {
        let first = text.split(['-', '/']).next().unwrap_or(text);
        ipv4.push(first.parse().expect("an address"));
    }
    let mut ipv6: Vec<Ipv6Addr> = Vec::new();
    for text in IPV6 {
        let first = text.split(['-', '/']).next().unwrap_or(text);
        ipv6.push(first.parse().expect("an address"));
    }
    Vocabulary {
        macs,
        ipv4,
        ipv6,
        ports: PORT_NUMBERS.to_vec(),
        vlans: VLANS.to_vec(),
        ether_types: ETHER_TYPES.to_vec(),
        protocols: PROTOCOLS.to_vec(),
        oversize: false,
    }
}

/// Which connection tracking the profiles ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tracking {
    /// `off`, and `preferred` where that is the same because the kernel does not track.
    Absent,
    /// Any, for a switch that tracks.
    Present,
}

/// A declaration by chance.
pub(crate) fn draft(rng: &mut Rng, tracking: Tracking) -> Draft {
    Generator { rng, tracking }.draft()
}

struct Generator<'a> {
    rng: &'a mut Rng,
    tracking: Tracking,
}

impl Generator<'_> {
    fn chance(&mut self, percent: usize) -> bool {
        self.rng.below(100) < percent
    }

    fn of<'t>(&mut self, choices: &[&'t str]) -> &'t str {
        self.rng.pick_or(choices, "")
    }

    /// A selection of some, in their order.
    fn some(&mut self, choices: &[&str], percent: usize) -> Vec<String> {
        let mut some = Vec::new();
        for choice in choices {
            if self.chance(percent) {
                some.push((*choice).to_owned());
            }
        }
        some
    }

    fn draft(&mut self) -> Draft {
        let mut draft = Draft::default();
        self.host(&mut draft);
        let networks = 1 + self.rng.below(3);
        let isolated: Vec<&str> = (0..networks)
            .map(|number| self.network(&mut draft, number))
            .collect();
        let profiles = 1 + self.rng.below(3);
        for number in 0..profiles {
            self.profile(&mut draft, number, profiles);
        }
        self.ports(&mut draft, &isolated, profiles);
        for number in 0..2 {
            self.group(&mut draft, number);
        }
        let service = self.terms(1).replace("ours", "http");
        draft.add(
            format!("kind: Service\nname: ours\nmatches: ['{service}']"),
            Vec::new(),
        );
        for number in 0..self.rng.below(4) {
            self.policy(&mut draft, number);
        }
        draft
    }

    fn host(&mut self, draft: &mut Draft) {
        let managed = self.chance(70);
        let uplinks = if self.chance(70) {
            format!("vnet{UPLINK}")
        } else {
            String::new()
        };
        draft.add(
            format!("kind: Host\nname: hv-1\npool: eu-1\nbridges: {{br0: {{uplinks: [{uplinks}], managed: {managed}}}}}"),
            Vec::new(),
        );
    }

    fn network(&mut self, draft: &mut Draft, number: usize) -> &'static str {
        let isolation = match self.rng.below(3) {
            0 => "open",
            1 => "members",
            _ => "private",
        };
        let mut head = format!(
            "kind: Network\nname: net-{number}\nbridge: br0\nisolation: {isolation}\nprofiles: [profile-0]"
        );
        let list = |head: &mut String, generator: &mut Self, key: &str| {
            if generator.chance(30) {
                let macs = generator.some(&MACS[4..], 40).join("', '");
                let macs = if macs.is_empty() { MACS[5] } else { &macs };
                head.push_str(&format!("\n{key}: ['{macs}']"));
            }
        };
        list(&mut head, self, "gateways");
        list(&mut head, self, "members");
        if isolation == "private" {
            list(&mut head, self, "promiscuous");
            if self.chance(60) {
                let one = self.of(&["vm-0", "vm-1", "port-2", MACS[4]]);
                head.push_str(&format!("\ncommunities: {{db: ['{one}'], web: [vm-3]}}"));
            } else {
                head.push_str("\ncommunities: {db: [], web: []}");
            }
        }
        if self.chance(20) {
            head.push_str(match self.rng.below(2) {
                0 => "\nmac-prefix: '52:54:00:00:01:00/40'",
                _ => "\nmac-prefix: '52:54:00:00:00:00/41'",
            });
        }
        if self.chance(15) {
            head.push_str("\nmac-filter: true");
        }
        if self.chance(40) {
            head.push_str("\naddresses: [10.0.0.0/24, 2001:db8::/64]");
        }
        draft.add(head, Vec::new());
        isolation
    }

    fn profile(&mut self, draft: &mut Draft, number: usize, all: usize) {
        let mut head = format!("kind: Profile\nname: profile-{number}");
        let stateful = match self.tracking {
            Tracking::Absent if inside_guest() => "off",
            Tracking::Absent => self.of(&["off", "preferred"]),
            Tracking::Present => self.of(&["off", "preferred", "required"]),
        };
        // Includes inherit; the first profile is nobody's part and always says it.
        head.push_str(&format!("\nstateful: {stateful}\nreject: preferred"));
        let density = self.rng.pick(&[0, 30, 60, 100]);
        let guards = self.some(&GUARDS, density).join(", ");
        head.push_str(&format!("\nguards: [{guards}]"));
        let verdicts = ["accept", "accept", "accept", "drop", "reject"];
        if self.chance(85) {
            let (inward, outward) = (self.of(&verdicts), self.of(&verdicts));
            head.push_str(&format!("\ndefault: {{in: {inward}, out: {outward}}}"));
        }
        if number + 1 < all && self.chance(40) {
            head.push_str(&format!("\ninclude: [profile-{}]", number + 1));
        }
        if self.chance(15) {
            head.push_str("\naudit: true");
        }
        if self.chance(25) {
            head.push_str("\ndhcp: off");
        }
        if self.chance(40) {
            let learn = self.learn();
            head.push_str(&format!("\nlearn: {learn}"));
        }
        if self.chance(40) {
            head.push_str(match self.rng.below(4) {
                0 => "\ntagged: [1-4094]",
                1 => "\ntagged: [100-109]",
                2 => "\ntagged: [5, 100, 105-110]",
                _ => "\ntagged: [4094]",
            });
        }
        if self.chance(40) {
            let types = self
                .some(&["0x88cc", "0x8863", "0x9000", "0x8035"], 50)
                .join(", ");
            head.push_str(&format!("\nethertypes: [{types}]"));
        }
        head.push_str("\nvariables: {PEERS: [10.0.0.2, 10.1.0.0/25, '2001:db8::3'], NUMBERS: [80, 443, 8000-8005]}");
        let rules = self.rules(8);
        draft.add(head, vec![("rules", rules)]);
    }

    fn learn(&mut self) -> &'static str {
        self.rng.pick(&[
            "none",
            "first-packet",
            "dhcp",
            "{mode: dhcp, servers: [10.0.0.1, '2001:db8::1', 'fe80::5054:ff:fe00:1']}",
            "{mode: dhcp, servers: [10.0.0.9]}",
            "any",
        ])
    }

    fn ports(&mut self, draft: &mut Draft, networks: &[&str], profiles: usize) {
        for (number, mac) in MACS.into_iter().enumerate().take(PORTS) {
            if self.chance(12) {
                continue;
            }
            let network = self.rng.below(networks.len());
            let mut head = format!(
                "kind: Port\nname: port-{number}\nvm: vm-{number}\ndevice: vnet{number}\nmac: '{mac}'\nnetwork: net-{network}"
            );
            let app = self.of(&["web", "db"]);
            head.push_str(&format!("\nlabels: {{app: {app}}}"));
            let addresses = self.addresses(number);
            head.push_str(&format!("\naddresses: [{addresses}]"));
            if networks.get(network) == Some(&"private") {
                let role = self.of(&["isolated", "promiscuous", "community:db", "community:web"]);
                head.push_str(&format!("\nrole: {role}"));
            }
            if self.chance(85) {
                let profile = self.rng.below(profiles);
                head.push_str(&format!("\nprofiles: [profile-{profile}]"));
            }
            if self.chance(15) {
                let learn = self.learn();
                head.push_str(&format!("\nlearn: {learn}"));
            }
            if self.chance(25) {
                head.push_str("\nvariables: {PEERS: [10.0.0.3, '2001:db8::2']}");
            }
            draft.add(head, Vec::new());
        }
    }

    fn addresses(&mut self, number: usize) -> String {
        let mut addresses = Vec::new();
        if self.chance(80) {
            addresses.push(format!("10.0.0.{}", number + 1));
        }
        if self.chance(15) {
            addresses.push("10.1.0.0/25".to_owned());
        }
        if self.chance(70) {
            addresses.push(format!("'2001:db8::{}'", number + 1));
        }
        if self.chance(15) {
            addresses.push("'2001:db8:1::/96'".to_owned());
        }
        addresses.join(", ")
    }

    fn group(&mut self, draft: &mut Draft, number: usize) {
        let mut head = format!("kind: Group\nname: group-{number}");
        let mut members = self.some(&IPV4, 15);
        members.extend(self.some(&IPV6, 15));
        if self.chance(20) {
            members.push("vm:vm-1".to_owned());
        }
        if self.chance(20) {
            members.push("network:net-0".to_owned());
        }
        if number == 0 && self.chance(20) {
            members.push("@group-1".to_owned());
        }
        let members = members.join("', '");
        if !members.is_empty() {
            head.push_str(&format!("\nmembers: ['{members}']"));
        }
        if self.chance(30) {
            head.push_str("\nselect: {app: web}");
        }
        draft.add(head, Vec::new());
    }

    fn policy(&mut self, draft: &mut Draft, number: usize) {
        let level = self.of(&[
            "everything",
            "{pool: eu-1}",
            "{pool: us-1}",
            "{network: net-0}",
            "{vm: vm-0}",
            "{vm: vm-2}",
            "{port: port-1}",
            "{select: {app: web}}",
            "{select: {app: db}}",
        ]);
        let head = format!("kind: Policy\nname: policy-{number}\nlevel: {level}");
        let (mandatory, rules) = (self.rules(3), self.rules(4));
        draft.add(head, vec![("mandatory", mandatory), ("rules", rules)]);
    }

    fn rules(&mut self, most: usize) -> Vec<String> {
        let number = self.rng.below(most + 1);
        (0..number).map(|_| self.rule()).collect()
    }

    fn rule(&mut self) -> String {
        let verdict = self.of(&["accept", "accept", "drop", "drop", "reject"]);
        let direction = self.of(&["in", "out", "both"]);
        let mut line = format!("{verdict} {direction}");
        if self.chance(85) {
            line.push(' ');
            let more = self.rng.below(3);
            line.push_str(&self.terms(1 + more / 2));
        }
        if self.chance(35) {
            let word = match direction {
                "in" => "from",
                "out" => "to",
                _ => self.of(&["from", "to"]),
            };
            let peers: Vec<String> = (0..=self.rng.below(3)).map(|_| self.peer()).collect();
            line.push_str(&format!(" {word} {}", peers.join(", ")));
        }
        if self.chance(35) {
            for _ in 0..=self.rng.below(2) {
                line.push_str(&self.field());
            }
        }
        if self.chance(6) {
            line.push_str(" log 10/second");
        }
        if self.chance(10) {
            line.push_str(" stateless");
        }
        line
    }

    fn terms(&mut self, number: usize) -> String {
        let terms: Vec<String> = (0..number).map(|_| self.term()).collect();
        terms.join(", ")
    }

    fn term(&mut self) -> String {
        match self.rng.below(16) {
            0..=2 => {
                let service = self.of(&SERVICES);
                service.to_owned()
            }
            3..=6 => {
                let protocol = self.of(&["tcp", "udp", "tcp", "udp", "sctp", "dccp", "udplite"]);
                let ports: Vec<String> = (0..self.rng.below(4)).map(|_| self.port()).collect();
                format!("{protocol} {}", ports.join(", ")).trim().to_owned()
            }
            7 => {
                let types = ["", "echo-request", "3", "3/4", "8, 0", "5, 3/1"];
                format!("icmp {}", self.of(&types)).trim().to_owned()
            }
            8 | 9 => {
                let types = [
                    "",
                    "128",
                    "135",
                    "135, 136",
                    "134",
                    "133, 136/0",
                    "129, 135",
                    "143",
                    "1/4",
                ];
                format!("icmpv6 {}", self.of(&types)).trim().to_owned()
            }
            10 => self.of(&["ip", "ipv4", "ipv6", "ether"]).to_owned(),
            11 => format!("protocol {}", self.rng.pick(&PROTOCOLS)),
            12 => "arp".to_owned(),
            13 => self.of(&["rarp", "stp"]).to_owned(),
            14 => "vlan".to_owned(),
            _ => self.of(&["gre", "esp", "ah", "igmp"]).to_owned(),
        }
    }

    fn port(&mut self) -> String {
        let first = self.rng.pick(&PORT_NUMBERS);
        if self.chance(25) {
            let last = first.saturating_add(self.rng.word() % 20);
            format!("{first}-{last}")
        } else {
            first.to_string()
        }
    }

    fn peer(&mut self) -> String {
        match self.rng.below(12) {
            0..=3 => self.of(&IPV4).to_owned(),
            4..=6 => self.of(&IPV6).to_owned(),
            7 | 8 => self.of(&["@group-0", "@group-1"]).to_owned(),
            9 => self.of(&["network:net-0", "vm:vm-0", "vm:vm-2"]).to_owned(),
            10 => self.of(&["$IP", "$PEERS", "$IPV6"]).to_owned(),
            _ => "any".to_owned(),
        }
    }

    fn field(&mut self) -> String {
        let field = self.rng.pick_or(Field::ALL, Field::IpProtocol);
        let negated = if self.chance(30) { "not " } else { "" };
        let values: Vec<String> = (0..=self.rng.below(3)).map(|_| self.value(field)).collect();
        format!(" with {} {negated}{}", field.name(), values.join(", "))
    }

    fn value(&mut self, field: Field) -> String {
        let most = match field.kind() {
            FieldKind::Mac => {
                return match self.rng.below(6) {
                    0 => "$MAC".to_owned(),
                    1 => "52:54:00:00:00:00/ff:ff:ff:00:00:00".to_owned(),
                    2 => "01:00:00:00:00:00/01:00:00:00:00:00".to_owned(),
                    3 => "ff:ff:ff:ff:ff:ff".to_owned(),
                    _ => self.of(&MACS).to_owned(),
                };
            }
            FieldKind::Address => {
                let arp = matches!(field, Field::ArpSenderAddress | Field::ArpTargetAddress);
                return match self.rng.below(8) {
                    0 => "$IP".to_owned(),
                    1 => "$PEERS".to_owned(),
                    2..=4 if !arp => self.of(&IPV6).to_owned(),
                    _ => self.of(&IPV4).to_owned(),
                };
            }
            FieldKind::Flags => {
                return self
                    .of(&[
                        "syn",
                        "syn+ack/syn",
                        "all/none",
                        "syn+ack+rst+fin/syn",
                        "rst",
                    ])
                    .to_owned();
            }
            FieldKind::Number(most) => most,
        };
        let number = match field {
            Field::EtherType => u64::from(self.rng.pick(&ETHER_TYPES)),
            Field::VlanId => u64::from(self.rng.pick(&VLANS)),
            Field::VlanPriority => self.rng.bits() % 8,
            Field::IpProtocol => u64::from(self.rng.pick(&PROTOCOLS)),
            Field::Dscp => self.rng.pick(&[0, 46, 63, 10]),
            Field::SourcePort | Field::DestinationPort => {
                if self.chance(15) {
                    return "$NUMBERS".to_owned();
                }
                u64::from(self.rng.pick(&PORT_NUMBERS))
            }
            Field::IcmpType => self.rng.pick(&[0, 3, 8, 128, 135, 136]),
            Field::ArpOperation => self.rng.pick(&[1, 2, 3, 9]),
            Field::ArpHardwareType => 1,
            Field::ArpProtocolType => 0x0800,
            _ => self.rng.bits() % 3,
        };
        let last = number.saturating_add(self.rng.bits() % 16).min(most);
        if self.chance(20) && number < last {
            format!("{number}-{last}")
        } else {
            number.min(most).to_string()
        }
    }
}
