//! Servers that answer over HTTP ("streamable HTTP"): the library's transport over the platform's client, which follows no
//! redirect, so that no credential goes elsewhere than the user said.

use std::borrow::Cow;
use std::collections::HashMap;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::stream::{self, BoxStream};
use futures::{StreamExt as _, future};
use http::{HeaderName, HeaderValue};
use mimir_shared_platform::{AddressCheck, HttpAnswer, HttpBody, HttpClient, HttpRequest, PlatformError};
use mimir_shared_providers::Secret;
use rmcp::model::{ClientJsonRpcMessage, JsonRpcMessage, ServerJsonRpcMessage};
use rmcp::transport::DynamicTransportError;
use rmcp::transport::streamable_http_client::{
    StreamableHttpClient, StreamableHttpClientTransport, StreamableHttpClientTransportConfig, StreamableHttpError,
    StreamableHttpPostResponse,
};
use serde::Deserialize;
use serde::de::IgnoredAny;
use sse_stream::{Error as SseError, Sse, SseStream};
use thiserror::Error;
use url::Url;

use super::settings::McpLimits;
use super::transport::{Connection, Lifetime};
use crate::plain::plain_line;

const EVENTS: &str = "text/event-stream";
const JSON: &str = "application/json";
const SESSION: &str = "mcp-session-id";
/// How long the stream of what a server says by itself may stay open. The library opens another if the server numbers what it
/// says.
const LONGEST_STREAM: Duration = Duration::from_hours(24);
/// How long a call's answer may take beyond the call's own time, so that its own comes first.
const GRACE: Duration = Duration::from_secs(5);
/// How soon a stream that has ended is asked for again, at least, whatever the server says, in milliseconds.
const SOONEST_MS: u64 = 1_000;
/// How much a server may have asked that has no answer yet. Each takes memory until the server has taken its answer.
const MOST_ASKED: usize = 100;
/// How much of a refusal is shown, in bytes.
const LONGEST: usize = 300;

type Answer<T> = Result<T, StreamableHttpError<HttpFailure>>;

/// The HTTP of one server.
#[derive(Clone)]
pub(super) struct Http {
    client: Arc<dyn HttpClient>,
    limits: Arc<McpLimits>,
    /// What the server has asked and has not been answered.
    asked: Arc<AtomicUsize>,
    /// The library keeps a client for as long as the connection is there.
    _lifetime: Arc<Lifetime>,
}

