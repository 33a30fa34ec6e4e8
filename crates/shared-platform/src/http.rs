use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use url::Url;

use crate::PlatformError;

/// Makes HTTP requests.
#[async_trait]
pub trait HttpClient: Send + Sync {
    /// Sends one request, straight to the host (no proxy), and reads the whole answer. Redirects are not followed:
    /// whoever sent the request has to look at the new place first.
    ///
    /// `check` is asked about every address that the host stands for; only those that it allows are connected to.
    ///
    /// # Errors
    /// [`PlatformError::AddressRefused`] if `check` allows none of the addresses, [`PlatformError::InvalidRequest`],
    /// [`PlatformError::Network`], [`PlatformError::TimedOut`], [`PlatformError::TooLarge`]. An HTTP status is no error.
    async fn send(&self, request: HttpRequest, check: AddressCheck) -> Result<HttpResponse, PlatformError>;
}

/// Whether a host may be reached at an address, or why not.
pub type AddressCheck = Arc<dyn Fn(&str, IpAddr) -> Result<(), String> + Send + Sync>;

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// The method, in upper case.
    pub method: String,
    /// Where to: `http` or `https`.
    pub url: Url,
    /// Headers in their order. What belongs to the connection (`host`, `content-length`, …) is set by the adapter.
    pub headers: Vec<(String, String)>,
    /// The body; nothing for a request without one.
    pub body: Option<Vec<u8>>,
    /// The time for all of it.
    pub timeout: Duration,
    /// How many bytes the body of the answer may have.
    pub body_limit: usize,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpResponse {
    /// The status, for instance 200.
    pub status: u16,
    /// What is usually said with the status, for instance `OK`.
    pub status_text: String,
    /// Headers, their names in lower case. Bytes that are no UTF-8 are read as Latin-1.
    pub headers: Vec<(String, String)>,
    /// The body, as it was sent (not decompressed).
    pub body: Vec<u8>,
}
