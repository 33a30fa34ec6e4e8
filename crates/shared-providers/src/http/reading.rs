use std::collections::VecDeque;

use eventsource_stream::{Event, EventStream, EventStreamError};
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use serde_json::Value;

use super::answer::Answer;
use super::dialect::{Decoder, Dialect, Trouble};
use super::failure::{Said, clean};
use super::lines::{Broken, Bytes, lines};
use crate::{ChatEvent, ChatStream, ProviderError, Secret, TransportError};

/// Reads one answer.
pub(super) struct Reading {
    provider: String,
    secrets: Vec<Secret>,
    event_bytes: usize,
    answer: Answer,
    /// Whether anything of the answer has come.
    has_begun: bool,
}

/// A streamed answer under way.
struct Streamed {
    reading: Reading,
    events: BoxStream<'static, Result<Event, EventStreamError<Broken>>>,
    decoder: Box<dyn Decoder>,
    ready: VecDeque<ChatEvent>,
    is_over: bool,
}

impl Reading {
    pub(super) fn new(provider: String, secrets: Vec<Secret>, event_bytes: usize, answer: Answer) -> Self {
        Self { provider, secrets, event_bytes, answer, has_begun: false }
    }

    /// Looks at the first bytes, which say more than any header about what comes, and reads it as that.
    pub(super) async fn begin(self, mut body: Bytes, dialect: &dyn Dialect) -> Result<ChatStream, ProviderError> {
        let mut start: Vec<u8> = Vec::new();
        let first = loop {
            if let Some(first) = start.iter().find(|b| !b.is_ascii_whitespace()) {
                break Some(*first);
            }
            match body.next().await {
                Some(Ok(piece)) if start.len() + piece.len() <= self.event_bytes => start.extend_from_slice(&piece),
                Some(Ok(_)) => return Err(self.nonsense("it begins with nothing but blanks")),
                Some(Err(error)) => return Err(self.broken(error)),
                None => break None,
            }
        };
        match first {
            None => Err(self.interrupted("it ended before it began".to_owned())),
            Some(b'{' | b'[') => self.whole(start, body, dialect).await,
            Some(b'<') => {
                let said = Said::read(&start, &self.secrets());
                Err(self.nonsense(&format!("it is {}", said.message)))
            }
            Some(_) if !looks_like_events(&start) => {
                let said = Said::read(&start, &self.secrets());
                Err(self.nonsense(&format!("it is neither a stream of events nor JSON, but `{}`", said.message)))
            }
            Some(_) => {
                let body = stream::iter([Ok(start)]).chain(body).boxed();
                let events = EventStream::new(lines(body, self.event_bytes)).boxed();
                let decoder = dialect.decoder();
                let streamed = Streamed { reading: self, events, decoder, ready: VecDeque::new(), is_over: false };
                Ok(stream::unfold(Some(streamed), step).boxed())
            }
        }
    }

    /// An answer in one piece.
    async fn whole(
        mut self,
        start: Vec<u8>,
        mut body: Bytes,
        dialect: &dyn Dialect,
    ) -> Result<ChatStream, ProviderError> {
        let mut text = start;
        while let Some(piece) = body.next().await {
            match piece {
                // The transport bounds how much there is of it
                Ok(piece) => text.extend_from_slice(&piece),
                Err(error) => return Err(self.broken(error)),
            }
        }
        let json: Value = match serde_json::from_slice(&text) {
            Ok(json) => json,
            Err(error) if error.is_eof() => return Err(self.interrupted("the connection ended".to_owned())),
            Err(_) => return Err(self.nonsense("it is no JSON")),
        };
        match dialect.whole(&json, &mut self.answer) {
            Ok(mut events) => {
                events.push(ChatEvent::Done(Box::new(self.answer.finish())));
                Ok(stream::iter(events.into_iter().map(Ok)).boxed())
            }
            Err(trouble) => Err(self.trouble(trouble)),
        }
    }

    fn secrets(&self) -> Vec<&Secret> {
        self.secrets.iter().collect()
    }

    fn nonsense(&self, detail: &str) -> ProviderError {
        let detail = clean(detail, &self.secrets());
        ProviderError::InvalidReply { provider: self.provider.clone(), detail }
    }

    fn interrupted(self, detail: String) -> ProviderError {
        ProviderError::Interrupted { provider: self.provider, detail, partial: Box::new(self.answer.partial()) }
    }

    fn broken(self, error: TransportError) -> ProviderError {
        match error {
            TransportError::TooLarge { .. } => self.nonsense(&error.to_string()),
            error => self.interrupted(error.to_string()),
        }
    }

    fn trouble(self, trouble: Trouble) -> ProviderError {
        match trouble {
            Trouble::Nonsense(detail) => self.nonsense(&detail),
            Trouble::Failed(json) => {
                let said = Said::from_json(&json, &self.secrets());
                if self.has_begun {
                    let detail = if said.message.is_empty() { "it failed".to_owned() } else { said.message };
                    return self.interrupted(detail);
                }
                let status = said.status();
                said.error(&self.provider, status, None)
            }
        }
    }
}

/// Whether bytes are the beginning of a stream of events, or may become one.
fn looks_like_events(start: &[u8]) -> bool {
    let start = start.trim_ascii_start();
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
    let fields: [&[u8]; 6] = [b":", b"data", b"event", b"id", b"retry", b"\xef\xbb\xbf"];
    start.is_empty() || fields.iter().any(|field| start.starts_with(field) || field.starts_with(start))
}

type Item = (Result<ChatEvent, ProviderError>, Option<Streamed>);

async fn step(streamed: Option<Streamed>) -> Option<Item> {
    let mut streamed = streamed?;
    loop {
        if let Some(event) = streamed.ready.pop_front() {
            return Some((Ok(event), Some(streamed)));
        }
        if streamed.is_over {
            return Some((Ok(ChatEvent::Done(Box::new(streamed.reading.answer.finish()))), None));
        }
        let Streamed { reading, events, decoder, ready, is_over } = &mut streamed;
        // Once the service has said why it ended, nothing that is missing after that matters
        let is_ended = reading.answer.stop.is_some();
        match events.next().await {
            Some(Ok(event)) => match decoder.event(&event, &mut reading.answer) {
                Ok(step) => {
                    reading.has_begun |= !step.shown.is_empty();
                    ready.extend(step.shown);
                    *is_over = step.is_over;
                }
                Err(trouble) => return Some((Err(streamed.reading.trouble(trouble)), None)),
            },
            None | Some(Err(EventStreamError::Transport(Broken::Transport(_)))) if is_ended => *is_over = true,
            Some(Err(EventStreamError::Transport(Broken::Transport(error)))) => {
                return Some((Err(streamed.reading.broken(error)), None));
            }
            Some(Err(EventStreamError::Transport(error @ Broken::TooLong(_)))) => {
                return Some((Err(streamed.reading.nonsense(&error.to_string())), None));
            }
            Some(Err(_)) => return Some((Err(streamed.reading.nonsense("it is no stream of events")), None)),
            None => return Some((Err(streamed.reading.interrupted("the connection ended".to_owned())), None)),
        }
    }
}