/// Why a request came to nothing.
#[derive(Debug, Error)]
pub(super) enum HttpFailure {
    /// It was not sent, or has no answer.
    #[error(transparent)]
    Platform(#[from] PlatformError),
    /// The server wants to know who asks, or doesn't let them.
    #[error("it refuses who asks (HTTP {status}): name a token for it under `secrets`, as the header `Authorization`")]
    Unauthorized {
        /// 401 or 403.
        status: u16,
    },
    /// The answer is none of the protocol's.
    #[error("what it answers is no MCP: {detail}")]
    Nonsense {
        /// What it is, fit for a terminal.
        detail: String,
    },
    /// The server refuses the request.
    #[error("it answers HTTP {status}{said}")]
    Status {
        /// The status.
        status: u16,
        /// What it says about it, fit for a terminal, with what leads up to it; nothing if it says nothing.
        said: String,
    },
}

/// The transport to a server, and an error for people if its settings make none.
pub(super) fn transport(
    client: &Arc<dyn HttpClient>,
    url: &str,
    headers: &[(String, Secret)],
    limits: &McpLimits,
    connection: &Connection,
) -> Result<StreamableHttpClientTransport<Http>, String> {
    let mut custom = HashMap::new();
    for (name, value) in headers {
        let shown = plain_line(name, LONGEST);
        let key: HeaderName = name.parse().map_err(|_| format!("`{shown}` is no name of a header"))?;
        let mut value = HeaderValue::from_str(value.expose())
            .map_err(|_| format!("the header {shown} holds what no header can"))?;
        value.set_sensitive(true);
        custom.insert(key, value);
    }
    let config = StreamableHttpClientTransportConfig::with_uri(url).custom_headers(custom);
    let http = Http {
        client: Arc::clone(client),
        limits: Arc::new(limits.clone()),
        asked: Arc::default(),
        _lifetime: Arc::new(connection.lifetime()),
    };
    Ok(StreamableHttpClientTransport::with_client(http, config))
}

/// What went wrong between here and a server, for people.
pub(super) fn failure(error: &DynamicTransportError) -> Option<String> {
    let mut found: Option<&(dyn Error + 'static)> = Some(&*error.error);
    while let Some(error) = found {
        if let Some(failure) = error.downcast_ref::<HttpFailure>() {
            return Some(in_full(failure));
        }
        if let Some(StreamableHttpError::<HttpFailure>::Client(failure)) = error.downcast_ref() {
            return Some(in_full(failure));
        }
        found = error.source();
    }
    None
}

fn in_full(failure: &HttpFailure) -> String {
    let mut text = failure.to_string();
    let mut cause = failure.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    plain_line(&text, LONGEST)
}

impl Http {
    async fn open(
        &self,
        method: &str,
        url: &str,
        headers: Vec<(String, String)>,
        body: Option<Vec<u8>>,
        timeout: Duration,
    ) -> Answer<HttpAnswer> {
        let invalid = |detail: String| HttpFailure::from(PlatformError::InvalidRequest { detail });
        let url = Url::parse(url).map_err(|error| StreamableHttpError::Client(invalid(error.to_string())))?;
        let method = method.to_owned();
        let body_limit = self.limits.message;
        let request = HttpRequest { method, url, headers, body, timeout, body_limit };
        // Where a server is, the user says or a repository that the user trusts, in a network of their own as well
        let anywhere: AddressCheck = Arc::new(|_, _| Ok(()));
        self.client.open(request, anywhere).await.map_err(|error| StreamableHttpError::Client(error.into()))
    }

    /// What a server says, until it asks too much. The library asks for what comes next where a stream ends after an event
    /// with an `id` (`goes_on`: in an earlier stream): at once after an error, or when the server says so, and so for ever.
    fn events(&self, body: Box<dyn HttpBody>, goes_on: bool) -> BoxStream<'static, Result<Sse, SseError>> {
        let pieces = stream::unfold(Some(body), async |body| {
            let mut body = body?;
            match body.chunk().await {
                Ok(piece) => Some((Ok(bytes::Bytes::from(piece?)), Some(body))),
                Err(error) => Some((Err(error), None)),
            }
        });
        let (asked, mut goes_on) = (Arc::clone(&self.asked), goes_on);
        let events = SseStream::from_bytes_stream(pieces).map(move |event| {
            let mut event = event?;
            event.retry = event.retry.map(|milliseconds| milliseconds.max(SOONEST_MS));
            if event.data.as_deref().is_some_and(asks) && asked.fetch_add(1, Ordering::Relaxed) >= MOST_ASKED {
                asked.fetch_sub(1, Ordering::Relaxed);
                return Err(SseError::Body("it asks more than is answered".into()));
            }
            Ok(event)
        });
        // A stream that ends is asked for later, one that fails at once
        let until_it_fails = move |event: &Result<Sse, SseError>| {
            goes_on |= event.as_ref().is_ok_and(|event| event.id.is_some());
            future::ready(event.is_ok() || !goes_on)
        };
        events.take_while(until_it_fails).boxed()
    }
}

/// Counts an answer when it was sent, or could not be.
struct Answered(Arc<AtomicUsize>);

impl Drop for Answered {
    fn drop(&mut self) {
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |asked| asked.checked_sub(1));
    }
}

/// Whether a message wants an answer.
fn asks(message: &str) -> bool {
    #[derive(Deserialize)]
    struct Request {
        #[serde(rename = "id")]
        _id: IgnoredAny,
        #[serde(rename = "method")]
        _method: IgnoredAny,
    }
    serde_json::from_str::<Request>(message).is_ok()
}

impl StreamableHttpClient for Http {
    type Error = HttpFailure;

