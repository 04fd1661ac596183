//! Addresses, networks, and places on the web.

use std::net::IpAddr;

use super::{Row, member, plain, strings::text};
use crate::cel::value::{Fail, Meter, Named, Val, fail};

const IP: &str = "net.IP";
const CIDR: &str = "net.CIDR";
const URL: &str = "kubernetes.URL";

pub(super) const TABLE: &[Row] = &[
    plain("ip", "string", IP, |v, _| match address(text(&v[0])?) {
        Ok(ip) => Ok(Val::named(Named::Ip(ip))),
        Err(e) => fail(e),
    }),
    plain("isIP", "string", "bool", |v, _| Ok(Val::Bool(address(text(&v[0])?).is_ok()))),
    plain("ip.isCanonical", "string", "bool", |v, _| match address(text(&v[0])?) {
        Ok(ip) => Ok(Val::Bool(ip.to_string() == text(&v[0])?)),
        Err(e) => fail(e),
    }),
    plain("string", IP, "string", |v, _| Ok(Val::owned(ip_of(&v[0])?.to_string()))),
    member("family", IP, "int", |v, _| Ok(Val::Int(if ip_of(&v[0])?.is_ipv4() { 4 } else { 6 }))),
    asked("isUnspecified", |v, _| Ok(Val::Bool(ip_of(&v[0])?.is_unspecified()))),
    asked("isLoopback", |v, _| Ok(Val::Bool(ip_of(&v[0])?.is_loopback()))),
    asked("isLinkLocalMulticast", |v, _| Ok(Val::Bool(link_multicast(ip_of(&v[0])?)))),
    asked("isLinkLocalUnicast", |v, _| Ok(Val::Bool(link_unicast(ip_of(&v[0])?)))),
    asked("isGlobalUnicast", |v, _| {
        let ip = ip_of(&v[0])?;
        let broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
        let special = ip.is_unspecified() || ip.is_loopback() || ip.is_multicast() || link_unicast(ip);
        Ok(Val::Bool(!broadcast && !special))
    }),
    plain("cidr", "string", CIDR, |v, _| network(text(&v[0])?).map(|(ip, bits)| Val::named(Named::Cidr(ip, bits)))),
    plain("isCIDR", "string", "bool", |v, _| Ok(Val::Bool(network(text(&v[0])?).is_ok()))),
    plain("string", CIDR, "string", |v, _| {
        let (ip, bits) = cidr_of(&v[0])?;
        Ok(Val::owned(format!("{ip}/{bits}")))
    }),
    member("ip", CIDR, IP, |v, _| Ok(Val::named(Named::Ip(cidr_of(&v[0])?.0)))),
    member("prefixLength", CIDR, "int", |v, _| Ok(Val::Int(i64::from(cidr_of(&v[0])?.1)))),
    member("masked", CIDR, CIDR, |v, _| {
        let (ip, bits) = cidr_of(&v[0])?;
        Ok(Val::named(Named::Cidr(masked(ip, bits), bits)))
    }),
    member("containsIP", "net.CIDR, string", "bool", |v, _| match address(text(&v[1])?) {
        Ok(ip) => Ok(Val::Bool(holds(cidr_of(&v[0])?, ip))),
        Err(e) => fail(e),
    }),
    member("containsIP", "net.CIDR, net.IP", "bool", |v, _| Ok(Val::Bool(holds(cidr_of(&v[0])?, ip_of(&v[1])?)))),
    member("containsCIDR", "net.CIDR, string", "bool", |v, _| {
        Ok(Val::Bool(holds_all(cidr_of(&v[0])?, network(text(&v[1])?)?)))
    }),
    member("containsCIDR", "net.CIDR, net.CIDR", "bool", |v, _| {
        Ok(Val::Bool(holds_all(cidr_of(&v[0])?, cidr_of(&v[1])?)))
    }),
    plain("url", "string", URL, |v, m| match Url::parse(text(&v[0])?, m)? {
        Some(url) => Ok(Val::named(Named::Url(url))),
        None => fail(format!(
            "URL parse error during conversion from string: parse {:?}: invalid URI for request",
            text(&v[0])?
        )),
    }),
    plain("isURL", "string", "bool", |v, m| Ok(Val::Bool(Url::parse(text(&v[0])?, m)?.is_some()))),
    member("getScheme", URL, "string", |v, _| Ok(Val::owned(url_of(&v[0])?.scheme))),
    member("getHost", URL, "string", |v, _| Ok(Val::owned(url_of(&v[0])?.host))),
    member("getHostname", URL, "string", |v, _| Ok(Val::owned(url_of(&v[0])?.host_and_port().0))),
    member("getPort", URL, "string", |v, _| Ok(Val::owned(url_of(&v[0])?.host_and_port().1))),
    member("getEscapedPath", URL, "string", |v, _| Ok(Val::owned(url_of(&v[0])?.path))),
    member("getQuery", URL, "map(string, list(string))", |v, m| {
        let mut map: Vec<(Val<'_>, Val<'_>)> = Vec::new();
        let query = url_of(&v[0])?.query;
        m.touch(query.len())?;
        let mut keys: Vec<(String, Vec<Val<'_>>)> = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            m.spend(keys.len() + 1)?;
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (key, value) = (plain_text(key), Val::owned(plain_text(value)));
            match keys.iter_mut().find(|(known, _)| *known == key) {
                Some((_, values)) => values.push(value),
                None => keys.push((key, vec![value])),
            }
        }
        map.extend(keys.into_iter().map(|(key, values)| (Val::owned(key), Val::list(values))));
        Ok(Val::Map(map.into()))
    }),
];

