//! Addresses and blocks of addresses, read as leniently as Go's older parser reads them and judged as strictly as the
//! server judges them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::At;
use crate::status::Cause;

const NO_IP: &str = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
const NO_CIDR: &str = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";

/// An address, also one whose numbers begin with zeros.
pub(in crate::admission) fn parse(text: &str) -> Option<IpAddr> {
    if let Ok(ip) = text.parse() {
        return Some(ip);
    }
    if text.contains(':') {
        let (head, tail) = text.rsplit_once(':')?;
        return format!("{head}:{}", bare(tail)?).parse().ok();
    }
    bare(text)?.parse().ok()
}

/// Four numbers without the zeros that they begin with.
fn bare(text: &str) -> Option<String> {
    let octets: Vec<&str> = text.split('.').collect();
    let digits = |o: &&str| !o.is_empty() && o.bytes().all(|b| b.is_ascii_digit());
    if octets.len() != 4 || !octets.iter().all(digits) {
        return None;
    }
    let octet = |o: &&str| match o.trim_start_matches('0') {
        "" => "0".to_owned(),
        rest => rest.to_owned(),
    };
    Some(octets.iter().map(octet).collect::<Vec<_>>().join("."))
}

/// An IPv4 address that is written as one of IPv6 is the IPv4 address.
fn plain(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(ip, IpAddr::V4),
        v4 => v4,
    }
}

fn is_mapped(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some())
}

pub(in crate::admission) fn is_v6(text: &str) -> bool {
    parse(text).is_some_and(|ip| plain(ip).is_ipv6())
}

pub(super) fn is_v4(text: &str) -> bool {
    parse(text).is_some_and(|ip| plain(ip).is_ipv4())
}

/// An address in a field that is older than strict rules: what was there before is not judged again.
pub(super) fn address(path: &str, text: &str, known: &[&str], causes: &mut Vec<Cause>) -> bool {
    if known.contains(&text) {
        return true;
    }
    let Some(ip) = parse(text) else {
        causes.push(Cause::invalid(path, &text.into(), NO_IP));
        return false;
    };
    let found = causes.len();
    if text.parse::<IpAddr>().is_err() {
        causes.push(Cause::invalid(path, &text.into(), "must not have leading 0s"));
    } else if is_mapped(ip) {
        causes.push(Cause::invalid(path, &text.into(), "must not be an IPv4-mapped IPv6 address"));
    }
    causes.len() == found
}

/// An address in a newer field, which has one form only.
pub(super) fn canonical_address(path: &str, text: &str, causes: &mut Vec<Cause>) -> bool {
    if !address(path, text, &[], causes) {
        return false;
    }
    let form = parse(text).map(|ip| ip.to_string()).unwrap_or_default();
    if form != text {
        causes.push(Cause::invalid(path, &text.into(), format!("must be in canonical form ({form:?})")));
    }
    form == text
}

/// An address that something can listen on and others can reach.
pub(super) fn endpoint(path: &str, text: &str, causes: &mut Vec<Cause>) {
    let Some(ip) = parse(text).map(plain) else {
        causes.push(Cause::invalid(path, &text.into(), "must be a valid IP address"));
        return;
    };
    let multicast = match ip {
        IpAddr::V4(v4) => v4.octets()[..3] == [224, 0, 0],
        IpAddr::V6(v6) => v6.segments()[0] & 0xff0f == 0xff02,
    };
    let local = match ip {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    for (wrong, detail) in [
        (ip.is_unspecified(), format!("may not be unspecified ({text})")),
        (ip.is_loopback(), "may not be in the loopback range (127.0.0.0/8, ::1/128)".to_owned()),
        (local, "may not be in the link-local range (169.254.0.0/16, fe80::/10)".to_owned()),
        (multicast, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)".to_owned()),
    ] {
        if wrong {
            causes.push(Cause::invalid(path, &text.into(), detail));
        }
    }
}

/// What is odd about an address that is accepted.
pub(in crate::admission) fn warning(path: &str, text: &str) -> Option<String> {
    let ip = parse(text)?;
    if text.parse::<IpAddr>().is_err() || is_mapped(ip) {
        return Some(format!("{path}: non-standard IP address {text:?} is invalid: use \"{}\"", plain(ip)));
    }
    (ip.is_ipv6() && ip.to_string() != text)
        .then(|| format!("{path}: IPv6 address {text:?} should be in RFC 5952 canonical format (\"{ip}\")"))
}

/// A block of addresses.
#[derive(Debug, Clone, Copy)]
pub(in crate::admission) struct Block {
    /// As it is written, with what stands behind the prefix.
    ip: IpAddr,
    first: IpAddr,
    bits: u32,
}

impl Block {
    pub(in crate::admission) fn parse(text: &str) -> Option<Self> {
        let (ip, bits) = text.split_once('/')?;
        let ip = parse(ip)?;
        let number = !bits.is_empty() && bits.len() < 9 && bits.bytes().all(|b| b.is_ascii_digit());
        let bits: u32 = bits.parse().ok().filter(|_| number)?;
        let most = if ip.is_ipv4() { 32 } else { 128 };
        (bits <= most).then(|| Self { ip, first: masked(ip, bits), bits })
    }

    fn contains(&self, ip: IpAddr) -> bool {
        self.first.is_ipv4() == ip.is_ipv4() && masked(ip, self.bits) == self.first
    }
}

impl std::fmt::Display for Block {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.first, self.bits)
    }
}

