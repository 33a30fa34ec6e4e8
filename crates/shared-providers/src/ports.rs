//! What the adapters for providers need and do not know: the network, where tokens come from, and time.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;
use thiserror::Error;

use crate::Secret;

/// Sends requests to providers. Redirects are not followed and nothing is decompressed.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Sends one request by `POST` and gives what is answered as soon as the head of the answer is there. To drop the future
    /// or the body ends the connection.
    ///
    /// # Errors
    /// [`TransportError`]. An HTTP status is no error.
    async fn open(&self, request: ProviderHttpRequest) -> Result<ProviderHttpResponse, TransportError>;
}

/// A request to a provider.
#[derive(Clone, PartialEq, Eq)]
pub struct ProviderHttpRequest {
    /// Where to: `http` or `https`, without a user name or password.
    pub url: String,
    /// Headers in their order. Their values may be secret.
    pub headers: Vec<(String, Secret)>,
    /// The body.
    pub body: Vec<u8>,
    /// The time until the head of the answer is there.
    pub head_timeout: Duration,
    /// The time between two pieces of the body.
    pub idle_timeout: Duration,
    /// The time for all of it.
    pub total_timeout: Duration,
    /// How many bytes the body of the answer may have.
    pub body_limit: usize,
}

/// Without the headers' values and the body, which are secret.
impl fmt::Debug for ProviderHttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("ProviderHttpRequest").field("url", &self.url).field("headers", &names).finish_non_exhaustive()
    }
}

/// What a provider answers.
pub struct ProviderHttpResponse {
    /// The status, for instance 200.
    pub status: u16,
    /// Headers, their names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, piece by piece. It ends after the first error; what ends without one is whole.
    pub body: BoxStream<'static, Result<Vec<u8>, TransportError>>,
}

impl fmt::Debug for ProviderHttpResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderHttpResponse").field("status", &self.status).finish_non_exhaustive()
    }
}

impl ProviderHttpResponse {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// Why a provider could not be reached, or its answer not be read to the end. Contains no headers and no bodies.
#[derive(Debug, Error)]
pub enum TransportError {
    /// The host could not be reached, or the connection broke.
    #[error("the connection failed")]
    Connection {
        /// What went wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The host did not answer, or stopped answering.
    #[error("nothing came for {} s", after.as_secs_f64())]
    TimedOut {
        /// The limit.
        after: Duration,
    },
    /// The answer is longer than the request allows.
    #[error("the answer is longer than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The request is none that HTTP can carry.
    #[error("this is no request that can be sent: {detail}")]
    InvalidRequest {
        /// What is wrong.
        detail: String,
    },
}

/// Gives tokens for providers when they are needed, for instance from a plugin that logs in somewhere.
#[async_trait]
pub trait Credentials: Send + Sync {
    /// What to sign in to a provider with. Nothing if there is none, then the key of its settings
    /// is used.
    ///
    /// # Errors
    /// A text for people that contains no secret.
    async fn token(&self, provider: &str) -> Result<Option<Token>, CredentialsError>;

    /// Another token after the provider refused this one. Nothing if there is no other. It is asked for once a request.
    ///
    /// # Errors
    /// A text for people that contains no secret.
    async fn renewed(&self, provider: &str, refused: &Secret) -> Result<Option<Token>, CredentialsError> {
        let _ = (provider, refused);
        Ok(None)
    }
}

/// What signs a request in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Sent as `Authorization: Bearer …`.
    pub secret: Secret,
    /// Sent as well, to the provider alone. They replace headers of the adapter, not those that say how the body and the
    /// answer are read; the user's own replace them.
    pub headers: Vec<(String, Secret)>,
}

impl From<Secret> for Token {
    fn from(secret: Secret) -> Self {
        Self { secret, headers: Vec::new() }
    }
}

/// Why there is no token, for people; without anything secret.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct CredentialsError(pub String);

/// No tokens: every provider has the key of its settings, or none.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoCredentials;

#[async_trait]
impl Credentials for NoCredentials {
    async fn token(&self, _provider: &str) -> Result<Option<Token>, CredentialsError> {
        Ok(None)
    }
}

/// Lets time pass, for the scripted model that speaks slowly.
#[async_trait]
pub trait Pause: Send + Sync {
    /// Comes back after this long.
    async fn pause(&self, duration: Duration);
}

/// Lets no time pass.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoPause;

#[async_trait]
impl Pause for NoPause {
    async fn pause(&self, _duration: Duration) {}
}