const fn asked(name: &'static str, run: super::Run) -> Row {
    member(name, IP, "bool", run)
}

/// An address in its plain form: no zone, and version 4 not within version 6.
fn address(text: &str) -> Result<IpAddr, String> {
    let ip: IpAddr = match text.parse() {
        Ok(ip) => ip,
        Err(_) if text.contains('%') => return Err(format!("IP address {text:?} with zone value is not allowed")),
        Err(_) => {
            return Err(format!(
                "IP Address {text:?} parse error during conversion from string: ParseAddr({text:?}): unable to parse IP"
            ));
        }
    };
    match ip {
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => {
            Err(format!("IPv4-mapped IPv6 address {text:?} is not allowed"))
        }
        ip => Ok(ip),
    }
}

fn network(text: &str) -> Result<(IpAddr, u8), Fail> {
    let because = |why: &str| {
        const WHAT: &str = "network address parse error during conversion from string";
        Fail::Text(format!("{WHAT}: {WHAT}: netip.ParsePrefix({text:?}): {why}"))
    };
    let wrong = || because("unable to parse");
    let (ip, bits) = text.split_once('/').ok_or_else(|| because("no '/'"))?;
    let plain = !bits.is_empty() && bits.bytes().all(|b| b.is_ascii_digit()) && (bits == "0" || !bits.starts_with('0'));
    let (ip, bits) = (address(ip).map_err(|_| wrong())?, bits.parse::<u8>().map_err(|_| wrong())?);
    if plain && bits <= width(ip) { Ok((ip, bits)) } else { Err(wrong()) }
}

fn width(ip: IpAddr) -> u8 {
    if ip.is_ipv4() { 32 } else { 128 }
}

fn masked(ip: IpAddr, bits: u8) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits.min(32))).unwrap_or(0);
            IpAddr::V4((u32::from(ip) & mask).into())
        }
        IpAddr::V6(ip) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits.min(128))).unwrap_or(0);
            IpAddr::V6((u128::from(ip) & mask).into())
        }
    }
}

fn holds((net, bits): (IpAddr, u8), ip: IpAddr) -> bool {
    net.is_ipv4() == ip.is_ipv4() && masked(net, bits) == masked(ip, bits)
}

