//! Reads the text form of a frame, word by word. Leaves what the words mean on the wire to `frame`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use super::error::FrameSpecError;
use super::{
    ArpOperation, DhcpKind, Dhcpv6Kind, FrameSpec, ICMP_NAMES, ICMP6_NAMES, NeighborKind,
    PortProtocol, SpecContent,
};
use crate::MacAddress;
use crate::build::TcpFlags;

const KINDS: &str = "tcp, udp, udplite, sctp, dccp, icmp, icmp6, ip, arp, rarp, ns, na, rs, ra, dhcp, dhcpv6, ether";

impl FromStr for FrameSpec {
    type Err = FrameSpecError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut reader = Reader::new(text);
        let mut spec = FrameSpec::from(reader.content()?);
        while let Some(word) = reader.next() {
            let hint = "after a frame stand `mac SRC > DST`, `vlan N` and `fragment N`, each once";
            let repeated = match word.text {
                "mac" => spec
                    .macs
                    .replace(reader.pair("a MAC address like 52:54:00:00:00:01")?)
                    .is_some(),
                "vlan" => spec.vlan.replace(reader.number("vlan", 4095)?).is_some(),
                "fragment" => {
                    if spec.content.family().is_none() {
                        return Err(word.wrong("only IP packets have fragments", "leave it out"));
                    }
                    spec.fragment
                        .replace(reader.number("fragment", 8191)?)
                        .is_some()
                }
                other => return Err(word.wrong(format!("`{other}` does not belong here"), hint)),
            };
            if repeated {
                return Err(word.wrong(format!("`{}` stands here again", word.text), hint));
            }
        }
        Ok(spec)
    }
}

/// One word and the column it begins in.
#[derive(Debug, Clone, Copy)]
struct Word<'a> {
    text: &'a str,
    column: usize,
}

impl Word<'_> {
    fn wrong(&self, problem: impl Into<String>, hint: impl Into<String>) -> FrameSpecError {
        FrameSpecError {
            column: self.column,
            problem: problem.into(),
            hint: hint.into(),
        }
    }
}

