//! Addresses, prefixes, MACs, numbers and rates, read strictly: what two readers could take for
//! two different things is refused. Knows single values; leaves their order to `line`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use frame::MacAddress;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::document::{MacPrefix, Rate};
use crate::rule::PortRange;

/// What is wrong in a piece of text, and where in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TextError {
    pub(super) range: Range<usize>,
    pub(super) message: String,
    pub(super) label: String,
    pub(super) expected: Vec<String>,
    pub(super) hint: Option<String>,
}

impl TextError {
    pub(super) fn new(range: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            range,
            message: message.into(),
            label: String::new(),
            expected: Vec::new(),
            hint: None,
        }
    }

    /// About all of `text`.
    pub(super) fn of(text: &str, message: impl Into<String>) -> Self {
        Self::new(0..text.len(), message)
    }

    pub(super) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(super) fn maybe_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint.or(self.hint);
        self
    }

    pub(super) fn expected(mut self, words: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.expected = words.into_iter().map(Into::into).collect();
        self
    }

    /// The same, in a text in which this one starts at `base`.
    pub(super) fn shift(mut self, base: usize) -> Self {
        self.range = self.range.start.saturating_add(base)..self.range.end.saturating_add(base);
        self
    }
}

/// Six groups of two hexadecimal digits with colons.
pub(super) fn mac(text: &str) -> Result<MacAddress, TextError> {
    let wrong = || {
        TextError::of(text, format!("`{text}` is not a MAC address"))
            .expected(["six groups of two hexadecimal digits with colons: 52:54:00:00:00:01"])
    };
    let mut octets = [0_u8; 6];
    let mut groups = text.split(':');
    for octet in &mut octets {
        let group = groups.next().ok_or_else(wrong)?;
        let digits = group.bytes().all(|b| b.is_ascii_hexdigit());
        if group.len() != 2 || !digits {
            let mut error = wrong();
            if let Some(right) = mac_in_another_form(text) {
                error = error.hint(format!("write {right}"));
            }
            return Err(error);
        }
        *octet = u8::from_str_radix(group, 16).map_err(|_| wrong())?;
    }
    if groups.next().is_some() {
        return Err(wrong());
    }
    Ok(MacAddress(octets))
}

/// `52-54-00-…`, `5254.0000.0001` and groups of one digit, in the form that we take.
fn mac_in_another_form(text: &str) -> Option<String> {
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_hexdigit());
    let groups: Vec<String> = match () {
        () if text.matches(['-', ':']).count() == 5 => {
            text.split(['-', ':']).map(|g| format!("{g:0>2}")).collect()
        }
        () if text.len() == 14 && text.matches('.').count() == 2 => {
            let joined = text.replace('.', "");
            (0..12)
                .step_by(2)
                .filter_map(|i| joined.get(i..i + 2).map(str::to_owned))
                .collect()
        }
        () => return None,
    };
    let right = groups.len() == 6 && groups.iter().all(|g| g.len() == 2 && digits(g));
    right.then(|| groups.join(":"))
}

pub(super) fn write_mac(mac: MacAddress) -> String {
    let [a, b, c, d, e, f] = mac.0;
    format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
}

/// `02:00:0a:00:00:00/40`, the other bits zero.
pub(super) fn mac_prefix(text: &str) -> Result<MacPrefix, TextError> {
    let Some((address_text, length_text)) = text.split_once('/') else {
        return Err(TextError::of(text, format!("`{text}` is not a MAC prefix"))
            .expected(["MAC/BITS: 02:00:0a:00:00:00/40"]));
    };
    let base = address_text.len().saturating_add(1);
    let address = mac(address_text)?;
    let length = number(length_text, 48).map_err(|e| e.shift(base))?;
    let mask = mac_prefix_mask(length);
    let masked = masked(address, mask);
    if masked != address {
        return Err(TextError::of(text, "bits after the prefix are set")
            .hint(format!("write {}/{length}", write_mac(masked))));
    }
    Ok(MacPrefix {
        address,
        length: u8::try_from(length).unwrap_or(48),
    })
}

fn mac_prefix_mask(length: u64) -> MacAddress {
    let mut mask = [0_u8; 6];
    for (index, octet) in mask.iter_mut().enumerate() {
        let before = u64::try_from(index).unwrap_or(0).saturating_mul(8);
        let bits = length.saturating_sub(before).min(8);
        *octet = match bits {
            0 => 0,
            bits => 0xff_u8
                .checked_shl(8_u32.saturating_sub(u32::try_from(bits).unwrap_or(8)))
                .unwrap_or(0xff),
        };
    }
    MacAddress(mask)
}

pub(super) fn masked(value: MacAddress, mask: MacAddress) -> MacAddress {
    let mut octets = value.0;
    for (octet, mask) in octets.iter_mut().zip(mask.0) {
        *octet &= mask;
    }
    MacAddress(octets)
}

