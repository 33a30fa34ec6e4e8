use std::io;
use std::net::SocketAddr;

/// What a name stands for, by the resolver of this machine.
#[cfg(not(feature = "test-hooks"))]
pub(super) async fn lookup(name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    Ok(tokio::net::lookup_host((name, port)).await?.collect())
}

/// What a name stands for: what a test says in the environment, or the resolver of this machine.
#[cfg(feature = "test-hooks")]
pub(super) async fn lookup(name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if let Some(address) = hooks::answer(name) {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    Ok(tokio::net::lookup_host((name, port)).await?.collect())
}

#[cfg(feature = "test-hooks")]
mod hooks {
    use std::collections::HashMap;
    use std::net::IpAddr;
    use std::sync::{LazyLock, Mutex, PoisonError};

    /// Names and what they stand for: `name=address,address2;name2=address`. Each lookup of a name gives its next address,
    /// and the last one from then on, as a server of names does that changes its mind.
    const TEST_HOSTS: &str = "MIMIR_TEST_HOSTS";

    type Hosts = HashMap<String, Vec<IpAddr>>;

    static HOSTS: LazyLock<Mutex<Hosts>> = LazyLock::new(|| Mutex::new(read().unwrap_or_default()));

    #[allow(clippy::disallowed_methods, reason = "the one place that looks for what a test says about names")]
    fn read() -> Option<Hosts> {
        let text = std::env::var(TEST_HOSTS).ok()?;
        let entries = text.split(';').filter_map(|entry| entry.split_once('='));
        let addresses = |list: &str| list.split(',').filter_map(|address| address.trim().parse().ok()).collect();
        Some(entries.map(|(name, list)| (name.trim().to_owned(), addresses(list))).collect())
    }

    pub(super) fn answer(name: &str) -> Option<IpAddr> {
        let mut hosts = HOSTS.lock().unwrap_or_else(PoisonError::into_inner);
        let addresses = hosts.get_mut(name.strip_suffix('.').unwrap_or(name))?;
        if addresses.len() > 1 { Some(addresses.remove(0)) } else { addresses.first().copied() }
    }
}
