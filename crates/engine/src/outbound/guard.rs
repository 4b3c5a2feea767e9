//! Where requests may go: public addresses, and what a connection allows beside them.
//!
//! What is checked is the address that is connected to. A name is resolved here, once for each
//! connection that is made, and only addresses that passed are handed on; so a name that answers
//! otherwise the second time gains nothing. An address written into a URL is checked as the number
//! it is, however it is spelled.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Addresses at which clouds hand out credentials to whoever asks. No range allows them, only an
/// entry that is the address itself.
const METADATA: [IpAddr; 8] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 23)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
];

/// Ranges of IPv4 that are not the public internet, and what they are.
const SPECIAL_V4: &[(Ipv4Addr, u8, Place)] = &[
    (Ipv4Addr::new(0, 0, 0, 0), 8, Place::Never("an unspecified address")),
    (Ipv4Addr::new(10, 0, 0, 0), 8, Place::Near("a private address")),
    (Ipv4Addr::new(100, 64, 0, 0), 10, Place::Near("an address shared within a network")),
    (Ipv4Addr::new(127, 0, 0, 0), 8, Place::Near("a loopback address")),
    (Ipv4Addr::new(169, 254, 0, 0), 16, Place::Near("a link-local address")),
    (Ipv4Addr::new(172, 16, 0, 0), 12, Place::Near("a private address")),
    (Ipv4Addr::new(192, 0, 0, 0), 24, Place::Never("a reserved address")),
    (Ipv4Addr::new(192, 0, 2, 0), 24, Place::Never("an address of documentation")),
    (Ipv4Addr::new(192, 88, 99, 0), 24, Place::Never("a reserved address")),
    (Ipv4Addr::new(192, 168, 0, 0), 16, Place::Near("a private address")),
    (Ipv4Addr::new(198, 18, 0, 0), 15, Place::Near("an address for benchmarks")),
    (Ipv4Addr::new(198, 51, 100, 0), 24, Place::Never("an address of documentation")),
    (Ipv4Addr::new(203, 0, 113, 0), 24, Place::Never("an address of documentation")),
    (Ipv4Addr::new(224, 0, 0, 0), 4, Place::Never("a multicast address")),
    (Ipv4Addr::new(255, 255, 255, 255), 32, Place::Never("a broadcast address")),
    (Ipv4Addr::new(240, 0, 0, 0), 4, Place::Never("a reserved address")),
];

/// The same for IPv6. Whatever is in none of them and not in 2000::/3 is reserved.
const SPECIAL_V6: &[(Ipv6Addr, u8, Place)] = &[
    (Ipv6Addr::UNSPECIFIED, 128, Place::Never("an unspecified address")),
    (Ipv6Addr::LOCALHOST, 128, Place::Near("a loopback address")),
    (Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48, Place::Near("a private address")),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7, Place::Near("a private address")),
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10, Place::Near("a link-local address")),
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10, Place::Near("a private address")),
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8, Place::Never("a multicast address")),
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 32, Place::Never("a tunnel's address")),
    (
        Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0),
        32,
        Place::Never("an address of documentation"),
    ),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20, Place::Never("an address of documentation")),
];

/// What an address is, where it is not a public one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Some machine near this one: a person may have meant it.
    Near(&'static str),
    /// Nothing a service is at, or what hands out credentials.
    Never(&'static str),
}

impl Place {
    fn word(self) -> &'static str {
        match self {
            Self::Near(word) | Self::Never(word) => word,
        }
    }
}

/// What an address is; `None` for a public one.
fn place(ip: IpAddr) -> Option<Place> {
    if METADATA.contains(&ip) {
        return Some(Place::Never("an address of cloud metadata"));
    }
    match ip {
        IpAddr::V4(ip) => {
            let found = SPECIAL_V4.iter().find(|(base, bits, _)| {
                within(u128::from(ip.to_bits()), u128::from(base.to_bits()), *bits, 32)
            });
            found.map(|(.., place)| *place)
        }
        IpAddr::V6(ip) => {
            let found = SPECIAL_V6
                .iter()
                .find(|(base, bits, _)| within(ip.to_bits(), base.to_bits(), *bits, 128));
            let public = ip.segments()[0] & 0xe000 == 0x2000;
            let reserved = (!public).then_some(Place::Never("a reserved address"));
            found.map(|(.., place)| *place).or(reserved)
        }
    }
}

