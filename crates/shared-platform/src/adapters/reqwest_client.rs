use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, redirect};
use tokio::time::timeout;
use url::{Host, Url};

use crate::{AddressCheck, HttpClient, HttpRequest, HttpResponse, PlatformError};

/// Makes HTTP requests with `reqwest`, over TLS by `rustls` and the certificates that this machine trusts.
///
/// Each request has a connection of its own: one that stays open would be used again without asking whether the next
/// request may go to its address.
#[derive(Debug, Clone, Default)]
pub struct ReqwestClient(());

/// Headers that belong to the connection rather than to the request.
const CONNECTION_HEADERS: &[&str] = &[
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

impl ReqwestClient {
    /// A client.
    pub fn new() -> Self {
        // Fails if there is one already, which is then as good
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self(())
    }
}

#[async_trait]
impl HttpClient for ReqwestClient {
    async fn send(&self, request: HttpRequest, check: AddressCheck) -> Result<HttpResponse, PlatformError> {
        let host = checked_host(&request.url)?.to_owned();
        let after = request.timeout;
        let what = format!("the request to {host}");
        timeout(after, exchange(request, &host, &check)).await.unwrap_or(Err(PlatformError::TimedOut { what, after }))
    }
}

fn invalid(detail: impl Into<String>) -> PlatformError {
    PlatformError::InvalidRequest { detail: detail.into() }
}

fn network(host: &str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> PlatformError {
    PlatformError::Network { host: host.to_owned(), source: source.into() }
}

fn checked_host(url: &Url) -> Result<&str, PlatformError> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(invalid(format!("`{}:` is neither http nor https", url.scheme())));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(invalid("the URL contains a user name or password"));
    }
    url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| invalid("the URL has no host"))
}

async fn exchange(request: HttpRequest, host: &str, check: &AddressCheck) -> Result<HttpResponse, PlatformError> {
    let method = Method::from_bytes(request.method.as_bytes()).map_err(|_| invalid("the method is not valid"))?;
    if method == Method::CONNECT || method == Method::TRACE {
        return Err(invalid(format!("{method} is not sent")));
    }
    let headers = header_map(&request.headers)?;
    let addresses = permitted(&request.url, host, check).await?;
    let client = client(host, &addresses).map_err(|error| network(host, error))?;
    let mut builder = client.request(method, request.url).headers(headers);
    if let Some(body) = request.body {
        builder = builder.body(body);
    }
    let mut response = builder.send().await.map_err(|error| network(host, error.without_url()))?;

    let too_large =
        || PlatformError::TooLarge { what: format!("the answer of {host}"), limit: request.body_limit as u64 };
    if response.content_length().is_some_and(|length| length > request.body_limit as u64) {
        return Err(too_large());
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| network(host, error.without_url()))? {
        if body.len() + chunk.len() > request.body_limit {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(HttpResponse {
        status: response.status().as_u16(),
        status_text: response.status().canonical_reason().unwrap_or_default().to_owned(),
        headers: response.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        body,
    })
}

fn text(value: &HeaderValue) -> String {
    match std::str::from_utf8(value.as_bytes()) {
        Ok(text) => text.to_owned(),
        Err(_) => value.as_bytes().iter().copied().map(char::from).collect(),
    }
}

fn header_map(headers: &[(String, String)]) -> Result<HeaderMap, PlatformError> {
    let mut map = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        let parsed = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| invalid(format!("`{}` is no header name", name.escape_debug())))?;
        let value = HeaderValue::from_str(value)
            .map_err(|_| invalid(format!("the value of the header `{parsed}` is not valid")))?;
        if !CONNECTION_HEADERS.contains(&parsed.as_str()) {
            map.append(parsed, value);
        }
    }
    Ok(map)
}

async fn permitted(url: &Url, host: &str, check: &AddressCheck) -> Result<Vec<SocketAddr>, PlatformError> {
    let port = url.port_or_known_default().ok_or_else(|| invalid("the URL has no port"))?;
    let found: Vec<SocketAddr> = match url.host() {
        Some(Host::Ipv4(address)) => vec![SocketAddr::from((address, port))],
        Some(Host::Ipv6(address)) => vec![SocketAddr::from((address, port))],
        Some(Host::Domain(name)) => {
            tokio::net::lookup_host((name, port)).await.map_err(|error| network(host, error))?.collect()
        }
        None => Vec::new(),
    };
    let mut refused: Option<(IpAddr, String)> = None;
    let mut allowed = Vec::new();
    for address in found {
        match check(host, address.ip()) {
            Ok(()) => allowed.push(address),
            Err(reason) => refused = refused.or(Some((address.ip(), reason))),
        }
    }
    match refused {
        _ if !allowed.is_empty() => Ok(allowed),
        Some((address, reason)) => {
            Err(PlatformError::AddressRefused { host: host.to_owned(), address: address.to_string(), reason })
        }
        None => Err(network(host, "the host has no address")),
    }
}

/// A client that connects to these addresses alone, whatever the host's name stands for a moment later.
fn client(host: &str, addresses: &[SocketAddr]) -> reqwest::Result<Client> {
    Client::builder()
        .no_proxy()
        .redirect(redirect::Policy::none())
        .referer(false)
        .retry(reqwest::retry::never())
        .pool_max_idle_per_host(0)
        .connect_timeout(Duration::from_secs(10))
        .user_agent(concat!("mimir/", env!("CARGO_PKG_VERSION")))
        .dns_resolver(Arc::new(NoResolver))
        .resolve_to_addrs(host, addresses)
        .build()
}

/// Fails, so that nothing is resolved behind the back of the check.
struct NoResolver;

impl Resolve for NoResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let error = format!("`{}` was not resolved before", name.as_str());
        Box::pin(async move { Err::<Addrs, _>(error.into()) })
    }
}
