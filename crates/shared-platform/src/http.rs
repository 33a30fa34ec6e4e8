use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use url::Url;

use crate::PlatformError;

/// Makes HTTP requests.
#[async_trait]
pub trait HttpClient: Send + Sync {
    /// Sends one request, straight to the host (no proxy), and gives what it answers as soon as the head of the answer is
    /// there. Redirects are not followed: whoever sent the request has to look at the new place first.
    ///
    /// `check` is asked about every address that the host stands for; only those that it allows are connected to.
    ///
    /// # Errors
    /// [`PlatformError::AddressRefused`] if `check` allows none of the addresses, [`PlatformError::InvalidRequest`],
    /// [`PlatformError::Network`], [`PlatformError::TimedOut`], [`PlatformError::TooLarge`]. An HTTP status is no error.
    async fn open(&self, request: HttpRequest, check: AddressCheck) -> Result<HttpAnswer, PlatformError>;

    /// Like [`open`](Self::open), and reads the whole body.
    ///
    /// # Errors
    /// Those of [`open`](Self::open) and of [`HttpBody::chunk`].
    async fn send(&self, request: HttpRequest, check: AddressCheck) -> Result<HttpResponse, PlatformError> {
        let HttpAnswer { status, status_text, headers, body: mut stream } = self.open(request, check).await?;
        let mut body = Vec::new();
        while let Some(chunk) = stream.chunk().await? {
            body.extend_from_slice(&chunk);
        }
        Ok(HttpResponse { status, status_text, headers, body })
    }
}

/// Whether a host may be reached at an address, or why not.
pub type AddressCheck = Arc<dyn Fn(&str, IpAddr) -> Result<(), String> + Send + Sync>;

/// A request.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// The method, in upper case.
    pub method: String,
    /// Where to: `http` or `https`.
    pub url: Url,
    /// Headers in their order. What belongs to the connection (`host`, `content-length`, …) is set by the adapter.
    pub headers: Vec<(String, String)>,
    /// The body; nothing for a request without one.
    pub body: Option<Vec<u8>>,
    /// The time for all of it, the body of the answer included.
    pub timeout: Duration,
    /// How many bytes the body of the answer may have.
    pub body_limit: usize,
}

/// Without the headers' values and the body, which may be secret.
impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("HttpRequest")
            .field("method", &self.method)
            .field("url", &self.url.as_str())
            .field("headers", &names)
            .finish_non_exhaustive()
    }
}

/// An answer whose body is still on its way.
pub struct HttpAnswer {
    /// The status, for instance 200.
    pub status: u16,
    /// What is usually said with the status, for instance `OK`.
    pub status_text: String,
    /// Headers, their names in lower case. Bytes that are no UTF-8 are read as Latin-1.
    pub headers: Vec<(String, String)>,
    /// The body, as it is sent (not decompressed).
    pub body: Box<dyn HttpBody>,
}

/// The body of an answer. Nothing is read ahead of who asks, beyond what is in the buffers of the connection; to drop it
/// ends the connection.
#[async_trait]
pub trait HttpBody: Send {
    /// The next bytes; nothing at the end. A wait that is given up loses none.
    ///
    /// # Errors
    /// [`PlatformError::TooLarge`] past the request's `body_limit`, [`PlatformError::TimedOut`] past its `timeout`,
    /// [`PlatformError::Network`].
    async fn chunk(&mut self) -> Result<Option<Vec<u8>>, PlatformError>;
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