fn within(ip: u128, base: u128, bits: u8, width: u8) -> bool {
    let shift = u32::from(width - bits);
    shift >= 128 || (ip ^ base) >> shift == 0
}

/// The address that is reached in the end: IPv6 has several forms around an address of IPv4.
fn inner(ip: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = ip else { return ip };
    if let Some(v4) = v6.to_ipv4_mapped() {
        return IpAddr::V4(v4);
    }
    let parts = v6.segments();
    let v4 = |high: u16, low: u16| {
        IpAddr::V4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
    };
    match parts {
        // NAT64 and the older form without the ffff; `::` and `::1` are themselves.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => v4(high, low),
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => v4(high, low),
        [0, 0, 0, 0, 0xffff, 0, high, low] => v4(high, low),
        // 6to4.
        [0x2002, high, low, ..] => v4(high, low),
        _ => ip,
    }
}

/// What a connection may reach beside public addresses: a range, an address or a name, the last
/// two perhaps at one port only.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Allow {
    what: What,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum What {
    Range(IpAddr, u8),
    Name(String),
}

impl Allow {
    /// Reads `10.0.0.0/8`, `127.0.0.1`, `[::1]:8080`, `localhost` or `db.internal:5432`.
    ///
    /// # Errors
    /// Why it is none of these.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let text = text.trim();
        if let Some((base, bits)) = text.split_once('/') {
            let base: IpAddr = base.parse().map_err(|_| "it is no range of addresses")?;
            let width = if base.is_ipv4() { 32 } else { 128 };
            let bits: u8 = bits.parse().map_err(|_| "it is no range of addresses")?;
            if bits > width {
                return Err("the range has more bits than an address");
            }
            if !bounds(base, bits) {
                return Err("the address has bits beyond its range");
            }
            return Ok(Self { what: What::Range(base, bits), port: None });
        }
        let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        if let Ok(ip) = bare.parse::<IpAddr>() {
            return Ok(Self::address(ip, None));
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => {
                let port: u16 = port.parse().map_err(|_| "its port is no number below 65536")?;
                (host, Some(port))
            }
            None => (text, None),
        };
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if let Ok(ip) = bare.parse::<IpAddr>() {
            return Ok(Self::address(ip, port));
        }
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if host.is_empty() || host.len() > 253 || !host.bytes().all(fits) {
            return Err("it is no range, address or name");
        }
        if host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
            return Err("it is no address");
        }
        Ok(Self { what: What::Name(bare_name(host)), port })
    }

    fn address(ip: IpAddr, port: Option<u16>) -> Self {
        let ip = inner(ip);
        Self { what: What::Range(ip, if ip.is_ipv4() { 32 } else { 128 }), port }
    }

    fn names(&self, host: &str, port: u16) -> bool {
        let named = matches!(&self.what, What::Name(name) if *name == host);
        named && self.port.is_none_or(|own| own == port)
    }

    fn holds(&self, ip: IpAddr, port: u16) -> bool {
        if self.port.is_some_and(|own| own != port) {
            return false;
        }
        match (&self.what, ip) {
            (What::Range(IpAddr::V4(base), bits), IpAddr::V4(ip)) => {
                within(u128::from(ip.to_bits()), u128::from(base.to_bits()), *bits, 32)
            }
            (What::Range(IpAddr::V6(base), bits), IpAddr::V6(ip)) => {
                within(ip.to_bits(), base.to_bits(), *bits, 128)
            }
            _ => false,
        }
    }

    fn is_exactly(&self, ip: IpAddr) -> bool {
        let width = if ip.is_ipv4() { 32 } else { 128 };
        matches!(&self.what, What::Range(base, bits) if *base == ip && *bits == width)
    }
}

/// Whether no bit of the address lies beyond its range: `10.1.0.0/8` is a slip.
fn bounds(base: IpAddr, bits: u8) -> bool {
    let (value, width) = match base {
        IpAddr::V4(ip) => (u128::from(ip.to_bits()), 32),
        IpAddr::V6(ip) => (ip.to_bits(), 128),
    };
    let free = width - u32::from(bits);
    free == 0 || (free < 128 && value & ((1_u128 << free) - 1) == 0) || value == 0
}

/// A name as it is compared: in lower case, without the dot at its end.
fn bare_name(host: &str) -> String {
    host.trim_end_matches('.').to_ascii_lowercase()
}