fn masked(ip: IpAddr, bits: u32) -> IpAddr {
    match ip {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & mask))
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & mask))
        }
    }
}

/// A block in a field that is older than strict rules: what was there before is not judged again.
pub(super) fn block(path: &str, text: &str, known: &[&str], causes: &mut Vec<Cause>) {
    if known.contains(&text) {
        return;
    }
    let detail = match Block::parse(text) {
        None => NO_CIDR,
        Some(_) if zeros(text) => "must not have leading 0s in IP or prefix length",
        Some(block) if is_mapped(block.ip) => "must not have an IPv4-mapped IPv6 address",
        Some(block) if block.ip != block.first => "must not have bits set beyond the prefix length",
        Some(_) => return,
    };
    causes.push(Cause::invalid(path, &text.into(), detail));
}

/// Whether a number in a block begins with zeros.
fn zeros(text: &str) -> bool {
    let (ip, bits) = text.split_once('/').unwrap_or((text, ""));
    ip.parse::<IpAddr>().is_err() || (bits.len() > 1 && bits.starts_with('0'))
}

/// What is odd about a block that is accepted.
pub(in crate::admission) fn block_warnings(path: &str, text: &str) -> Vec<String> {
    let Some(block) = Block::parse(text) else { return Vec::new() };
    let mut out = Vec::new();
    if block.ip != block.first {
        let most = if block.ip.is_ipv4() { 32 } else { 128 };
        out.push(format!(
            "{path}: CIDR value {text:?} is ambiguous in this context (should be \"{block}\" or \"{}/{most}\"?)",
            block.ip
        ));
    }
    if zeros(text) || is_mapped(block.ip) {
        out.push(format!("{path}: non-standard CIDR value {text:?} is invalid: use \"{block}\""));
    }
    if out.is_empty() && block.ip.is_ipv6() && block.to_string() != text {
        out.push(format!("{path}: IPv6 CIDR value {text:?} should be in RFC 5952 canonical format (\"{block}\")"));
    }
    out
}

/// A block and what is left out of it.
pub(super) fn except(at: &At<'_>, known: &[&str], causes: &mut Vec<Cause>) {
    let cidr = at.field("cidr");
    if cidr.text().is_empty() {
        cidr.required("", causes);
        return;
    }
    block(&cidr.path, cidr.text(), known, causes);
    let Some(outer) = Block::parse(cidr.text()) else { return };
    for hole in at.field("except").items() {
        block(&hole.path, hole.text(), known, causes);
        let Some(inner) = Block::parse(hole.text()) else { continue };
        if !outer.contains(inner.first) || outer.bits >= inner.bits {
            causes.push(Cause::invalid(hole.path.clone(), &hole.text().into(), "must be a strict subset of `cidr`"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_go_reads_them() {
        for (text, expected) in [
            ("10.0.0.1", Some("10.0.0.1")),
            ("010.000.0.1", Some("10.0.0.1")),
            ("::ffff:010.0.0.1", Some("::ffff:10.0.0.1")),
            ("2001:DB8::1", Some("2001:db8::1")),
            ("10.0.0", None),
            ("10.0.0.256", None),
            ("other", None),
            ("", None),
        ] {
            assert_eq!(parse(text).map(|ip| ip.to_string()).as_deref(), expected, "{text}");
        }
        for (text, complaints) in
            [("10.0.0.0/8", 0), ("10.0.0.1/8", 1), ("10.0.0.0/33", 1), ("10.0.0.0/08", 1), ("::/0", 0), ("x", 1)]
        {
            let mut causes = Vec::new();
            block("p", text, &[], &mut causes);
            assert_eq!(causes.len(), complaints, "{text}");
        }
    }
}
