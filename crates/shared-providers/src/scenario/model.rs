use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt, stream};
use serde_json::{Map, Value};

use super::file::{Condition, Failure, FailureKind, Scenario, Turn};
use super::fill::Seen;
use super::plan::Step;
use super::position;
use crate::{
    ChatEvent, ChatRequest, ChatResponse, ChatStream, Content, KnownPart, LlmProvider, Message, Part, Pause,
    ProviderError, Role, StopReason, Usage,
};

/// What it calls itself, and its model.
const NAME: &str = "scripted";
/// What a request for a summary begins with.
const SUMMARY: &str = "You sum up conversations";
/// What tells a sub-agent its role.
const ROLE: &str = "Your role is `";

/// A provider without a model: it plays a [`Scenario`]. It calls itself `scripted`.
///
/// It counts a token for every four bytes of the request's JSON, begun ones included.
pub struct ScenarioModel {
    scenario: Scenario,
    pause: Arc<dyn Pause>,
    /// How often a turn has failed here, by role and turn.
    failed: Mutex<HashMap<(Option<String>, usize), u32>>,
    /// The turn after the last one that the main agent was given, for a summary.
    reached: Mutex<usize>,
}

/// What it answers.
struct Answer {
    response: ChatResponse,
    delay: Duration,
}

impl ScenarioModel {
    /// Plays this scenario; `pause` lets time pass between its words.
    pub fn new(scenario: Scenario, pause: Arc<dyn Pause>) -> Self {
        Self { scenario, pause, failed: Mutex::default(), reached: Mutex::default() }
    }

    fn answer(&self, request: &ChatRequest) -> Result<Answer, ProviderError> {
        if is_summary(request) {
            return Ok(self.summary(request));
        }
        let role = role_of(request);
        let steps = role.as_ref().and_then(|role| self.scenario.agents.get(role)).unwrap_or(&self.scenario.main);
        // A sub-agent without turns of its own must not play those of the main one
        let steps = if role.is_some() && !role.as_ref().is_some_and(|role| self.scenario.agents.contains_key(role)) {
            &[][..]
        } else {
            steps
        };
        let start = position::next(&request.messages);
        for (index, Step { turn, rounds }) in steps.iter().enumerate().skip(start) {
            let seen = Seen::of(&request.messages, rounds);
            let Some(turn) = chosen(turn, &seen) else { continue };
            if let Some(failure) = &turn.error
                && self.fails(role.as_ref(), index, failure)
            {
                return Err(error(failure));
            }
            if turn.say.is_none() && turn.calls.is_empty() {
                continue;
            }
            if role.is_none() {
                *self.reached.lock().unwrap_or_else(PoisonError::into_inner) = index + 1;
            }
            return Ok(self.played(turn, &seen, index));
        }
        let mut message = Message::text(Role::Assistant, &self.scenario.end);
        position::mark(&mut message, steps.len().saturating_sub(1).max(start.saturating_sub(1)));
        Ok(said(message, StopReason::End, self.scenario.usage, None, self.scenario.delay))
    }

    fn played(&self, turn: &Turn, seen: &Seen<'_>, index: usize) -> Answer {
        let text = turn.say.as_deref().map(|say| seen.fill(say)).unwrap_or_default();
        let mut parts = Vec::new();
        if !text.is_empty() {
            parts.push(Part::Known(KnownPart::Text { text: text.clone(), extra: Map::new() }));
        }
        for (number, call) in turn.calls.iter().enumerate() {
            parts.push(Part::Known(KnownPart::ToolCall {
                id: format!("call_{}_{}", index + 1, number + 1),
                name: seen.fill(&call.tool),
                args: seen.fill_value(&Value::Object(call.args.clone())),
                extra: Map::new(),
            }));
        }
        let content = if turn.calls.is_empty() { Content::Text(text) } else { Content::Parts(parts) };
        let mut message = Message { content, ..Message::text(Role::Assistant, "") };
        position::mark(&mut message, index);
        let stop = if turn.calls.is_empty() { StopReason::End } else { StopReason::ToolCalls };
        let usage = turn.usage.map_or(self.scenario.usage, Usage::from);
        let delay = turn.delay.map_or(self.scenario.delay, Duration::from_millis);
        said(message, stop, usage, turn.cost, delay)
    }

