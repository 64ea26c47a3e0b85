//! Flows as text, as `ovs-ofctl` reads and prints them.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use frame::MacAddress;

use super::{Action, Bits, Cube, Field, Flow};

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "table={},cookie={:#x},priority={}",
            self.table, self.cookie, self.priority
        )?;
        if self.matching != Cube::any() {
            write!(f, ",{}", self.matching)?;
        }
        f.write_str(",actions=")?;
        actions(f, &self.actions)
    }
}

fn actions(f: &mut fmt::Formatter<'_>, all: &[Action]) -> fmt::Result {
    if all.is_empty() {
        return f.write_str("drop");
    }
    for (number, action) in all.iter().enumerate() {
        if number > 0 {
            f.write_str(",")?;
        }
        write!(f, "{action}")?;
    }
    Ok(())
}

impl fmt::Display for Cube {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (field, value, mask)) in self.iter().enumerate() {
            if number > 0 {
                f.write_str(",")?;
            }
            comparison(f, field, value, mask)?;
        }
        Ok(())
    }
}

fn comparison(f: &mut fmt::Formatter<'_>, field: Field, value: u128, mask: u128) -> fmt::Result {
    let name = name(field);
    let whole = mask == field.mask();
    match field {
        Field::InPort if value == 0xfffe => write!(f, "{name}=LOCAL"),
        Field::IpFragment => {
            let word = match (value, mask) {
                (0, 2) => "not_later",
                (2 | 3, _) => "later",
                (0, _) => "no",
                (1, 3) => "first",
                _ => "yes",
            };
            write!(f, "{name}={word}")
        }
        Field::ConnectionState => {
            write!(f, "{name}=")?;
            for (bit, word) in ["new", "est", "rel", "rpl", "inv", "trk"]
                .iter()
                .enumerate()
            {
                if mask >> bit & 1 == 1 {
                    let sign = if value >> bit & 1 == 1 { '+' } else { '-' };
                    write!(f, "{sign}{word}")?;
                }
            }
            Ok(())
        }
        _ => match field.width() {
            48 => {
                write!(f, "{name}={}", mac(value))?;
                if whole {
                    Ok(())
                } else {
                    write!(f, "/{}", mac(mask))
                }
            }
            128 if field == Field::ConnectionLabel => write!(f, "{name}={value:#x}/{mask:#x}"),
            128 => {
                write!(f, "{name}={}", Ipv6Addr::from(value))?;
                if whole {
                    Ok(())
                } else {
                    write!(f, "/{}", Ipv6Addr::from(mask))
                }
            }
            32 if !matches!(field, Field::Register(_) | Field::ConnectionMark) => {
                write!(f, "{name}={}", ipv4(value))?;
                if whole {
                    Ok(())
                } else {
                    write!(f, "/{}", ipv4(mask))
                }
            }
            _ => {
                if let Field::Register(number) = field {
                    write!(f, "reg{number}=")?;
                } else {
                    write!(f, "{name}=")?;
                }
                match field {
                    Field::EthernetType | Field::VlanTci | Field::TcpFlags | Field::Register(_) => {
                        write!(f, "{value:#x}")?;
                    }
                    _ => write!(f, "{value}")?,
                }
                if whole {
                    Ok(())
                } else {
                    write!(f, "/{mask:#x}")
                }
            }
        },
    }
}

fn name(field: Field) -> &'static str {
    match field {
        Field::InPort => "in_port",
        Field::Register(_) => "reg",
        Field::ConnectionState => "ct_state",
        Field::ConnectionMark => "ct_mark",
        Field::ConnectionLabel => "ct_label",
        Field::EthernetSource => "dl_src",
        Field::EthernetDestination => "dl_dst",
        Field::EthernetType => "dl_type",
        Field::VlanTci => "vlan_tci",
        Field::IpProtocol => "nw_proto",
        Field::IpDscp => "ip_dscp",
        Field::IpTtl => "nw_ttl",
        Field::IpFragment => "nw_frag",
        Field::Ipv4Source => "nw_src",
        Field::Ipv4Destination => "nw_dst",
        Field::Ipv6Source => "ipv6_src",
        Field::Ipv6Destination => "ipv6_dst",
        Field::ArpOperation => "arp_op",
        Field::ArpSenderAddress => "arp_spa",
        Field::ArpTargetAddress => "arp_tpa",
        Field::ArpSenderMac => "arp_sha",
        Field::ArpTargetMac => "arp_tha",
        Field::TransportSource => "tp_src",
        Field::TransportDestination => "tp_dst",
        Field::TcpFlags => "tcp_flags",
        Field::Icmpv4Type => "icmp_type",
        Field::Icmpv4Code => "icmp_code",
        Field::Icmpv6Type => "icmpv6_type",
        Field::Icmpv6Code => "icmpv6_code",
        Field::NdTarget => "nd_target",
        Field::NdSourceMac => "nd_sll",
        Field::NdTargetMac => "nd_tll",
    }
}

