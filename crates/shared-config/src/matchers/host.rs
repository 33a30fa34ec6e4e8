use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use thiserror::Error;
use url::{Host, Url};

/// An entry of `capabilities.network.allowlist`: `api.example.com`, `*.example.com` (any depth beneath it, not
/// `example.com` itself), `*`, each with an optional scheme and port (`http://localhost:3000`, `localhost:*`).
///
/// Without a scheme it is `https`; without a port it is the scheme's own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostPattern {
    scheme: Scheme,
    host: HostMatch,
    port: PortMatch,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Scheme {
    Http,
    Https,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum HostMatch {
    Any,
    Beneath(String),
    Name(String),
    Address(IpAddr),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum PortMatch {
    Any,
    One(u16),
}

/// A text that is no host pattern.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{text}` is no host: {problem}")]
pub struct InvalidHostPattern {
    /// The text as it was written.
    pub text: String,
    /// What is wrong with it.
    pub problem: &'static str,
}

impl Scheme {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    const fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl FromStr for HostPattern {
    type Err = InvalidHostPattern;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = |problem| InvalidHostPattern { text: text.to_owned(), problem };
        let (scheme, rest) = match text.split_once("://") {
            Some(("https", rest)) => (Scheme::Https, rest),
            Some(("http", rest)) => (Scheme::Http, rest),
            Some(_) => return Err(invalid("only http and https are known")),
            None => (Scheme::Https, text),
        };
        if rest.contains(['/', '?', '#']) {
            return Err(invalid("a path cannot be allowed by itself, only a whole host"));
        }
        if rest.contains('@') {
            return Err(invalid("a user name does not belong here"));
        }
        // The last colon, unless it is inside the brackets of an IPv6 address
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (rest, None),
        };
        let port = match port {
            None => PortMatch::One(scheme.port()),
            Some("*") => PortMatch::Any,
            Some(port) => PortMatch::One(port.parse().map_err(|_| invalid("the port is no number from 0 to 65535"))?),
        };
        let host = match host {
            "*" => HostMatch::Any,
            host => match host.strip_prefix("*.") {
                Some(parent) => match parse_host(parent) {
                    Some(Host::Domain(parent)) => HostMatch::Beneath(parent),
                    _ => return Err(invalid("`*.` must stand before a domain name")),
                },
                None => match parse_host(host) {
                    Some(Host::Domain(name)) => HostMatch::Name(name),
                    Some(Host::Ipv4(ip)) => HostMatch::Address(ip.into()),
                    Some(Host::Ipv6(ip)) => HostMatch::Address(ip.into()),
                    None if host.contains('*') => return Err(invalid("`*` may only be the whole first label")),
                    None => return Err(invalid("neither a domain name nor an address")),
                },
            },
        };
        Ok(Self { scheme, host, port })
    }
}

/// Normalised as the URL standard does: lower case, punycode, no dot at the end, numbers such as `0x7f.1` as addresses.
fn parse_host(text: &str) -> Option<Host> {
    if text.contains('*') {
        return None;
    }
    match Host::parse(text.strip_suffix('.').unwrap_or(text)).ok()? {
        // An empty label is none that resolves; and without its last one such a name would be another
        Host::Domain(name) if name.split('.').any(str::is_empty) => None,
        host => Some(host),
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.scheme != Scheme::Https {
            write!(f, "{}://", self.scheme.as_str())?;
        }
        match &self.host {
            HostMatch::Any => f.write_str("*")?,
            HostMatch::Beneath(parent) => write!(f, "*.{parent}")?,
            HostMatch::Name(name) => f.write_str(name)?,
            HostMatch::Address(IpAddr::V4(ip)) => write!(f, "{ip}")?,
            HostMatch::Address(IpAddr::V6(ip)) => write!(f, "[{ip}]")?,
        }
        match self.port {
            PortMatch::Any => f.write_str(":*"),
            PortMatch::One(port) if port == self.scheme.port() => Ok(()),
            PortMatch::One(port) => write!(f, ":{port}"),
        }
    }
}

impl HostPattern {
    /// Whether a request to `url` is covered. The address behind the name is another question.
    pub fn matches(&self, url: &Url) -> bool {
        let Some(host) = url.host() else { return false };
        self.is_way_of(url) && self.host.matches(&host.to_owned())
    }

    /// Whether scheme and port are those of `url`.
    fn is_way_of(&self, url: &Url) -> bool {
        url.scheme() == self.scheme.as_str()
            && match self.port {
                PortMatch::Any => true,
                PortMatch::One(port) => url.port_or_known_default() == Some(port),
            }
    }

    /// Whether all that `other` covers is covered by this one too. A wildcard does not cover what names a private address,
    /// since it opens none itself.
    pub fn covers(&self, other: &Self) -> bool {
        self.scheme == other.scheme
            && (self.port == PortMatch::Any || self.port == other.port)
            && match (&self.host, &other.host) {
                (ours, theirs) if ours == theirs => true,
                (HostMatch::Any, theirs) => !theirs.opens_private(),
                (HostMatch::Beneath(parent), HostMatch::Name(name) | HostMatch::Beneath(name)) => {
                    is_beneath(name, parent) && !other.host.opens_private()
                }
                _ => false,
            }
    }

    /// What both cover, if anything.
    pub(crate) fn intersection(&self, other: &Self) -> Option<Self> {
        let (host, port) = (
            [(&self.host, &other.host), (&other.host, &self.host)].into_iter().find_map(|(narrow, wide)| {
                let any = |host: &HostMatch| Self { scheme: Scheme::Https, host: host.clone(), port: PortMatch::Any };
                any(wide).covers(&any(narrow)).then(|| narrow.clone())
            })?,
            match (self.port, other.port) {
                (PortMatch::Any, port) | (port, PortMatch::Any) => port,
                (ours, theirs) if ours == theirs => ours,
                _ => return None,
            },
        );
        (self.scheme == other.scheme).then_some(Self { scheme: self.scheme, host, port })
    }

    /// Whether it names the address that a request to `url` would connect to, which is the only thing that opens a private
    /// one: an address itself, or `localhost` for the loopback addresses, with the scheme and port of the request. A name
    /// whose owner may point it anywhere opens none.
    fn names(&self, url: &Url, ip: IpAddr) -> bool {
        self.is_way_of(url)
            && match &self.host {
                HostMatch::Address(named) => unmapped(*named) == unmapped(ip),
                HostMatch::Name(name) => unmapped(ip).is_loopback() && is_localhost(name),
                HostMatch::Any | HostMatch::Beneath(_) => false,
            }
    }
}

impl HostMatch {
    fn matches(&self, host: &Host) -> bool {
        match (self, host) {
            (Self::Any, _) => true,
            (Self::Beneath(parent), Host::Domain(name)) => is_beneath(without_dot(name), parent),
            (Self::Name(wanted), Host::Domain(name)) => without_dot(name) == wanted,
            (Self::Address(wanted), Host::Ipv4(ip)) => *wanted == IpAddr::V4(*ip),
            (Self::Address(wanted), Host::Ipv6(ip)) => *wanted == IpAddr::V6(*ip),
            _ => false,
        }
    }

    /// Whether it opens an address that is not public.
    fn opens_private(&self) -> bool {
        match self {
            Self::Address(ip) => !is_public_address(*ip),
            Self::Name(name) => is_localhost(name),
            Self::Any | Self::Beneath(_) => false,
        }
    }
}

/// RFC 6761: the name and all beneath it are the machine itself.
fn is_localhost(name: &str) -> bool {
    name == "localhost" || name.ends_with(".localhost")
}

fn without_dot(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

fn is_beneath(name: &str, parent: &str) -> bool {
    name.strip_suffix(parent).and_then(|labels| labels.strip_suffix('.')).is_some_and(|labels| !labels.is_empty())
}

/// An IPv4 address that is written as an IPv6 one is what it reaches.
fn unmapped(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(ip, IpAddr::V4),
        IpAddr::V4(_) => ip,
    }
}

/// Whether an address is one of the public internet: not private, loopback, link-local, shared, documentation,
/// benchmarking, multicast, reserved, nor an IPv6 address that carries such an IPv4 one. From IANA's registries of
/// special-purpose addresses (RFC 6890). Where clouds tell a machine about itself is not public either, wherever it is.
pub fn is_public_address(ip: IpAddr) -> bool {
    match unmapped(ip) {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    !(a == 0
        || ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_documentation()
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (18..20).contains(&b))
        // What a virtual machine of Azure asks about itself, although the address is a public one
        || ip.octets() == [168, 63, 129, 16]
        || a >= 224)
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    let [a, b, c, d, e, f, g, h] = ip.segments();
    let v4 = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match (a, b) {
        // NAT64 and 6to4 carry an IPv4 address
        (0x64, 0xff9b) => [c, d, e, f] == [0; 4] && is_public_v4(v4(g, h)),
        (0x2002, _) => is_public_v4(v4(b, c)),
        // Teredo, benchmarking, ORCHID and the rest of the protocol assignments; documentation
        (0x2001, 0..0x200 | 0xdb8) | (0x3fff, 0..0x1000) => false,
        _ => (0x2000..0x4000).contains(&a),
    }
}

pub(crate) fn is_url_allowed(allowlist: &[String], url: &Url) -> bool {
    allowlist.iter().filter_map(|text| text.parse::<HostPattern>().ok()).any(|pattern| pattern.matches(url))
}

/// Whether the address that the host of `url` was resolved to may be connected to: the URL is allowed, and the address is
/// public or named itself.
pub(crate) fn is_address_allowed(allowlist: &[String], url: &Url, ip: IpAddr) -> bool {
    let patterns = allowlist.iter().filter_map(|text| text.parse::<HostPattern>().ok()).collect::<Vec<_>>();
    patterns.iter().any(|pattern| pattern.matches(url))
        && (is_public_address(ip) || patterns.iter().any(|pattern| pattern.names(url, ip)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn matches_hosts_ports_and_schemes() {
        let check = |pattern: &str, url: &str, expected: bool| {
            let pattern: HostPattern = pattern.parse().unwrap();
            assert_eq!(pattern.matches(&Url::parse(url).unwrap()), expected, "{pattern} on {url}");
        };
        check("api.example.com", "https://api.example.com/v1?q", true);
        check("api.example.com", "https://API.EXAMPLE.COM./", true);
        check("api.example.com", "http://api.example.com/", false);
        check("api.example.com", "https://api.example.com:8443/", false);
        check("api.example.com", "https://api.example.com:443/", true);
        check("api.example.com", "https://api.example.com@evil.test/", false);
        check("api.example.com", "https://evil.test/api.example.com", false);
        check("api.example.com", "https://xapi.example.com/", false);
        check("*.example.com", "https://a.example.com/", true);
        check("*.example.com", "https://a.b.example.com/", true);
        check("*.example.com", "https://example.com/", false);
        check("*.example.com", "https://evilexample.com/", false);
        check("http://localhost:3000", "http://localhost:3000/", true);
        check("http://localhost:3000", "http://localhost:3001/", false);
        check("http://localhost:*", "http://localhost:3001/", true);
        check("127.0.0.1:8443", "https://0x7f.1:8443/", true);
        check("[::1]", "https://[::1]/", true);
        check("[::1]:81", "https://[::1]:81/", true);
        check("*", "https://anything.test/", true);
        check("*", "http://anything.test/", false);
        check("bücher.example", "https://xn--bcher-kva.example/", true);
        check("*", "file:///etc/passwd", false);
        check("example.com", "https://example.com../", false);
        check("*.example.com", "https://a.example.com./", true);
        check("*.example.com", "https://a.example.com%2eevil.test/", false);
        check("*.example.com", "https://.example.com/", false);
        check("*.xn--bcher-kva.example", "https://a.BÜCHER.example/", true);
        check("example.com", "https://ｅxample。com/", true);
        check("apple.com", "https://аpple.com/", false);
        check("[::1]", "https://[0:0::0001]/", true);
        check("127.0.0.1", "https://2130706433/", true);
        check("127.0.0.1", "https://0177.0.0.1/", true);
        check("127.0.0.1", "https://[::ffff:7f00:1]/", false);
    }

    #[test]
    fn refuses_what_is_no_host() {
        for text in [
            "",
            "ftp://a.test",
            "a.test/path",
            "user@a.test",
            "a.*.test",
            "*a.test",
            "a.test:x",
            "*.1.2.3.4",
            "a b",
            "a..",
            "a..test",
            "*.a..",
        ] {
            assert!(text.parse::<HostPattern>().is_err(), "{text}");
        }
    }

    #[test]
    fn knows_public_addresses() {
        let public = ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"];
        let closed = [
            "0.0.0.0",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "192.168.1.1",
            "168.63.129.16",
            "100.100.100.200",
            "192.0.0.192",
            "fd00:ec2::254",
            "64:ff9b:1::101:101",
            "::ffff:0:1.1.1.1",
            "2002:a9fe:a9fe::",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "fc00::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001::1",
            "2001:db8::1",
            "::127.0.0.1",
        ];
        for ip in public {
            assert!(is_public_address(ip.parse().unwrap()), "{ip}");
        }
        for ip in closed {
            assert!(!is_public_address(ip.parse().unwrap()), "{ip}");
        }
    }

    #[test]
    fn opens_a_private_address_only_if_it_is_named() {
        let check = |allowlist: &[&str], url: &str, ip: &str, expected: bool| {
            let allowlist = allowlist.iter().map(ToString::to_string).collect::<Vec<_>>();
            let found = is_address_allowed(&allowlist, &Url::parse(url).unwrap(), ip.parse().unwrap());
            assert_eq!(found, expected, "{allowlist:?} on {url} at {ip}");
        };
        check(&["example.com"], "https://example.com", "1.1.1.1", true);
        check(&["example.com"], "https://EXAMPLE.com.", "1.1.1.1", true);
        check(&["example.com"], "https://evil.test", "1.1.1.1", false);
        check(&[], "https://example.com", "1.1.1.1", false);
        check(&["example.com"], "https://example.com", "127.0.0.1", false);
        check(&["*"], "https://example.com", "10.0.0.1", false);
        check(&["*"], "https://10.0.0.1", "10.0.0.1", false);
        check(&["10.0.0.1"], "https://10.0.0.1", "10.0.0.1", true);
        check(&["10.0.0.1"], "https://10.0.0.1", "::ffff:10.0.0.1", true);
        check(&["10.0.0.1"], "https://10.0.0.2", "10.0.0.2", false);
        check(&["wiki.corp", "10.0.0.1"], "https://wiki.corp", "10.0.0.1", true);
        check(&["wiki.corp"], "https://wiki.corp", "10.0.0.1", false);
        check(&["http://localhost:3000"], "http://localhost:3000", "127.0.0.1", true);
        check(&["localhost"], "https://localhost", "::1", true);
        check(&["localhost"], "https://localhost", "10.0.0.1", false);
        check(&["[::1]"], "https://[::1]", "::1", true);
        // Who names one door of an address opens no other one
        check(&["http://wiki.corp", "http://10.0.0.1:3000"], "http://wiki.corp", "10.0.0.1", false);
        check(&["http://wiki.corp:*", "http://10.0.0.1:3000"], "http://wiki.corp:3000", "10.0.0.1", true);
        check(&["http://wiki.corp", "10.0.0.1"], "http://wiki.corp", "10.0.0.1", false);
    }

    /// Hosts and addresses near the edges of what is public.
    fn addresses() -> impl Strategy<Value = IpAddr> {
        let v4 = prop_oneof![any::<u32>(), Just(0x7f00_0001), Just(0x0a00_0001), Just(0xa9fe_a9fe), Just(0x6464_64c8)];
        prop_oneof![
            v4.clone().prop_map(|bits| IpAddr::V4(bits.into())),
            v4.clone().prop_map(|bits| IpAddr::V6(Ipv4Addr::from(bits).to_ipv6_mapped())),
            v4.clone().prop_map(|bits| IpAddr::V6((0x64_ff9b_u128 << 96 | u128::from(bits)).into())),
            v4.prop_map(|bits| IpAddr::V6((0x2002_u128 << 112 | u128::from(bits) << 80).into())),
            any::<u128>().prop_map(|bits| IpAddr::V6(bits.into())),
        ]
    }

    fn patterns() -> impl Strategy<Value = String> {
        let host = prop_oneof![
            Just("*".to_owned()),
            Just("*.a.test".to_owned()),
            Just("a.test".to_owned()),
            Just("localhost".to_owned()),
            addresses().prop_map(|ip| if ip.is_ipv4() { ip.to_string() } else { format!("[{ip}]") }),
        ];
        let scheme = prop::sample::select(vec!["", "http://", "https://"]);
        let port = prop::sample::select(vec!["", ":80", ":443", ":3000", ":*"]);
        (scheme, host, port).prop_map(|(scheme, host, port)| format!("{scheme}{host}{port}"))
    }

    /// Forms in which people have hidden hosts: text around and in them, numbers, escapes, other scripts.
    fn urls() -> impl Strategy<Value = String> {
        let host = prop_oneof![
            "[a-z0-9.@:%#?/\\\\_-]{0,12}(a\\.test|evil\\.test|localhost|127\\.1)[a-z0-9.@:%#?/\\\\_-]{0,12}",
            "(0x)?[0-9a-f]{1,8}(\\.(0x)?[0-7]{1,3}){0,3}",
            "[aａɑ]\\.(test|ｔest)[.。]{0,2}",
            addresses().prop_map(|ip| if ip.is_ipv4() { ip.to_string() } else { format!("[{ip}]") }),
        ];
        let scheme = prop::sample::select(vec!["http:", "https:", "HTTPS:", "https:/", "file:", "https:\\\\"]);
        let slashes = prop::sample::select(vec!["//", "///", "", "/\\"]);
        let port = prop::sample::select(vec!["", ":80", ":443", ":3000", ":0443"]);
        (scheme, slashes, host, port)
            .prop_map(|(scheme, slashes, host, port)| format!("{scheme}{slashes}{host}{port}/path"))
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

        #[test]
        fn no_address_that_is_not_public_is_reached_without_an_entry_of_its_own(
            allowlist in prop::collection::vec(patterns(), 0..4),
            url in urls(),
            ip in addresses(),
        ) {
            let Ok(url) = Url::parse(&url) else { return Ok(()) };
            // A URL that is an address leads nowhere else
            let ip = match url.host() {
                Some(Host::Ipv4(ip)) => ip.into(),
                Some(Host::Ipv6(ip)) => ip.into(),
                _ => ip,
            };
            if is_address_allowed(&allowlist, &url, ip) && !is_public_address(ip) {
                let own = if ip.is_loopback() || unmapped(ip).is_loopback() { Some("localhost") } else { None };
                let is_named = allowlist.iter().any(|entry| {
                    let host = entry.rsplit_once("://").map_or(entry.as_str(), |(_, rest)| rest);
                    own.is_some_and(|own| host.split(':').next() == Some(own))
                        || entry.parse::<HostPattern>().is_ok_and(
                            |pattern| matches!(pattern.host, HostMatch::Address(named) if unmapped(named) == unmapped(ip)),
                        )
                });
                prop_assert!(is_named, "{allowlist:?} on {url} at {ip}");
            }
        }

        #[test]
        fn no_host_outside_matches(url in urls(), more in prop::sample::select(vec!["a.test", "*.a.test"])) {
            let Ok(url) = Url::parse(&url) else { return Ok(()) };
            if more.parse::<HostPattern>().unwrap().matches(&url) {
                // Said in the plainest words, on the host that a client is told to connect to
                let host = url.host_str().unwrap().trim_end_matches('.');
                let is_inside = if more == "a.test" { host == more } else { host.ends_with(".a.test") };
                prop_assert!(is_inside && url.scheme() == "https" && url.port().is_none(), "{more} on {url}");
            }
        }

        #[test]
        fn what_is_public_does_not_depend_on_how_it_is_written(bits: u32) {
            let v4 = Ipv4Addr::from(bits);
            let public = is_public_address(v4.into());
            for written in [
                format!("::ffff:{v4}"), format!("64:ff9b::{v4}"), format!("2002:{:x}:{:x}::", bits >> 16, bits & 0xffff),
            ] {
                prop_assert_eq!(is_public_address(written.parse().unwrap()), public, "{}", written);
            }
            for url in [format!("https://{bits}"), format!("https://0x{bits:x}"), format!("https://0{bits:o}")] {
                let url = Url::parse(&url).unwrap();
                prop_assert_eq!(url.host_str().unwrap(), v4.to_string());
            }
        }
    }

    #[test]
    fn intersects() {
        let check = |a: &str, b: &str, expected: Option<&str>| {
            let (a, b): (HostPattern, HostPattern) = (a.parse().unwrap(), b.parse().unwrap());
            assert_eq!(a.intersection(&b).map(|both| both.to_string()).as_deref(), expected, "{a} and {b}");
            assert_eq!(b.intersection(&a), a.intersection(&b));
        };
        check("a.test", "*.test", Some("a.test"));
        check("*.a.test", "*.test", Some("*.a.test"));
        check("*", "b.test", Some("b.test"));
        check("a.test:*", "*.test:8443", Some("a.test:8443"));
        check("http://a.test", "a.test", None);
        check("a.test", "b.test", None);
        check("*.a.test", "*.b.test", None);
        check("*", "*", Some("*"));
        check("a.test:1", "a.test:2", None);
        check("*", "1.1.1.1", Some("1.1.1.1"));
        // Only who names a private address opens it
        check("*", "127.0.0.1", None);
        check("*", "169.254.169.254", None);
        check("*", "localhost", None);
        check("*.localhost", "a.localhost", None);
        check("127.0.0.1", "127.0.0.1", Some("127.0.0.1"));
    }
}
