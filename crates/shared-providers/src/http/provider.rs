use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures::StreamExt as _;
use serde_json::Value;

use super::answer::{Answer, estimated_tokens};
use super::dialect::{Dialect, Quirks};
use super::failure::{self, Said};
use super::lines::Bytes;
use super::names::ToolNames;
use super::reading;
use crate::anthropic::Anthropic;
use crate::openai::OpenAi;
use crate::{
    ChatEvent, ChatRequest, ChatResponse, ChatStream, Credentials, InvalidProvider, LlmProvider, ProviderError,
    ProviderHttpRequest, ProviderHttpResponse, ProviderKind, ProviderSettings, Secret, Token, Transport,
    TransportError,
};

/// A provider behind HTTP, in one of the dialects that [`ProviderKind`] names.
///
/// Answers are always asked for as a stream: so a long one is not taken for a connection that hangs. A service that does
/// not stream is understood all the same.
pub struct HttpProvider {
    settings: ProviderSettings,
    /// The API's version, under which everything is.
    endpoint: String,
    dialect: Box<dyn Dialect>,
    transport: Arc<dyn Transport>,
    credentials: Arc<dyn Credentials>,
    quirks: Mutex<Quirks>,
}

/// Headers that say how the body and the answer are read, which is this adapter's business alone.
const FIXED: [&str; 3] = ["content-type", "accept", "accept-encoding"];
/// How much of a refusal is read, in bytes.
const LONGEST_REFUSAL: usize = 64 << 10;

impl HttpProvider {
    /// A provider.
    ///
    /// # Errors
    /// [`InvalidProvider`] if the settings can't be used.
    pub fn new(
        settings: ProviderSettings,
        transport: Arc<dyn Transport>,
        credentials: Arc<dyn Credentials>,
    ) -> Result<Self, InvalidProvider> {
        let endpoint = settings.endpoint()?;
        let dialect: Box<dyn Dialect> = match settings.kind {
            ProviderKind::Anthropic => Box::new(Anthropic),
            ProviderKind::OpenAi => Box::new(OpenAi::new(&endpoint)),
        };
        Ok(Self { settings, endpoint, dialect, transport, credentials, quirks: Mutex::default() })
    }

    fn quirks(&self) -> Quirks {
        *self.quirks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn provider(&self) -> String {
        self.settings.name.clone()
    }

    /// Sends a request, with another token if the first one is refused.
    async fn send(&self, path: &str, body: &Value) -> Result<ProviderHttpResponse, ProviderError> {
        let failed = |error: crate::CredentialsError| ProviderError::Credentials {
            provider: self.provider(),
            detail: failure::clean(&error.0, &self.secrets(None)),
        };
        let mut token = self.credentials.token(&self.settings.name).await.map_err(failed)?;
        let mut is_renewed = false;
        loop {
            let response = self.transport.open(self.request(path, body, token.as_ref())).await;
            let response = response.map_err(|error| self.unsent(error))?;
            if (200..300).contains(&response.status) {
                return Ok(response);
            }
            if let (401, Some(refused), false) = (response.status, &token, is_renewed) {
                is_renewed = true;
                let renewed = self.credentials.renewed(&self.settings.name, &refused.secret).await.map_err(failed)?;
                if renewed.is_some() {
                    token = renewed;
                    continue;
                }
            }
            return Err(self.refusal(response, token.as_ref()).await);
        }
    }

    /// Why there is no answer. To ask again helps only where the connection was at fault.
    fn unsent(&self, error: TransportError) -> ProviderError {
        let provider = self.provider();
        match error {
            TransportError::TooLarge { .. } => ProviderError::InvalidReply { provider, detail: error.to_string() },
            TransportError::InvalidRequest { detail } => {
                let message = failure::clean(&detail, &self.secrets(None));
                ProviderError::Rejected { provider, status: 400, message }
            }
            error => ProviderError::Transport { provider, source: Box::new(error) },
        }
    }

    fn request(&self, path: &str, body: &Value, token: Option<&Token>) -> ProviderHttpRequest {
        let ProviderSettings { head_timeout, idle_timeout, total_timeout, limits, .. } = self.settings;
        let key = if token.is_some() { None } else { self.settings.api_key.as_ref().filter(|key| !key.is_empty()) };
        let mut headers = vec![
            ("content-type".to_owned(), Secret::new("application/json")),
            ("accept".to_owned(), Secret::new("text/event-stream, application/json")),
            // Nothing here would unpack an answer
            ("accept-encoding".to_owned(), Secret::new("identity")),
        ];
        if let Some(token) = token {
            headers.push(("authorization".to_owned(), Secret::new(format!("Bearer {}", token.secret.expose()))));
        }
        let own = self.dialect.headers(key).into_iter().map(|(name, value)| (name.to_owned(), Secret::new(value)));
        headers.extend(own);
        let signing = token.map_or(&[][..], |token| &token.headers);
        let signing = signing.iter().filter(|(name, _)| !FIXED.iter().any(|fixed| fixed.eq_ignore_ascii_case(name)));
        for (name, value) in signing.chain(&self.settings.headers) {
            headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
            headers.push((name.clone(), value.clone()));
        }
        ProviderHttpRequest {
            url: format!("{}/{path}", self.endpoint),
            headers,
            body: body.to_string().into_bytes(),
            head_timeout,
            idle_timeout,
            total_timeout,
            body_limit: limits.bytes,
        }
    }

    /// What must not be in any text.
    fn secrets<'a>(&'a self, token: Option<&'a Token>) -> Vec<&'a Secret> {
        let signing = token.map_or(&[][..], |token| &token.headers);
        let headers = self.settings.headers.iter().chain(signing).map(|(_, value)| value);
        self.settings.api_key.iter().chain(token.map(|token| &token.secret)).chain(headers).collect()
    }

    async fn refusal(&self, response: ProviderHttpResponse, token: Option<&Token>) -> ProviderError {
        let (status, retry_after) = (response.status, failure::retry_after(&response));
        if status == 401 && token.is_none() && self.settings.api_key.as_ref().is_none_or(Secret::is_empty) {
            return ProviderError::NoCredentials { provider: self.provider() };
        }
        let secrets = self.secrets(token);
        let location = response.header("location").map(|place| failure::clean(place, &secrets));
        let body = start_of(response.body, LONGEST_REFUSAL).await;
        let mut said = Said::read(&body, &secrets);
        if let (300..400, Some(location)) = (status, location) {
            said.message = format!("it sends on to {location}, which is not followed: check its URL");
        }
        said.error(&self.settings.name, status, retry_after)
    }

    /// Asks for an answer, once more for each peculiarity that the service turns out to have.
    async fn ask(&self, request: &ChatRequest) -> Result<(ProviderHttpResponse, Answer), ProviderError> {
        let names = ToolNames::new(&request.tools);
        loop {
            let quirks = self.quirks();
            let body = self.dialect.body(request, &names, quirks);
            let response = match self.send(self.dialect.path(), &body).await {
                Ok(response) => response,
                Err(ProviderError::Rejected { provider, status, message }) => {
                    let said = Said { message: message.clone(), kind: String::new() };
                    let adapted = matches!(status, 400 | 422).then(|| self.dialect.adapted(&said, quirks)).flatten();
                    let Some(adapted) = adapted else {
                        return Err(ProviderError::Rejected { provider, status, message });
                    };
                    *self.quirks.lock().unwrap_or_else(PoisonError::into_inner) = adapted;
                    continue;
                }
                Err(error) => return Err(error),
            };
            let question = estimated_tokens(body.to_string().len());
            let turn = request.messages.len();
            return Ok((response, Answer::new(names, self.settings.limits, &request.model, question, turn)));
        }
    }
}

#[async_trait]
impl LlmProvider for HttpProvider {
    fn name(&self) -> &str {
        &self.settings.name
    }

