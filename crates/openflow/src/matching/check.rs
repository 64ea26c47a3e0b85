//! Whether a switch would take a match: widths, masks and what each field needs besides.

use super::{Match, MatchProblem, vlan_tci};
use crate::field::{Field, FieldMatch, Masking, Prerequisite, ct_state};

impl Match {
    /// Finds the first thing for which a switch would refuse the match.
    pub fn check(&self) -> Result<(), MatchProblem> {
        self.fields().try_for_each(|known| self.check_field(known))
    }

    fn check_field(&self, known: &FieldMatch) -> Result<(), MatchProblem> {
        let field = known.field();
        let info = field.info();
        if !known.fits() {
            return Err(MatchProblem::Width {
                field,
                bits: info.bits,
            });
        }
        if info.masking == Masking::Exact && !known.is_exact() {
            return Err(MatchProblem::Mask { field });
        }
        if !self.provides(info.prerequisite, field) {
            return Err(MatchProblem::Prerequisite {
                field,
                needs: info.prerequisite,
            });
        }
        Ok(())
    }

    fn provides(&self, needs: Prerequisite, field: Field) -> bool {
        let eth_type = |wanted: &[u128]| {
            self.exact_value(Field::EthType)
                .is_some_and(|eth| wanted.contains(&eth))
        };
        let ip = || eth_type(&[0x0800, 0x86dd]);
        let protocol = |number| self.exact_value(Field::IpProto) == Some(number);
        // Of a later fragment no ports can be asked for; of ICMP Open vSwitch takes even that.
        let later = self
            .get(Field::IpFrag)
            .is_some_and(|known| known.value() & 2 != 0);
        let transport = |number| ip() && protocol(number) && !later;
        let icmpv6 = || eth_type(&[0x86dd]) && protocol(58);
        let neighbour = |types: &[u128]| {
            icmpv6()
                && self
                    .exact_value(Field::Icmpv6Type)
                    .is_some_and(|kind| types.contains(&kind))
        };
        match needs {
            Prerequisite::Nothing => true,
            Prerequisite::Ethernet => self
                .get(Field::PacketType)
                .is_none_or(|known| known.value() == 0),
            Prerequisite::Vlan => {
                let (value, mask) = vlan_tci(self);
                value & mask & 0x1000 != 0
            }
            Prerequisite::Mpls => eth_type(&[0x8847, 0x8848]),
            Prerequisite::Pbb => eth_type(&[0x88e7]),
            Prerequisite::Ipv4 => eth_type(&[0x0800]),
            Prerequisite::Ipv6 => eth_type(&[0x86dd]),
            Prerequisite::Ip => ip(),
            Prerequisite::Arp => eth_type(&[0x0806, 0x8035]),
            Prerequisite::Tcp => transport(6),
            Prerequisite::Udp => transport(17),
            Prerequisite::Sctp => transport(132),
            Prerequisite::Icmpv4 => eth_type(&[0x0800]) && protocol(1),
            Prerequisite::Icmpv6 => icmpv6(),
            Prerequisite::Nd => neighbour(&[135, 136]),
            Prerequisite::NdSolicit => neighbour(&[135]),
            Prerequisite::NdAdvert => neighbour(&[136]),
            Prerequisite::Nsh => eth_type(&[0x894f]),
            Prerequisite::Ct => {
                self.tracked()
                    && match field {
                        Field::CtNwSrc | Field::CtNwDst => eth_type(&[0x0800]),
                        Field::CtIpv6Src | Field::CtIpv6Dst => eth_type(&[0x86dd]),
                        _ => true,
                    }
            }
        }
    }

    /// Whether the connection tracker knows the connection: tracked, and said to be valid or to be of some state
    /// that only valid ones are of.
    fn tracked(&self) -> bool {
        let of_valid = ct_state::NEW | ct_state::ESTABLISHED | ct_state::RELATED | ct_state::REPLY;
        self.get(Field::CtState).is_some_and(|known| {
            let (value, mask) = (known.value() as u32, known.mask() as u32);
            let valid = mask & ct_state::INVALID != 0 && value & ct_state::INVALID == 0;
            (value & ct_state::TRACKED != 0 && valid) || value & of_valid != 0
        })
    }
}