fn holds_all(outer: (IpAddr, u8), (ip, bits): (IpAddr, u8)) -> bool {
    holds(outer, ip) && outer.1 <= bits
}

fn link_unicast(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

fn link_multicast(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.octets()[..3] == [224, 0, 0],
        IpAddr::V6(ip) => ip.segments()[0] & 0xff0f == 0xff02,
    }
}

fn ip_of(value: &Val<'_>) -> Result<IpAddr, Fail> {
    match value {
        Val::Named(named) => match **named {
            Named::Ip(ip) => Ok(ip),
            _ => Err(Fail::Overload),
        },
        _ => Err(Fail::Overload),
    }
}

fn cidr_of(value: &Val<'_>) -> Result<(IpAddr, u8), Fail> {
    match value {
        Val::Named(named) => match **named {
            Named::Cidr(ip, bits) => Ok((ip, bits)),
            _ => Err(Fail::Overload),
        },
        _ => Err(Fail::Overload),
    }
}

fn url_of(value: &Val<'_>) -> Result<Url, Fail> {
    match value {
        Val::Named(named) => match &**named {
            Named::Url(url) => Ok(url.clone()),
            _ => Err(Fail::Overload),
        },
        _ => Err(Fail::Overload),
    }
}

/// The parts of a place: an absolute one, or a path of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Url {
    scheme: String,
    host: String,
    path: String,
    query: String,
}

impl Url {
    fn parse(text: &str, meter: &Meter) -> Result<Option<Self>, Fail> {
        meter.touch(text.len())?;
        Ok(Self::read(text))
    }

    fn read(text: &str) -> Option<Self> {
        if text.is_empty() || text.chars().any(|c| c.is_ascii_control()) {
            return None;
        }
        let (scheme, rest) = match text.split_once(':') {
            _ if text.starts_with('/') => ("", text),
            Some((scheme, rest)) => {
                let plain = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
                let good = scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.chars().all(plain);
                if !good {
                    return None;
                }
                (scheme, rest)
            }
            None => return None,
        };
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (host, path) = match rest.strip_prefix("//") {
            Some(rest) if !scheme.is_empty() => rest.split_at(rest.find('/').unwrap_or(rest.len())),
            _ => ("", rest),
        };
        let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
        let port = match host.strip_prefix('[') {
            Some(inner) => inner.split_once(']')?.1,
            None => host.find(':').map_or("", |at| &host[at..]),
        };
        let good_port =
            port.is_empty() || port.strip_prefix(':').is_some_and(|p| p.bytes().all(|b| b.is_ascii_digit()));
        let good_host = !host.contains([' ', '<', '>', '"', '\\', '^', '`', '{', '|', '}']);
        if !good_port || !good_host || !escapes_are_good(path) || !escapes_are_good(host) {
            return None;
        }
        let path: String = path.chars().map(|c| if c == ' ' { "%20".to_owned() } else { c.to_string() }).collect();
        Some(Self { scheme: scheme.to_ascii_lowercase(), host: host.to_owned(), path, query: query.to_owned() })
    }

    fn host_and_port(&self) -> (&str, &str) {
        match self.host.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
            Some((host, port)) => (host, port.strip_prefix(':').unwrap_or_default()),
            None => self.host.rsplit_once(':').unwrap_or((&self.host, "")),
        }
    }
}

fn escapes_are_good(text: &str) -> bool {
    let mut parts = text.split('%');
    parts.next();
    parts.all(|part| part.len() >= 2 && part.bytes().take(2).all(|b| b.is_ascii_hexdigit()))
}

/// A part of a query without its escapes.
fn plain_text(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut i) = (Vec::with_capacity(bytes.len()), 0);
    while i < bytes.len() {
        let digit = |at: usize| bytes.get(at).and_then(|b| char::from(*b).to_digit(16));
        match (bytes[i], digit(i + 1), digit(i + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
                i += 2;
            }
            (b'+', ..) => out.push(b' '),
            (byte, ..) => out.push(byte),
        }
        i += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}
