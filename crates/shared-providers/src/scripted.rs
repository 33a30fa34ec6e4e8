use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures::stream;

use crate::{
    ChatEvent, ChatRequest, ChatResponse, ChatStream, LlmProvider, Message, ProviderError, Role, StopReason, Usage,
};

/// A provider without a model: it gives the answers that it was told, one after the other. For tests and demonstrations.
///
/// It counts a token for every four bytes of the request's JSON, begun ones included.
#[derive(Debug, Default)]
pub struct ScriptedProvider {
    script: Mutex<VecDeque<ScriptedAnswer>>,
    repeats: bool,
    requests: Mutex<Vec<ChatRequest>>,
}

/// One answer of a [`ScriptedProvider`].
#[derive(Debug, Clone, PartialEq)]
pub struct ScriptedAnswer {
    /// The text, in the pieces in which it is streamed.
    pub pieces: Vec<String>,
    /// What it uses.
    pub usage: Usage,
}

impl ScriptedAnswer {
    /// An answer in one piece.
    pub fn new(text: impl Into<String>, usage: Usage) -> Self {
        Self { pieces: vec![text.into()], usage }
    }
}

impl ScriptedProvider {
    /// Gives these answers, and fails afterwards.
    pub fn new(script: impl IntoIterator<Item = ScriptedAnswer>) -> Self {
        Self { script: Mutex::new(script.into_iter().collect()), ..Self::default() }
    }

    /// Gives this answer again and again.
    pub fn repeating(answer: ScriptedAnswer) -> Self {
        Self { repeats: true, ..Self::new([answer]) }
    }

    /// What was asked so far.
    pub fn requests(&self) -> Vec<ChatRequest> {
        lock(&self.requests).clone()
    }

    fn next(&self, request: &ChatRequest) -> Result<(ScriptedAnswer, ChatResponse), ProviderError> {
        lock(&self.requests).push(request.clone());
        let mut script = lock(&self.script);
        let answer = if self.repeats { script.front().cloned() } else { script.pop_front() };
        let answer = answer.ok_or_else(|| ProviderError::InvalidReply {
            provider: self.name().to_owned(),
            detail: "the script is over".to_owned(),
        })?;
        let message = Message::text(Role::Assistant, answer.pieces.concat());
        let response = ChatResponse::new(message, StopReason::End, answer.usage, &request.model);
        Ok((answer, response))
    }
}

#[async_trait]
impl LlmProvider for ScriptedProvider {
    fn name(&self) -> &str {
        "scripted"
    }

    async fn complete(&self, request: &ChatRequest) -> Result<ChatResponse, ProviderError> {
        self.next(request).map(|(_, response)| response)
    }

    async fn stream(&self, request: &ChatRequest) -> Result<ChatStream, ProviderError> {
        let (answer, response) = self.next(request)?;
        let pieces = answer.pieces.into_iter().map(ChatEvent::Text);
        let events = pieces.chain([ChatEvent::Done(Box::new(response))]).map(Ok).collect::<Vec<_>>();
        Ok(Box::pin(stream::iter(events)))
    }

    async fn count_tokens(&self, request: &ChatRequest) -> Result<u64, ProviderError> {
        let text = serde_json::to_string(&(&request.messages, &request.tools)).unwrap_or_default();
        Ok((text.len() as u64).div_ceil(4))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails here should stop")]

    use futures::{FutureExt as _, StreamExt as _};

    use super::*;

    fn at_once<T>(future: impl Future<Output = T>) -> T {
        future.now_or_never().unwrap()
    }

    #[test]
    fn says_what_it_was_told_whole_or_in_pieces() {
        let pieces = ScriptedAnswer { pieces: vec!["a".into(), "b".into()], usage: Usage::new(1, 2) };
        let provider = ScriptedProvider::new([ScriptedAnswer::new("one", Usage::default()), pieces]);
        let request = ChatRequest {
            model: "m".into(),
            messages: vec![Message::text(Role::User, "hi")],
            tools: Vec::new(),
            max_output_tokens: 1,
            temperature: None,
        };
        assert_eq!(at_once(provider.complete(&request)).unwrap().message.plain_text(), "one");
        let events = at_once(provider.stream(&request)).unwrap().collect::<Vec<_>>();
        let events = at_once(events);
        let events = events.into_iter().map(Result::unwrap).collect::<Vec<_>>();
        assert_eq!(events[..2], [ChatEvent::Text("a".into()), ChatEvent::Text("b".into())]);
        assert!(matches!(&events[2], ChatEvent::Done(done) if done.usage == Usage::new(1, 2)));
        assert!(at_once(provider.complete(&request)).is_err(), "the script is over");
        assert_eq!(provider.requests().len(), 3);
        assert!(at_once(provider.count_tokens(&request)).unwrap() > 5);
        let provider = ScriptedProvider::repeating(ScriptedAnswer::new("x", Usage::default()));
        assert!((0..3).all(|_| at_once(provider.complete(&request)).is_ok()));
    }
}
