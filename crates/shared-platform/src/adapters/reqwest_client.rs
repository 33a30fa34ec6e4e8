use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Certificate, Client, Method, Response, redirect};
use tokio::time::{Instant, timeout_at};
use url::{Host, Url};

use super::name_lookup::lookup;
use crate::{AddressCheck, Guard, HttpAnswer, HttpBody, HttpClient, HttpRequest, PlatformError};

/// Makes HTTP requests with `reqwest`, over TLS by `rustls` and the certificates that this machine trusts.
///
/// Each request has a connection of its own: one that stays open would be used again without asking whether the next
/// request may go to its address.
#[derive(Debug, Clone, Default)]
pub struct ReqwestClient {
    /// Certificates that are trusted beside the machine's: none but in tests.
    roots: Vec<Certificate>,
}

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
        Self::default()
    }

    /// A client that trusts a certificate (DER) beside those of this machine.
    #[cfg(test)]
    fn trusting(root: &[u8]) -> Self {
        let mut client = Self::new();
        client.roots.push(Certificate::from_der(root).expect("a certificate"));
        client
    }
}

#[async_trait]
impl HttpClient for ReqwestClient {
    async fn open(&self, request: HttpRequest, check: AddressCheck) -> Result<HttpAnswer, PlatformError> {
        let host = checked_host(&request.url)?.to_owned();
        let after = request.timeout;
        let until = Instant::now() + after;
        let what = format!("the request to {host}");
        let opened = timeout_at(until, exchange(&self.roots, request, &host, &check));
        let opened = opened.await.unwrap_or(Err(PlatformError::TimedOut { what, after }))?;
        let Opened { client, response, body_limit } = opened;
        let limit = body_limit as u64;
        let body = Body { host, until, after, limit, left: limit, response, _client: client };
        if body.response.content_length().is_some_and(|length| length > limit) && Guard::NetSize.stands() {
            return Err(body.too_large());
        }
        let head = &body.response;
        Ok(HttpAnswer {
            status: head.status().as_u16(),
            status_text: head.status().canonical_reason().unwrap_or_default().to_owned(),
            headers: head.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
            body: Box::new(body),
        })
    }
}

/// What has been answered so far.
struct Opened {
    client: Client,
    response: Response,
    body_limit: usize,
}

struct Body {
    host: String,
    until: Instant,
    after: Duration,
    limit: u64,
    left: u64,
    response: Response,
    /// Lives as long as its connection.
    _client: Client,
}

impl Body {
    fn too_large(&self) -> PlatformError {
        PlatformError::TooLarge { what: format!("the answer of {}", self.host), limit: self.limit }
    }
}

#[async_trait]
impl HttpBody for Body {
    async fn chunk(&mut self) -> Result<Option<Vec<u8>>, PlatformError> {
        let Ok(read) = timeout_at(self.until, self.response.chunk()).await else {
            let what = format!("the answer of {}", self.host);
            return Err(PlatformError::TimedOut { what, after: self.after });
        };
        let Some(chunk) = read.map_err(|error| network(&self.host, error.without_url()))? else { return Ok(None) };
        let length = chunk.len() as u64;
        if length > self.left && Guard::NetSize.stands() {
            return Err(self.too_large());
        }
        self.left = self.left.saturating_sub(length);
        Ok(Some(chunk.into()))
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

async fn exchange(
    roots: &[Certificate],
    request: HttpRequest,
    host: &str,
    check: &AddressCheck,
) -> Result<Opened, PlatformError> {
    let method = Method::from_bytes(request.method.as_bytes()).map_err(|_| invalid("the method is not valid"))?;
    if method == Method::CONNECT || method == Method::TRACE {
        return Err(invalid(format!("{method} is not sent")));
    }
    let headers = header_map(&request.headers)?;
    let addresses = permitted(&request.url, host, check).await?;
    let client = client(&request.url, host, &addresses, roots).map_err(|error| network(host, error))?;
    let mut builder = client.request(method, request.url).headers(headers);
    if let Some(body) = request.body {
        builder = builder.body(body);
    }
    let response = builder.send().await.map_err(|error| network(host, error.without_url()))?;
    Ok(Opened { client, response, body_limit: request.body_limit })
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
        let mut value = HeaderValue::from_str(value)
            .map_err(|_| invalid(format!("the value of the header `{parsed}` is not valid")))?;
        // Not shown by anything that prints it, and in no table of HTTP/2
        value.set_sensitive(true);
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
        Some(Host::Domain(name)) => lookup(name, port).await.map_err(|error| network(host, error))?,
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
fn client(url: &Url, host: &str, addresses: &[SocketAddr], roots: &[Certificate]) -> reqwest::Result<Client> {
    let builder = Client::builder()
        .no_proxy()
        .redirect(redirect::Policy::none())
        .referer(false)
        .retry(reqwest::retry::never())
        .pool_max_idle_per_host(0)
        .connect_timeout(Duration::from_secs(10))
        .user_agent(concat!("mimir/", env!("CARGO_PKG_VERSION")));
    let builder = if Guard::NetPinned.stands() {
        builder.dns_resolver(Arc::new(NoResolver)).resolve_to_addrs(host, addresses)
    } else {
        builder.dns_resolver(Arc::new(SecondLookup))
    };
    let builder = match url.scheme() {
        "https" => builder.https_only(true).tls_certs_merge(roots.iter().cloned()),
        // Reading the machine's certificates takes longer than many a request
        _ => builder.tls_certs_only([]),
    };
    builder.build()
}

/// Fails, so that nothing is resolved behind the back of the check.
struct NoResolver;

impl Resolve for NoResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let error = format!("`{}` was not resolved before", name.as_str());
        Box::pin(async move { Err::<Addrs, _>(error.into()) })
    }
}

/// What a client without the guard would do: ask again.
struct SecondLookup;

impl Resolve for SecondLookup {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = lookup(name.as_str(), 0).await?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests;