/// An IPv4 address in four decimal numbers, or an IPv6 address.
pub(super) fn address(text: &str) -> Result<IpAddr, TextError> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(address);
    }
    let error = TextError::of(text, format!("`{text}` is not an IP address"));
    let octets: Vec<&str> = text.split('.').collect();
    let numeric = octets
        .iter()
        .all(|o| !o.is_empty() && o.bytes().all(|b| b.is_ascii_digit()));
    if octets.len() == 4 && numeric && octets.iter().any(|o| o.len() > 1 && o.starts_with('0')) {
        let decimal: Vec<&str> = octets.iter().map(|o| without_zeros(o)).collect();
        return Err(TextError::of(text, "leading zeros in an IPv4 address")
            .label("octal for some, decimal for others")
            .hint(format!("write {}", decimal.join("."))));
    }
    if text.contains('%') {
        return Err(error.hint("leave the zone (`%…`) out"));
    }
    Err(error)
}

fn without_zeros(digits: &str) -> &str {
    match digits.trim_start_matches('0') {
        "" => "0",
        rest => rest,
    }
}

/// An address with a length and no bits after it.
pub(super) fn prefix(text: &str) -> Result<IpNet, TextError> {
    let Some((address_text, length_text)) = text.split_once('/') else {
        return Err(TextError::of(text, format!("`{text}` is not a prefix"))
            .expected(["ADDRESS/LENGTH: 10.0.0.0/24"]));
    };
    let base = address_text.len().saturating_add(1);
    let address = address(address_text)?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    if length_text.contains(['.', ':']) {
        let mask = length_text.parse::<IpAddr>().ok();
        let length = mask.and_then(|m| ipnet::ip_mask_to_prefix(m).ok());
        return Err(TextError::of(text, "a netmask where a length is expected")
            .maybe_hint(length.map(|l| format!("write {address}/{l}"))));
    }
    let length = number(length_text, most).map_err(|e| e.shift(base))?;
    let net = IpNet::new(address, u8::try_from(length).unwrap_or(128))
        .map_err(|_| TextError::of(text, "not a prefix length"))?;
    if net.trunc() != net {
        return Err(
            TextError::of(text, format!("`{text}` has bits set after its length")).hint(format!(
                "write {} for the network, or {address} for the one address",
                net.trunc()
            )),
        );
    }
    Ok(net)
}

/// An address, a prefix or a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Addresses {
    One(IpAddr),
    Prefix(IpNet),
    Range(IpAddr, IpAddr),
}

impl Addresses {
    pub(super) fn parse(text: &str) -> Result<Self, TextError> {
        if text.contains('/') {
            return prefix(text).map(Self::Prefix);
        }
        let Some((first_text, last_text)) = text.split_once('-') else {
            return address(text).map(Self::One);
        };
        let base = first_text.len().saturating_add(1);
        let first = address(first_text)?;
        let last = address(last_text).map_err(|e| e.shift(base))?;
        if first.is_ipv4() != last.is_ipv4() {
            return Err(TextError::of(
                text,
                "a range from one address family to the other",
            ));
        }
        if first > last {
            return Err(TextError::of(text, "the range is the wrong way round")
                .hint(format!("write {last}-{first}")));
        }
        Ok(Self::Range(first, last))
    }

    /// First and last address.
    pub(super) fn bounds(self) -> (IpAddr, IpAddr) {
        match self {
            Self::One(address) => (address, address),
            Self::Prefix(net) => (net.network(), net.broadcast()),
            Self::Range(first, last) => (first, last),
        }
    }
}

/// An interval in its shortest form: address, prefix or range.
pub(super) fn write_addresses(first: IpAddr, last: IpAddr) -> String {
    if first == last {
        return first.to_string();
    }
    match prefix_of(first, last) {
        Some(net) => net.to_string(),
        None => format!("{first}-{last}"),
    }
}

/// The prefix that holds exactly these addresses.
fn prefix_of(first: IpAddr, last: IpAddr) -> Option<IpNet> {
    let (differing, bits) = match (first, last) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (u128::from(u32::from(a) ^ u32::from(b)), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => (u128::from(a) ^ u128::from(b), 128),
        _ => return None,
    };
    let host_bits = 128_u32.saturating_sub(differing.leading_zeros());
    let length = u8::try_from(bits - i64::from(host_bits)).ok()?;
    let net = IpNet::new(first, length).ok()?;
    (net.network() == first && net.broadcast() == last).then_some(net)
}

/// A single address as a prefix of full length, without its length.
pub(super) fn write_net(net: IpNet) -> String {
    if net.prefix_len() == net.max_prefix_len() {
        net.addr().to_string()
    } else {
        net.to_string()
    }
}

/// An address or a prefix, as a prefix.
pub(super) fn net(text: &str) -> Result<IpNet, TextError> {
    if text.contains('/') {
        return prefix(text);
    }
    Ok(match address(text)? {
        IpAddr::V4(a) => IpNet::V4(Ipv4Net::from(Ipv4Addr::from(u32::from(a)))),
        IpAddr::V6(a) => IpNet::V6(Ipv6Net::from(Ipv6Addr::from(u128::from(a)))),
    })
}