/// Which addresses are passed, for requests to one port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Passes {
    allow: Vec<Allow>,
    port: u16,
    /// Whether a machine near this one is meant, by its name or by a person's word.
    near: bool,
}

impl Passes {
    /// What passes on the way to a host. `written` says that a person wrote host and port into the
    /// configuration or a workflow: then a loopback or private address that stands there is meant.
    pub fn new(allow: &[Allow], host: &str, port: u16, written: bool) -> Self {
        let host = bare_name(host);
        let local = host == "localhost" || host.ends_with(".localhost");
        let literal = literal(&host).is_some();
        let near = written && (local || literal);
        let named = allow.iter().any(|allow| allow.names(&host, port));
        // Only what matters here, so that requests with the same bounds share their connections.
        let ranges = allow.iter().filter(|allow| allow.port.is_none_or(|own| own == port));
        let ranges = ranges.filter(|allow| matches!(allow.what, What::Range(..)));
        let allow: Vec<Allow> =
            ranges.map(|allow| Allow { what: allow.what.clone(), port: None }).collect();
        Self { port, near: near || named, allow }
    }

    /// Whether these are the bounds of everybody.
    pub fn is_strict(&self) -> bool {
        self.allow.is_empty() && !self.near
    }

    /// Whether connections made within one are within the other.
    pub fn same(&self, other: &Self) -> bool {
        self.allow == other.allow && self.near == other.near
    }

    /// Whether an address passes.
    pub fn check(&self, host: &str, ip: IpAddr) -> Result<(), Blocked> {
        let ip = inner(ip);
        let Some(place) = place(ip) else { return Ok(()) };
        let allowed = match METADATA.contains(&ip) {
            true => self.allow.iter().any(|allow| allow.is_exactly(ip)),
            false => self.allow.iter().any(|allow| allow.holds(ip, self.port)),
        };
        if allowed || (self.near && matches!(place, Place::Near(_))) {
            return Ok(());
        }
        Err(Blocked { host: host.to_owned(), ip, word: place.word() })
    }
}

/// The address that a host of a URL is, if it is one and no name.
pub(super) fn literal(host: &str) -> Option<IpAddr> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    bare.parse().ok()
}

/// An address that does not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Blocked {
    host: String,
    /// The address.
    pub ip: IpAddr,
    word: &'static str,
}

impl fmt::Display for Blocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, ip, word } = self;
        match literal(host).is_some_and(|of| inner(of) == *ip) {
            true => write!(f, "{ip} is {word}"),
            false => write!(f, "`{host}` is at {ip}, {word}"),
        }
    }
}

impl std::error::Error for Blocked {}

/// The addresses of a name that pass.
///
/// # Errors
/// It cannot be resolved, or none of its addresses passes.
pub(super) async fn resolve(
    host: &str,
    passes: &Passes,
) -> Result<Vec<SocketAddr>, Box<dyn std::error::Error + Send + Sync>> {
    let found: Vec<SocketAddr> = match literal(host) {
        Some(ip) => vec![SocketAddr::new(ip, passes.port)],
        None => tokio::net::lookup_host((host, passes.port)).await?.collect(),
    };
    let mut blocked = None;
    let mut passed = Vec::new();
    for address in found {
        match passes.check(host, address.ip()) {
            Ok(()) => passed.push(address),
            Err(found) => blocked = Some(found),
        }
    }
    match blocked {
        Some(blocked) if passed.is_empty() => Err(blocked.into()),
        _ => Ok(passed),
    }
}