    async fn complete(&self, request: &ChatRequest) -> Result<ChatResponse, ProviderError> {
        let mut events = self.stream(request).await?;
        while let Some(event) = events.next().await {
            if let ChatEvent::Done(response) = event? {
                return Ok(*response);
            }
        }
        Err(ProviderError::InvalidReply { provider: self.provider(), detail: "it has no end".to_owned() })
    }

    async fn stream(&self, request: &ChatRequest) -> Result<ChatStream, ProviderError> {
        let (response, answer) = self.ask(request).await?;
        let nonsense = |detail: String| ProviderError::InvalidReply { provider: self.provider(), detail };
        if let Some(encoding) = response.header("content-encoding").filter(|it| !it.eq_ignore_ascii_case("identity")) {
            let encoding = failure::clean(encoding, &[]);
            return Err(nonsense(format!("it is packed ({encoding}), which was not asked for")));
        }
        let secrets = self.secrets(None).into_iter().cloned().collect();
        let read = reading::Reading::new(self.provider(), secrets, self.settings.limits.event_bytes, answer);
        read.begin(response.body, self.dialect.as_ref()).await
    }

    /// By the service's own count, or an estimate that is rather too high where it has none.
    async fn count_tokens(&self, request: &ChatRequest) -> Result<u64, ProviderError> {
        let names = ToolNames::new(&request.tools);
        if let Some((path, body)) = self.dialect.count(request, &names) {
            match self.send(path, &body).await {
                Ok(response) => {
                    let body = start_of(response.body, LONGEST_REFUSAL).await;
                    let counted = serde_json::from_slice::<Value>(&body).ok();
                    if let Some(counted) = counted.and_then(|it| it.get("input_tokens")?.as_u64()) {
                        return Ok(counted);
                    }
                }
                // The request itself would fail the same way, so it is better said now
                Err(
                    error @ (ProviderError::Unauthorized { .. }
                    | ProviderError::NoCredentials { .. }
                    | ProviderError::Credentials { .. }),
                ) => return Err(error),
                Err(_) => {}
            }
        }
        let body = self.dialect.body(request, &names, self.quirks());
        Ok(estimated_tokens(body.to_string().len()))
    }
}

/// As much of a body as comes, up to a limit. What breaks off in the midst of a refusal is still a refusal.
async fn start_of(mut body: Bytes, limit: usize) -> Vec<u8> {
    let mut read = Vec::new();
    while let Some(Ok(piece)) = body.next().await {
        read.extend_from_slice(&piece);
        if read.len() >= limit {
            read.truncate(limit);
            break;
        }
    }
    read
}