/// A decimal number without leading zeros, or a hexadecimal one after `0x`, up to `most`.
pub(super) fn number(text: &str, most: u64) -> Result<u64, TextError> {
    let wrong = |message: String| TextError::of(text, message);
    let value = if let Some(digits) = text.strip_prefix("0x") {
        let fits = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
        fits.then(|| u64::from_str_radix(digits, 16).ok())
    } else {
        let fits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if fits && text.len() > 1 && text.starts_with('0') {
            return Err(wrong(format!("`{text}` has leading zeros"))
                .label("octal for some, decimal for others")
                .hint(format!("write {}", without_zeros(text))));
        }
        fits.then(|| text.parse().ok())
    };
    match value {
        None => Err(wrong(format!("`{text}` is not a number"))),
        Some(Some(value)) if value <= most => Ok(value),
        Some(_) => Err(wrong(format!("{text} is too large")).label(format!("at most {most}"))),
    }
}

/// A number or a range of numbers, both ends included.
pub(super) fn numbers(text: &str, most: u64) -> Result<(u64, u64), TextError> {
    let Some((first_text, last_text)) = text.split_once('-') else {
        return number(text, most).map(|n| (n, n));
    };
    let base = first_text.len().saturating_add(1);
    let first = number(first_text, most)?;
    let last = number(last_text, most).map_err(|e| e.shift(base))?;
    if first > last {
        return Err(TextError::of(text, "the range is the wrong way round")
            .hint(format!("write {last_text}-{first_text}")));
    }
    Ok((first, last))
}

pub(super) fn write_numbers(first: u64, last: u64) -> String {
    if first == last {
        first.to_string()
    } else {
        format!("{first}-{last}")
    }
}

/// A port or a range of ports, 1–65535.
pub(super) fn ports(text: &str) -> Result<PortRange, TextError> {
    let (first, last) = numbers(text, 0xffff)?;
    if first == 0 {
        return Err(TextError::of(text, "port 0 does not exist").label("1 to 65535"));
    }
    match (u16::try_from(first), u16::try_from(last)) {
        (Ok(first), Ok(last)) => Ok(PortRange { first, last }),
        _ => Err(TextError::of(text, "not a port").label("1 to 65535")),
    }
}

/// VLAN ids, 1–4094.
pub(super) fn vlans(text: &str) -> Result<(u16, u16), TextError> {
    let wrong = || TextError::of(text, "VLAN ids go from 1 to 4094");
    let (first, last) = numbers(text, u64::MAX)?;
    match (u16::try_from(first), u16::try_from(last)) {
        (Ok(first @ 1..=4094), Ok(last @ 1..=4094)) => Ok((first, last)),
        _ => Err(wrong()),
    }
}

const BIT_UNITS: &[(&str, u64)] = &[
    ("tbit", 1_000_000_000_000),
    ("gbit", 1_000_000_000),
    ("mbit", 1_000_000),
    ("kbit", 1_000),
    ("bit", 1),
];

/// `100mbit`, `200pps`.
pub(super) fn rate(text: &str) -> Result<Rate, TextError> {
    let wrong = || {
        TextError::of(text, format!("`{text}` is not a rate"))
            .expected(["a number with bit, kbit, mbit, gbit, tbit or pps: 100mbit, 200pps"])
    };
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (count_text, unit) = text.split_at_checked(digits).ok_or_else(wrong)?;
    if count_text.is_empty() {
        return Err(wrong());
    }
    let count = number(count_text, u64::MAX)?;
    if count == 0 {
        return Err(TextError::of(text, "a rate of nothing")
            .hint("to stop all traffic, use a rule or `default`"));
    }
    if unit == "pps" {
        return Ok(Rate::FramesPerSecond(count));
    }
    let Some((_, factor)) = BIT_UNITS.iter().find(|(name, _)| *name == unit) else {
        let hint = unit
            .to_lowercase()
            .contains("byte")
            .then_some("rates are in bits: 1mbyte is 8mbit");
        return Err(wrong().maybe_hint(hint.map(str::to_owned)));
    };
    let bits = count.checked_mul(*factor);
    bits.map(Rate::BitsPerSecond)
        .ok_or_else(|| TextError::of(text, "more than can be counted"))
}

pub(super) fn write_rate(rate: Rate) -> String {
    match rate {
        Rate::FramesPerSecond(frames) => format!("{frames}pps"),
        Rate::BitsPerSecond(bits) => {
            let whole = BIT_UNITS
                .iter()
                .find(|(_, factor)| bits != 0 && bits % factor == 0);
            let (unit, factor) = whole.copied().unwrap_or(("bit", 1));
            format!("{}{unit}", bits / factor)
        }
    }
}