    fn summary(&self, request: &ChatRequest) -> Answer {
        let reached = *self.reached.lock().unwrap_or_else(PoisonError::into_inner);
        let next = position::next(&request.messages).max(reached);
        let text = format!("{}\n\n{}", self.scenario.summary, position::words(next));
        let message = Message::text(Role::Assistant, text);
        said(message, StopReason::End, self.scenario.usage, None, Duration::ZERO)
    }

    /// Whether the turn fails this time.
    fn fails(&self, role: Option<&String>, index: usize, failure: &Failure) -> bool {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let count = failed.entry((role.cloned(), index)).or_default();
        *count = count.saturating_add(1);
        *count <= failure.times
    }
}

#[async_trait]
impl LlmProvider for ScenarioModel {
    fn name(&self) -> &str {
        NAME
    }

    async fn complete(&self, request: &ChatRequest) -> Result<ChatResponse, ProviderError> {
        self.answer(request).map(|answer| answer.response)
    }

    async fn stream(&self, request: &ChatRequest) -> Result<ChatStream, ProviderError> {
        let Answer { response, delay } = self.answer(request)?;
        let text = response.message.plain_text();
        let words: Vec<String> = text.split_inclusive(' ').map(str::to_owned).collect();
        let pause = Arc::clone(&self.pause);
        let spoken = stream::iter(words).then(move |word| {
            let pause = Arc::clone(&pause);
            async move {
                if !delay.is_zero() {
                    pause.pause(delay).await;
                }
                Ok(ChatEvent::Text(word))
            }
        });
        let done = stream::iter([Ok(ChatEvent::Done(Box::new(response)))]);
        Ok(Box::pin(spoken.chain(done)))
    }

    async fn count_tokens(&self, request: &ChatRequest) -> Result<u64, ProviderError> {
        let text = serde_json::to_string(&(&request.messages, &request.tools)).unwrap_or_default();
        Ok((text.len() as u64).div_ceil(4))
    }
}

fn said(message: Message, stop: StopReason, usage: Usage, cost: Option<f64>, delay: Duration) -> Answer {
    Answer {
        response: ChatResponse { message, stop, usage, model: NAME.to_owned(), cost, usage_is_estimated: false },
        delay,
    }
}

/// The turn that is played: itself, or what stands under `else`.
fn chosen<'a>(turn: &'a Turn, seen: &Seen<'_>) -> Option<&'a Turn> {
    match &turn.when {
        Some(condition) if !holds(condition, seen) => chosen(turn.otherwise.as_deref()?, seen),
        _ => Some(turn),
    }
}

fn holds(condition: &Condition, seen: &Seen<'_>) -> bool {
    let Condition { result, is_error, user } = condition;
    result.as_ref().is_none_or(|text| seen.text().contains(text))
        && is_error.is_none_or(|wanted| seen.results.iter().any(|(_, is_error)| *is_error) == wanted)
        && user.as_ref().is_none_or(|text| seen.user.contains(text))
}

fn is_summary(request: &ChatRequest) -> bool {
    let mut system = request.messages.iter().filter(|message| message.role == Role::System);
    request.tools.is_empty() && system.any(|message| message.plain_text().starts_with(SUMMARY))
}

/// The role of a sub-agent: what its model is called after the slash, or what its instructions say.
fn role_of(request: &ChatRequest) -> Option<String> {
    let model = request.model.strip_prefix(NAME).unwrap_or(&request.model).trim_start_matches('/');
    if !model.is_empty() {
        return Some(model.to_owned());
    }
    let system = request.messages.iter().filter(|message| message.role == Role::System);
    system.rev().find_map(|message| {
        let text = message.plain_text();
        let (_, rest) = text.split_once(ROLE)?;
        rest.split_once('`').map(|(role, _)| role.to_owned())
    })
}

fn error(failure: &Failure) -> ProviderError {
    let provider = NAME.to_owned();
    let message = failure.message.clone().unwrap_or_else(|| "the scenario says so".to_owned());
    match failure.kind {
        FailureKind::RateLimited => ProviderError::RateLimited {
            provider,
            retry_after: failure.retry_after.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
        },
        FailureKind::Unauthorized => ProviderError::Unauthorized { provider },
        FailureKind::Rejected => ProviderError::Rejected { provider, status: 400, message },
        FailureKind::Unreachable => ProviderError::Transport { provider, source: message.into() },
        FailureKind::Nonsense => ProviderError::InvalidReply { provider, detail: message },
    }
}
