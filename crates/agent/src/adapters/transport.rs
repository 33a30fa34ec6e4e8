//! How models are reached, over the platform's HTTP client.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt as _;
use futures::stream;
use mimir_shared_platform::{AddressCheck, HttpBody, HttpClient, HttpRequest, PlatformError};
use mimir_shared_providers::{Pause, ProviderHttpRequest, ProviderHttpResponse, Transport, TransportError};
use tokio::time::{sleep, timeout};
use url::Url;

/// Reaches providers of models. Where they are is what the user or the company configured, so every address may be
/// connected to, one of this machine as well; where an answer would send the request on to is not followed.
pub struct HttpTransport {
    client: Arc<dyn HttpClient>,
}

impl HttpTransport {
    /// Over a client.
    pub fn new(client: Arc<dyn HttpClient>) -> Self {
        Self { client }
    }
}

#[async_trait]
impl Transport for HttpTransport {
    async fn open(&self, request: ProviderHttpRequest) -> Result<ProviderHttpResponse, TransportError> {
        let ProviderHttpRequest { url, headers, body, head_timeout, idle_timeout, total_timeout, body_limit } = request;
        let url = Url::parse(&url).map_err(|error| TransportError::InvalidRequest { detail: error.to_string() })?;
        let headers = headers.into_iter().map(|(name, value)| (name, value.expose().to_owned())).collect();
        let request = HttpRequest {
            method: "POST".to_owned(),
            url,
            headers,
            body: Some(body),
            timeout: total_timeout,
            body_limit,
        };
        let anywhere: AddressCheck = Arc::new(|_, _| Ok(()));
        let Ok(opened) = timeout(head_timeout, self.client.open(request, anywhere)).await else {
            return Err(TransportError::TimedOut { after: head_timeout });
        };
        let answer = opened.map_err(|error| failure(error, body_limit))?;
        let pieces = stream::unfold(Some(answer.body), move |body| piece(body, idle_timeout, body_limit));
        Ok(ProviderHttpResponse { status: answer.status, headers: answer.headers, body: pieces.boxed() })
    }
}

type Body = Box<dyn HttpBody>;
type Piece = (Result<Vec<u8>, TransportError>, Option<Body>);

async fn piece(body: Option<Body>, idle: Duration, limit: usize) -> Option<Piece> {
    let mut body = body?;
    match timeout(idle, body.chunk()).await {
        Ok(Ok(Some(bytes))) => Some((Ok(bytes), Some(body))),
        Ok(Ok(None)) => None,
        Ok(Err(error)) => Some((Err(failure(error, limit)), None)),
        Err(_) => Some((Err(TransportError::TimedOut { after: idle }), None)),
    }
}

fn failure(error: PlatformError, limit: usize) -> TransportError {
    match error {
        PlatformError::TimedOut { after, .. } => TransportError::TimedOut { after },
        PlatformError::TooLarge { .. } => TransportError::TooLarge { limit },
        PlatformError::InvalidRequest { detail } => TransportError::InvalidRequest { detail },
        error => TransportError::Connection { source: Box::new(error) },
    }
}

/// Lets real time pass, for the scripted model.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealPause;

#[async_trait]
impl Pause for RealPause {
    async fn pause(&self, duration: Duration) {
        sleep(duration).await;
    }
}