struct Reader<'a> {
    words: std::iter::Peekable<std::vec::IntoIter<Word<'a>>>,
    end: usize,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Self {
        let mut words = Vec::new();
        let mut column = 1;
        for piece in text.split_inclusive(char::is_whitespace) {
            let word = piece.trim_end();
            if !word.is_empty() {
                words.push(Word { text: word, column });
            }
            column += piece.chars().count();
        }
        Self {
            words: words.into_iter().peekable(),
            end: column,
        }
    }

    fn next(&mut self) -> Option<Word<'a>> {
        self.words.next()
    }

    fn expect(&mut self, what: &str) -> Result<Word<'a>, FrameSpecError> {
        self.next().ok_or_else(|| FrameSpecError {
            column: self.end,
            problem: "the text ends here".to_owned(),
            hint: format!("write {what}"),
        })
    }

    /// Takes the next word if it is this one.
    fn take(&mut self, text: &str) -> bool {
        self.words.next_if(|word| word.text == text).is_some()
    }

    fn value<T: FromStr>(&mut self, what: &str) -> Result<T, FrameSpecError> {
        let word = self.expect(what)?;
        word.text.parse().map_err(|_| {
            word.wrong(
                format!("`{}` is not {what}", word.text),
                format!("write {what}"),
            )
        })
    }

    /// `A > B`.
    fn pair<T: FromStr>(&mut self, what: &str) -> Result<(T, T), FrameSpecError> {
        let source = self.value(what)?;
        let word = self.expect("`>` and where the frame goes")?;
        if word.text != ">" {
            return Err(word.wrong(
                format!("`{}` stands where `>` should", word.text),
                "write `SOURCE > DESTINATION` with spaces around `>`",
            ));
        }
        Ok((source, self.value(what)?))
    }

    /// `A > B` where the next word is the beginning of it.
    fn pair_if_any<T: FromStr>(&mut self, what: &str) -> Result<Option<(T, T)>, FrameSpecError> {
        match self.words.peek() {
            Some(word) if !matches!(word.text, "mac" | "vlan" | "fragment") => {
                self.pair(what).map(Some)
            }
            _ => Ok(None),
        }
    }

    fn number(&mut self, name: &str, greatest: u16) -> Result<u16, FrameSpecError> {
        let hint = format!("a number from 0 to {greatest} after `{name}`");
        let word = self.expect(&hint)?;
        number(word.text)
            .filter(|number| *number <= greatest)
            .ok_or_else(|| {
                word.wrong(
                    format!("`{}` is not {hint}", word.text),
                    format!("write {hint}"),
                )
            })
    }

    fn byte(&mut self, name: &str) -> Result<u8, FrameSpecError> {
        // The range is checked; the conversion cannot change it.
        Ok(u8::try_from(self.number(name, 255)?).unwrap_or(u8::MAX))
    }

    /// A word out of a list.
    fn one_of<T>(
        &mut self,
        what: &str,
        words: &str,
        find: impl Fn(&str) -> Option<T>,
    ) -> Result<T, FrameSpecError> {
        let hint = format!("one of {words}");
        let word = self.expect(&hint)?;
        find(word.text).ok_or_else(|| word.wrong(format!("`{}` is no {what}", word.text), hint))
    }

    fn content(&mut self) -> Result<SpecContent, FrameSpecError> {
        let word = self.expect(&format!("a kind of frame first: {KINDS}"))?;
        if let Some(protocol) = PortProtocol::from_word(word.text) {
            let (source, destination) = self.sockets()?;
            return Ok(SpecContent::Ports {
                protocol,
                source,
                destination,
            });
        }
        if let Some(kind) = NeighborKind::from_word(word.text) {
            return self.neighbor(kind);
        }
        match word.text {
            "tcp" => self.tcp(),
            "icmp" => {
                let (source, destination) = self.pair::<Ipv4Addr>(IPV4)?;
                let (kind, code) = self.icmp_message(&ICMP_NAMES, 8)?;
                Ok(SpecContent::Icmp {
                    source,
                    destination,
                    kind,
                    code,
                })
            }
            "icmp6" => {
                let (source, destination) = self.pair::<Ipv6Addr>(IPV6)?;
                let (kind, code) = self.icmp_message(&ICMP6_NAMES, 128)?;
                Ok(SpecContent::Icmp6 {
                    source,
                    destination,
                    kind,
                    code,
                })
            }
            "ip" => self.ip(),
            "arp" => self.arp(""),
            "rarp" => self.arp("reverse-"),
            "dhcp" => Ok(SpecContent::Dhcp {
                kind: self.one_of(
                    "DHCP message",
                    &all(DhcpKind::ALL, DhcpKind::word),
                    DhcpKind::from_word,
                )?,
                addresses: self.pair_if_any(IPV4)?,
            }),
            "dhcpv6" => Ok(SpecContent::Dhcpv6 {
                kind: self.one_of(
                    "DHCPv6 message",
                    &all(Dhcpv6Kind::ALL, Dhcpv6Kind::word),
                    Dhcpv6Kind::from_word,
                )?,
                addresses: self.pair_if_any(IPV6)?,
            }),
            "ether" => Ok(SpecContent::Ether {
                ether_type: self.number("ether", u16::MAX)?,
            }),
            other => Err(word.wrong(
                format!("`{other}` is no kind of frame"),
                format!("begin with one of {KINDS}"),
            )),
        }
    }

    fn sockets(&mut self) -> Result<(SocketAddr, SocketAddr), FrameSpecError> {
        let what = "an address with a port, like 10.0.0.5:80 or [2001:db8::5]:80";
        let place = self.words.peek().copied();
        let (source, destination) = self.pair::<SocketAddr>(what)?;
        same_family(place, source.ip(), destination.ip())?;
        Ok((source, destination))
    }

    fn tcp(&mut self) -> Result<SpecContent, FrameSpecError> {
        let (source, destination) = self.sockets()?;
        let mut flags = TcpFlags::SYN;
        if self.take("flags") {
            let names: Vec<&str> = TcpFlags::NAMES.iter().map(|(name, _)| *name).collect();
            let words = format!("{} (several with commas between), none", names.join(", "));
            flags = self.one_of("list of TCP flags", &words, tcp_flags)?;
        }
        Ok(SpecContent::Tcp {
            source,
            destination,
            flags,
        })
    }

    fn ip(&mut self) -> Result<SpecContent, FrameSpecError> {
        let word = self.expect("`proto N` after `ip`")?;
        if word.text != "proto" {
            return Err(word.wrong(
                format!("`{}` stands where `proto` should", word.text),
                "write `ip proto 47 10.0.0.5 > 10.0.0.9`",
            ));
        }
        let protocol = self.byte("proto")?;
        let place = self.words.peek().copied();
        let (source, destination) = self.pair::<IpAddr>("an IP address")?;
        same_family(place, source, destination)?;
        Ok(SpecContent::Ip {
            protocol,
            source,
            destination,
        })
    }

    fn arp(&mut self, prefix: &str) -> Result<SpecContent, FrameSpecError> {
        let operation = self.one_of("operation", "request, reply", |word| {
            ArpOperation::from_word(&format!("{prefix}{word}"))
        })?;
        let (source, destination) = self.pair(IPV4)?;
        let sender = self.optional("sender", "a MAC address")?;
        Ok(SpecContent::Arp {
            operation,
            source,
            destination,
            sender,
        })
    }

    fn neighbor(&mut self, kind: NeighborKind) -> Result<SpecContent, FrameSpecError> {
        let source = self.value(IPV6)?;
        let target = if kind.has_target() {
            let word = self.expect("`target` and the address it is about")?;
            if word.text != "target" {
                return Err(word.wrong(
                    format!("`{}` stands where `target` should", word.text),
                    format!("write `{} {source} target ADDRESS`", kind.word()),
                ));
            }
            Some(self.value(IPV6)?)
        } else {
            None
        };
        let link_layer = self.optional::<MacAddress>("link-layer", "a MAC address")?;
        Ok(SpecContent::Neighbor {
            kind,
            source,
            target,
            link_layer,
        })
    }

    fn optional<T: FromStr>(
        &mut self,
        name: &str,
        what: &str,
    ) -> Result<Option<T>, FrameSpecError> {
        if self.take(name) {
            self.value(what).map(Some)
        } else {
            Ok(None)
        }
    }

    /// A message's name, or `type N code N`, or nothing for the usual one.
    fn icmp_message(
        &mut self,
        names: &[(&str, u8)],
        usual: u8,
    ) -> Result<(u8, u8), FrameSpecError> {
        for (name, kind) in names {
            if self.take(name) {
                return Ok((*kind, 0));
            }
        }
        if !self.take("type") {
            return Ok((usual, 0));
        }
        let kind = self.byte("type")?;
        let code = if self.take("code") {
            self.byte("code")?
        } else {
            0
        };
        Ok((kind, code))
    }
}