    /// The answer's size is bounded by the platform's client, whatever its kind.
    async fn post_message(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session_id: Option<Arc<str>>,
        _: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Answer<StreamableHttpPostResponse> {
        let is_request = matches!(message, JsonRpcMessage::Request(_));
        let _answered = matches!(message, JsonRpcMessage::Response(_) | JsonRpcMessage::Error(_))
            .then(|| Answered(Arc::clone(&self.asked)));
        let has_session = session_id.is_some();
        let mut headers = headers(&custom_headers, session_id.as_deref());
        headers.push(("content-type".to_owned(), JSON.to_owned()));
        headers.push(("accept".to_owned(), format!("{JSON}, {EVENTS}")));
        let timeout = self.limits.call + GRACE;
        let answer = self.open("POST", &uri, headers, Some(serde_json::to_vec(&message)?), timeout).await?;
        let kind = media_type(&answer);
        match answer.status {
            202 | 204 => return Ok(StreamableHttpPostResponse::Accepted),
            200..=299 => {}
            404 if has_session => return Err(StreamableHttpError::SessionExpired),
            _ => return refused(answer, kind == JSON).await,
        }
        let session = header(&answer, SESSION).map(str::to_owned);
        if kind == EVENTS {
            return Ok(StreamableHttpPostResponse::Sse(self.events(answer.body, false), session));
        }
        if kind == JSON {
            let body = whole(answer.body).await?;
            return match serde_json::from_slice(&body) {
                Ok(message) => Ok(StreamableHttpPostResponse::Json(message, session)),
                // Nobody waits for an answer
                Err(_) if !is_request => Ok(StreamableHttpPostResponse::Accepted),
                Err(error) => Err(nonsense(&error.to_string())),
            };
        }
        match is_request {
            true => Err(nonsense(if kind.is_empty() { "it has no content type" } else { &kind })),
            false => Ok(StreamableHttpPostResponse::Accepted),
        }
    }

    async fn delete_session(
        &self,
        uri: Arc<str>,
        session_id: Arc<str>,
        _: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Answer<()> {
        let headers = headers(&custom_headers, Some(&session_id));
        // A server that keeps its sessions is within its rights
        self.open("DELETE", &uri, headers, None, self.limits.end).await.map(drop)
    }

    async fn get_stream(
        &self,
        uri: Arc<str>,
        session_id: Option<Arc<str>>,
        last_event_id: Option<String>,
        _: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Answer<BoxStream<'static, Result<Sse, SseError>>> {
        let mut headers = headers(&custom_headers, session_id.as_deref());
        headers.push(("accept".to_owned(), EVENTS.to_owned()));
        let goes_on = last_event_id.is_some();
        headers.extend(last_event_id.map(|id| ("last-event-id".to_owned(), id)));
        let answer = self.open("GET", &uri, headers, None, LONGEST_STREAM).await?;
        match answer.status {
            200..=299 if media_type(&answer) == EVENTS => Ok(self.events(answer.body, goes_on)),
            // Most servers have nothing to say by themselves
            _ => Err(StreamableHttpError::ServerDoesNotSupportSse),
        }
    }
}

fn nonsense(detail: &str) -> StreamableHttpError<HttpFailure> {
    StreamableHttpError::Client(HttpFailure::Nonsense { detail: plain_line(detail, LONGEST) })
}

/// A refusal; one in the protocol's own words is an answer.
async fn refused(answer: HttpAnswer, is_json: bool) -> Answer<StreamableHttpPostResponse> {
    let HttpAnswer { status, body, .. } = answer;
    if matches!(status, 401 | 403) {
        return Err(StreamableHttpError::Client(HttpFailure::Unauthorized { status }));
    }
    let body = whole(body).await.unwrap_or_default();
    if is_json && let Ok(message @ JsonRpcMessage::Error(_)) = serde_json::from_slice::<ServerJsonRpcMessage>(&body) {
        return Ok(StreamableHttpPostResponse::Json(message, None));
    }
    let said = plain_line(String::from_utf8_lossy(&body).trim(), LONGEST);
    let said = if said.is_empty() { said } else { format!(": {said}") };
    Err(StreamableHttpError::Client(HttpFailure::Status { status, said }))
}

fn headers(custom: &HashMap<HeaderName, HeaderValue>, session: Option<&str>) -> Vec<(String, String)> {
    let custom =
        custom.iter().map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into()));
    custom.chain(session.map(|id| (SESSION.to_owned(), id.to_owned()))).collect()
}

fn header<'a>(answer: &'a HttpAnswer, name: &str) -> Option<&'a str> {
    answer.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// The kind of the body without its parameters, in lower case.
fn media_type(answer: &HttpAnswer) -> Cow<'static, str> {
    let said = header(answer, "content-type").unwrap_or_default();
    said.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().into()
}

async fn whole(mut body: Box<dyn HttpBody>) -> Answer<Vec<u8>> {
    let mut bytes = Vec::new();
    while let Some(piece) = body.chunk().await.map_err(|error| StreamableHttpError::Client(error.into()))? {
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}