/// The name of a whole field as a source of `move`.
fn source(field: Field) -> &'static str {
    match field {
        Field::EthernetType => "NXM_OF_ETH_TYPE[]",
        Field::VlanTci => "NXM_OF_VLAN_TCI[]",
        Field::IpProtocol => "NXM_OF_IP_PROTO[]",
        Field::ArpOperation => "NXM_OF_ARP_OP[]",
        Field::Icmpv6Type => "NXM_NX_ICMPV6_TYPE[]",
        Field::Icmpv6Code => "NXM_NX_ICMPV6_CODE[]",
        Field::Icmpv4Type => "NXM_OF_ICMP_TYPE[]",
        Field::Icmpv4Code => "NXM_OF_ICMP_CODE[]",
        Field::InPort => "NXM_OF_IN_PORT[]",
        other => name(other),
    }
}

impl fmt::Display for Bits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = self.first + self.length.saturating_sub(1);
        write!(f, "NXM_NX_REG{}[{}..{last}]", self.register, self.first)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Output(0xfffe) => f.write_str("output:LOCAL"),
            Self::Output(port) => write!(f, "output:{port}"),
            Self::OutputOne { members, spread } => {
                let way = if *spread { "hrw" } else { "active_backup" };
                let members: Vec<String> = members.iter().map(u16::to_string).collect();
                let members = members.join(",");
                write!(f, "bundle(eth_src,0,{way},ofport,members:{members})")
            }
            Self::Load(bits, value) => write!(f, "load:{value:#x}->{bits}"),
            Self::Read(field, bits) => write!(f, "move:{}->{bits}", source(*field)),
            Self::Copy { from, to } => write!(f, "move:{from}->{to}"),
            Self::WriteTag(bits) => write!(f, "move:{bits}->NXM_OF_VLAN_TCI[]"),
            Self::PushTag => f.write_str("push_vlan:0x8100"),
            Self::StripTag => f.write_str("pop_vlan"),
            Self::Resubmit(table) => write!(f, "resubmit(,{table})"),
            Self::Clone(inner) => {
                f.write_str("clone(")?;
                actions(f, inner)?;
                f.write_str(")")
            }
            Self::Learn(spec) => write!(
                f,
                "learn(table={},priority={},idle_timeout={},cookie={:#x},limit={},\
                 {}={},NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],load:NXM_OF_IN_PORT[]->{})",
                spec.table,
                spec.priority,
                spec.seconds,
                spec.cookie,
                spec.limit,
                spec.domain,
                spec.domain,
                spec.target
            ),
            Self::Track { zone, table } => write!(f, "ct(zone={zone},table={table})"),
            Self::Commit {
                zone,
                sender,
                receiver,
                mark: (first, length, value),
            } => write!(
                f,
                "ct(commit,zone={zone},exec(move:{sender}->NXM_NX_CT_LABEL[0..31],\
                 move:{receiver}->NXM_NX_CT_LABEL[32..63],load:{value:#x}->NXM_NX_CT_MARK[{first}..{}]))",
                first + length - 1
            ),
        }
    }
}

fn mac(value: u128) -> MacAddress {
    let [.., a, b, c, d, e, g] = value.to_be_bytes();
    MacAddress([a, b, c, d, e, g])
}

fn ipv4(value: u128) -> Ipv4Addr {
    let [.., a, b, c, d] = value.to_be_bytes();
    Ipv4Addr::new(a, b, c, d)
}