const IPV4: &str = "an IPv4 address";
const IPV6: &str = "an IPv6 address";

fn all<T: Copy>(each: &[T], word: impl Fn(T) -> &'static str) -> String {
    let words: Vec<&str> = each.iter().map(|each| word(*each)).collect();
    words.join(", ")
}

/// Decimal, or hexadecimal after `0x`.
fn number(text: &str) -> Option<u16> {
    let (digits, radix) = match text.strip_prefix("0x") {
        Some(digits) => (digits, 16),
        None => (text, 10),
    };
    // from_str_radix takes a sign, which a number here has not.
    if !digits.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    u16::from_str_radix(digits, radix).ok()
}

fn tcp_flags(text: &str) -> Option<TcpFlags> {
    if text == "none" {
        return Some(TcpFlags::default());
    }
    text.split(',')
        .try_fold(TcpFlags::default(), |flags, word| {
            let (_, flag) = TcpFlags::NAMES
                .into_iter()
                .find(|(name, _)| *name == word)?;
            Some(flags | flag)
        })
}

fn same_family(
    place: Option<Word<'_>>,
    source: IpAddr,
    destination: IpAddr,
) -> Result<(), FrameSpecError> {
    if source.is_ipv4() == destination.is_ipv4() {
        return Ok(());
    }
    Err(FrameSpecError {
        column: place.map_or(1, |word| word.column),
        problem: format!("{source} and {destination} are of two IP versions"),
        hint: "write both as IPv4 or both as IPv6".to_owned(),
    })
}
