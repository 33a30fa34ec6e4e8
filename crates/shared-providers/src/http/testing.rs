//! A transport that answers what it was told, and what the tests of the dialects have in common.
#![allow(clippy::unwrap_used, reason = "a test that fails here should stop")]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures::{FutureExt as _, StreamExt as _, stream};
use serde_json::{Value, json};

use super::HttpProvider;
use crate::{
    ChatEvent, ChatRequest, LlmProvider as _, Message, NoCredentials, ProviderError, ProviderHttpRequest,
    ProviderHttpResponse, ProviderKind, ProviderSettings, Secret, ToolDefinition, Transport, TransportError,
};

#[derive(Default)]
pub(crate) struct Told {
    answers: Mutex<VecDeque<Reply>>,
    pub(crate) requests: Mutex<Vec<ProviderHttpRequest>>,
}

pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) pieces: Vec<Vec<u8>>,
    /// Whether the connection breaks after that.
    pub(crate) breaks: bool,
}

impl Reply {
    pub(crate) fn new(status: u16, body: &str) -> Self {
        Self { status, headers: Vec::new(), pieces: vec![body.into()], breaks: false }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

impl Told {
    pub(crate) fn new(replies: impl IntoIterator<Item = Reply>) -> Arc<Self> {
        Arc::new(Self { answers: Mutex::new(replies.into_iter().collect()), requests: Mutex::default() })
    }

    /// The bodies that were sent.
    pub(crate) fn bodies(&self) -> Vec<Value> {
        self.requests.lock().unwrap().iter().map(|request| serde_json::from_slice(&request.body).unwrap()).collect()
    }

    /// A header of the last request.
    pub(crate) fn sent(&self, name: &str) -> Option<String> {
        let requests = self.requests.lock().unwrap();
        let headers = &requests.last().unwrap().headers;
        headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.expose().to_owned())
    }
}

#[async_trait]
impl Transport for Told {
    async fn open(&self, request: ProviderHttpRequest) -> Result<ProviderHttpResponse, TransportError> {
        self.requests.lock().unwrap().push(request);
        let Some(reply) = self.answers.lock().unwrap().pop_front() else {
            return Err(TransportError::Connection { source: "refused".into() });
        };
        let broken = reply.breaks.then(|| Err(TransportError::Connection { source: "reset".into() }));
        let pieces = reply.pieces.into_iter().map(Ok).chain(broken);
        let body = stream::iter(pieces.collect::<Vec<_>>()).boxed();
        Ok(ProviderHttpResponse { status: reply.status, headers: reply.headers, body })
    }
}

pub(crate) fn settings(kind: ProviderKind) -> ProviderSettings {
    let mut settings = ProviderSettings::new("p", kind, "http://localhost:1/v1");
    settings.api_key = Some(Secret::new("sk-secret-key"));
    settings
}

pub(crate) fn provider(kind: ProviderKind, told: &Arc<Told>) -> HttpProvider {
    HttpProvider::new(settings(kind), Arc::clone(told) as _, Arc::new(NoCredentials)).unwrap()
}

pub(crate) fn at_once<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().unwrap()
}

/// A conversation with everything in it.
pub(crate) fn request() -> ChatRequest {
    let messages = json!([
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What is in a.txt?"},
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "hm", "signature": "s1"},
            {"type": "text", "text": "I look."},
            {"type": "toolCall", "id": "call.1", "name": "mcp.read", "args": {"path": "a.txt"}},
            {"type": "toolCall", "id": "c2", "name": "bash", "args": "{broken"},
        ]},
        {"role": "tool", "content": [{"type": "toolResult", "callId": "call.1", "result": {"text": "hello"}}]},
        {"role": "tool", "content": [{"type": "toolResult", "callId": "c2", "result": "no", "isError": true}]},
        {"role": "system", "content": "A note."},
        {"role": "user", "content": [
            {"type": "text", "text": "And now?"},
            {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
            {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        ]},
    ]);
    let tool = |name: &str, schema: Value| ToolDefinition {
        name: name.to_owned(),
        description: format!("The tool {name}."),
        input_schema: schema,
    };
    ChatRequest {
        model: "m-1".to_owned(),
        messages: serde_json::from_value::<Vec<Message>>(messages).unwrap(),
        tools: vec![
            tool("mcp.read", json!({"type": "object", "properties": {"path": {"type": "string"}}})),
            tool("bash", json!({})),
        ],
        max_output_tokens: 1_000,
        temperature: Some(0.5),
    }
}

