//! An allowlist entry, a URL and an address that its name resolves to, a line each.

use std::net::IpAddr;
use std::path::Path;

use mimir_shared_config::{Access, Capabilities, HostPattern, Network, is_public_address};
use url::{Host, Url};

/// An address that is not public is reached only by an entry without a wildcard, and an entry is one host.
pub(crate) fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut lines = text.splitn(3, '\n');
    let (Some(entry), Some(url)) = (lines.next(), lines.next()) else { return };
    let ip = lines.next().and_then(|line| line.trim().parse::<IpAddr>().ok());

    let pattern = entry.parse::<HostPattern>();
    if let Ok(pattern) = &pattern {
        let shown = pattern.to_string();
        assert_eq!(shown.parse().as_ref(), Ok(pattern), "{entry:?} is shown as {shown:?}");
        assert!(pattern.covers(pattern), "{shown} does not cover itself");
    }
    let network = Network { enabled: true, allowlist: vec![entry.to_owned()] };
    let capabilities = Capabilities { network, ..Capabilities::default() };
    let is_permitted = |access: Access| capabilities.permits(&access, Path::new("/p")).is_ok();
    let is_url_permitted = is_permitted(Access::Net { url: url.to_owned() });
    let parsed = Url::parse(url);
    match (&pattern, &parsed) {
        (Ok(pattern), Ok(url)) if is_url_permitted => {
            assert!(pattern.matches(url) && matches!(url.scheme(), "http" | "https"), "{entry:?} permits {url}");
        }
        _ => assert!(!is_url_permitted, "{entry:?} permits {url:?}"),
    }
    let Ok(parsed) = parsed else { return };
    let addresses = ip.into_iter().chain(match parsed.host() {
        Some(Host::Ipv4(ip)) => Some(ip.into()),
        Some(Host::Ipv6(ip)) => Some(ip.into()),
        _ => None,
    });
    for ip in addresses {
        let is_reached = is_permitted(Access::NetAddress { url: url.to_owned(), ip });
        assert!(!is_reached || is_url_permitted, "{ip} is reached by {url}, which is not permitted");
        if is_reached && !is_public_address(ip) {
            assert!(
                !entry.contains("*.") && !entry.trim_start_matches("http://").starts_with('*'),
                "{entry:?} opens {ip}"
            );
        }
        if let IpAddr::V4(v4) = ip {
            let mapped = IpAddr::V6(v4.to_ipv6_mapped());
            assert_eq!(is_public_address(mapped), is_public_address(ip), "{mapped}");
        }
    }
}