/// Resolves names for one client.
#[derive(Debug)]
pub(super) struct Resolver(pub Arc<Passes>);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let passes = Arc::clone(&self.0);
        Box::pin(async move {
            // The port of the URL takes the place of 0.
            let found = resolve(name.as_str(), &passes).await?;
            let found = found.into_iter().map(|address| SocketAddr::new(address.ip(), 0));
            Ok(Box::new(found.collect::<Vec<_>>().into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(allow: &[&str], host: &str, port: u16, written: bool) -> bool {
        let allow: Vec<Allow> = allow.iter().map(|text| Allow::parse(text).unwrap()).collect();
        let passes = Passes::new(&allow, host, port, written);
        passes.check(host, literal(host).unwrap_or(IpAddr::from([10, 1, 2, 3]))).is_ok()
    }

    #[test]
    fn public_addresses_pass_and_no_others() {
        for public in [
            "1.1.1.1",
            "8.8.8.8",
            "172.15.0.1",
            "172.32.0.1",
            "100.63.255.255",
            "100.128.0.1",
            "169.253.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "64:ff9b::808:808",
            "::ffff:8.8.8.8",
            "2002:808:808::1",
        ] {
            assert!(passes(&[], public, 443, false), "{public}");
        }
        for blocked in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.0.1",
            "169.254.1.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "203.0.113.9",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "100.100.100.200",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "::ffff:0:10.0.0.1",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2002:a9fe:a9fe::",
            "2001::1",
            "2001:db8::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "3fff::1",
            "100::1",
            "5f00::1",
            "4000::1",
        ] {
            assert!(!passes(&[], blocked, 443, false), "{blocked}");
        }
    }

    #[test]
    fn what_is_listed_passes_at_its_port() {
        for (allow, host, port, passing) in [
            (&["10.0.0.0/8"][..], "10.9.9.9", 80, true),
            (&["10.0.0.0/8"], "11.0.0.1", 80, true),
            (&["10.0.0.0/8"], "192.168.0.1", 80, false),
            (&["10.0.0.0/8"], "::ffff:10.0.0.1", 80, true),
            (&["127.0.0.1"], "127.0.0.1", 80, true),
            (&["127.0.0.1"], "127.0.0.2", 80, false),
            (&["127.0.0.1:8080"], "127.0.0.1", 8080, true),
            (&["127.0.0.1:8080"], "127.0.0.1", 8081, false),
            (&["[::1]:8080"], "[::1]", 8080, true),
            (&["::1"], "::1", 1, true),
            (&["fd00::/8"], "fd12::1", 1, true),
            // A name at 10.1.2.3.
            (&["db.internal"], "db.internal", 5432, true),
            (&["db.internal"], "DB.internal.", 5432, true),
            (&["db.internal:5432"], "db.internal", 80, false),
            (&["db.internal"], "other.internal", 80, false),
            (&["10.1.0.0/16"], "any.internal", 80, true),
            // Metadata is allowed by its own address only.
            (&["169.254.0.0/16"], "169.254.169.254", 80, false),
            (&["169.254.169.254"], "169.254.169.254", 80, true),
            (&["0.0.0.0/0", "::/0"], "fd00:ec2::254", 80, false),
            (&["0.0.0.0/0"], "169.254.1.1", 80, true),
        ] {
            assert_eq!(passes(allow, host, port, false), passing, "{allow:?} {host}:{port}");
        }
    }

    #[test]
    fn what_a_person_wrote_down_is_meant_where_it_is_a_machine_near() {
        for (host, passing) in [
            ("127.0.0.1", true),
            ("[::1]", true),
            ("192.168.1.7", true),
            ("localhost", true),
            ("app.localhost", true),
            ("169.254.169.254", false),
            ("0.0.0.0", false),
            ("224.0.0.1", false),
            // A name may be anybody's.
            ("db.internal", false),
        ] {
            assert_eq!(passes(&[], host, 80, true), passing, "{host}");
            assert!(!passes(&[], host, 80, false), "{host}");
        }
    }

    #[test]
    fn what_is_no_entry_is_refused() {
        for text in [
            "",
            "10.0.0.0/33",
            "10.1.0.0/8",
            "a/8",
            "10.0.0/8",
            "*",
            "*.internal",
            "http://a",
            "a:b",
            "a:70000",
            "1.2.3",
            "[::1",
            "::1/129",
        ] {
            assert!(Allow::parse(text).is_err(), "{text}");
        }
    }

    #[tokio::test]
    async fn a_name_is_resolved_to_what_passes() {
        let passes = Passes::new(&[], "localhost", 80, false);
        let error = resolve("localhost", &passes).await.unwrap_err();
        let blocked = error.downcast_ref::<Blocked>().unwrap().to_string();
        assert!(blocked.starts_with("`localhost` is at "), "{blocked}");
        assert!(blocked.ends_with(", a loopback address"), "{blocked}");
        let allow = [Allow::parse("localhost:80").unwrap()];
        let passes = Passes::new(&allow, "localhost", 80, false);
        assert!(!resolve("localhost", &passes).await.unwrap().is_empty());
    }
}