/// What a body, cut into pieces, comes to: the events as text, and how it ends.
pub(crate) fn read(kind: ProviderKind, pieces: Vec<Vec<u8>>) -> (Vec<ChatEvent>, Option<ProviderError>) {
    let told = Told::new([Reply { status: 200, headers: Vec::new(), pieces, breaks: false }]);
    let provider = provider(kind, &told);
    match at_once(provider.stream(&request())) {
        Err(error) => (Vec::new(), Some(error)),
        Ok(stream) => {
            let mut events = Vec::new();
            for event in at_once(stream.collect::<Vec<_>>()) {
                match event {
                    Ok(event) => events.push(event),
                    Err(error) => return (events, Some(error)),
                }
            }
            (events, None)
        }
    }
}

/// An answer as a person compares it.
pub(crate) fn shown(kind: ProviderKind, body: &str) -> Value {
    let (events, error) = read(kind, vec![body.into()]);
    let pieces = events.iter().filter_map(|event| match event {
        ChatEvent::Text(text) => Some(json!(text)),
        ChatEvent::ToolCall { id, name } => Some(json!({"call": name, "id": id})),
        ChatEvent::Done(_) => None,
    });
    let mut value = json!({"pieces": pieces.collect::<Vec<_>>()});
    if let Some(error) = error {
        value["error"] = error.to_string().into();
        if let Some(partial) = error.partial() {
            value["partial"] = serde_json::to_value(&partial.message.content).unwrap();
        }
    }
    if let Some(ChatEvent::Done(answer)) = events.last() {
        value["content"] = serde_json::to_value(&answer.message.content).unwrap();
        value["stop"] = answer.stop.as_str().into();
        value["usage"] = serde_json::to_value(answer.usage).unwrap();
        value["model"] = answer.model.as_str().into();
        value["usageIsEstimated"] = answer.usage_is_estimated.into();
        value["cost"] = json!(answer.cost);
    }
    value
}

/// Where a stream is cut into pieces must not matter, and where it is cut off it must say so, with what came until then.
pub(crate) fn check_cuts(kind: ProviderKind, body: &str, step: usize) {
    let whole = read(kind, vec![body.into()]);
    assert!(whole.1.is_none(), "{:?}", whole.1);
    let Some(ChatEvent::Done(done)) = whole.0.last() else { panic!("no end") };
    let text = done.message.plain_text();
    for at in (0..body.len()).step_by(step) {
        let (head, tail) = body.as_bytes().split_at(at);
        let cut = read(kind, vec![head.to_vec(), tail.to_vec()]);
        assert!(cut.1.is_none() && cut.0 == whole.0, "in pieces at {at}: {cut:?}");
        let (events, error) = read(kind, vec![head.to_vec()]);
        match (events.last(), error) {
            // Only what says nothing more may be missing
            (Some(ChatEvent::Done(answer)), None) => assert_eq!(answer.message, done.message, "cut off at {at}"),
            (_, Some(ProviderError::Interrupted { partial, .. })) => {
                let part = partial.message.plain_text();
                let said: String = events.iter().filter_map(text_of).collect();
                assert!(text.starts_with(&part) && part == said, "cut off at {at}: {part}");
            }
            (last, error) => panic!("cut off at {at}: {last:?} {error:?}"),
        }
    }
    let bytes: Vec<Vec<u8>> = body.bytes().map(|byte| vec![byte]).collect();
    assert_eq!(read(kind, bytes).0, whole.0);
}

fn text_of(event: &ChatEvent) -> Option<&str> {
    match event {
        ChatEvent::Text(text) => Some(text),
        _ => None,
    }
}

/// For snapshots: `insta` would show numbers as they are kept inside.
pub(crate) fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap()
}

/// A stream of events with these data, each named by its own type.
pub(crate) fn events(all: &[Value]) -> String {
    all.iter()
        .map(|data| match data.get("type").and_then(Value::as_str) {
            Some(name) => format!("event: {name}\ndata: {data}\n\n"),
            None => format!("data: {data}\n\n"),
        })
        .collect()
}
