use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt as _, stream};
use serde_json::{Map, Value};

use super::failure::failure;
use super::file::{FailureKind, Scenario, Turn};
use super::fill::Seen;
use super::plan::{Plan, Rounds, Step};
use super::position;
use crate::{
    ChatEvent, ChatRequest, ChatResponse, ChatStream, Content, KnownPart, LlmProvider, Message, Part, Pause,
    ProviderError, Role, StopReason, Usage,
};

/// What it calls itself, and its model.
pub(super) const NAME: &str = "scripted";
/// What tells a sub-agent its role.
const ROLE: &str = "Your role is `";
/// Nobody waits longer for a word.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A provider without a model: it plays a [`Scenario`]. It calls itself `scripted`.
///
/// It counts a token for every four bytes of the request's JSON, begun ones included.
pub struct ScenarioModel {
    scenario: Scenario,
    pause: Arc<dyn Pause>,
    /// How often a step has failed here, by role, conversation and step.
    failed: Mutex<HashMap<Failed, u32>>,
}

type Failed = (Option<String>, u64, usize);

/// What it answers.
struct Answer {
    response: ChatResponse,
    /// Before the first word.
    wait: Duration,
    /// Between two words.
    delay: Duration,
    /// What breaks it off in the middle of what it says.
    breaks: Option<String>,
}

impl ScenarioModel {
    /// Plays this scenario; `pause` lets time pass between its words.
    pub fn new(scenario: Scenario, pause: Arc<dyn Pause>) -> Self {
        Self { scenario, pause, failed: Mutex::default() }
    }

    fn answer(&self, request: &ChatRequest) -> Result<Answer, ProviderError> {
        let Scenario { main, agents, summary, end, .. } = &self.scenario;
        if is_summary(request) {
            return Ok(self.says(Message::text(Role::Assistant, summary), NAME.to_owned()));
        }
        let role = role_of(request);
        let nothing = Plan::default();
        // A sub-agent without turns of its own must not play those of the main one
        let plan = role.as_ref().map_or(main, |role| agents.get(role).unwrap_or(&nothing));
        let name = role.as_ref().map_or_else(|| NAME.to_owned(), |role| format!("{NAME}/{role}"));
        let seen = Seen::of(&request.messages);
        let conversation = position::of_beginning(&request.messages);
        let place = position::of_place(&request.messages);
        let mut at = position::next(&request.messages);
        // Every jump leads on, so that this ends
        while let Some(step) = plan.steps.get(at) {
            match step {
                Step::Jump(to) => at = *to,
                Step::Unless { condition, rounds, to } => at = if seen.holds(condition, rounds) { at + 1 } else { *to },
                Step::Play { turn, rounds } => {
                    if let Some(condition) = turn.expect.as_ref().filter(|condition| !seen.holds(condition, rounds)) {
                        return Err(super::failure::unexpected(condition, &seen));
                    }
                    let failing = turn.error.as_ref();
                    let failing = failing.filter(|failure| self.fails((role.clone(), conversation, at), failure.times));
                    let mut answer = self.played(turn, &seen, rounds, (at, place), name.clone());
                    match failing {
                        Some(said) if said.kind == FailureKind::Interrupted => {
                            // It was not played: it comes again
                            position::mark(&mut answer.response.message, at);
                            answer.breaks = Some(super::failure::words(said));
                            return Ok(answer);
                        }
                        Some(said) => return Err(failure(said)),
                        None if turn.is_answer() => return Ok(answer),
                        None => at += 1,
                    }
                }
            }
        }
        let mut message = Message::text(Role::Assistant, end);
        position::mark(&mut message, plan.steps.len());
        Ok(self.says(message, name))
    }

    fn played(&self, turn: &Turn, seen: &Seen<'_>, rounds: &Rounds, (at, place): (usize, u64), name: String) -> Answer {
        let text = turn.say.as_deref().map(|say| seen.fill(say, rounds)).unwrap_or_default();
        let calls = turn.calls.iter().enumerate().map(|(number, call)| {
            Part::Known(KnownPart::ToolCall {
                id: position::call_id(at + 1, number + 1, place),
                name: seen.fill(&call.tool, rounds),
                args: seen.fill_value(&Value::Object(call.args.clone()), rounds),
                extra: Map::new(),
            })
        });
        let content = if turn.calls.is_empty() {
            Content::Text(text)
        } else {
            let text = Some(text).filter(|text| !text.is_empty());
            let text = text.map(|text| Part::Known(KnownPart::Text { text, extra: Map::new() }));
            Content::Parts(text.into_iter().chain(calls).collect())
        };
        let mut message = Message { content, ..Message::text(Role::Assistant, "") };
        position::mark(&mut message, at + 1);
        let mut answer = self.says(message, name);
        answer.response.stop = if turn.calls.is_empty() { StopReason::End } else { StopReason::ToolCalls };
        answer.response.usage = turn.usage.map_or(self.scenario.usage, Usage::from);
        answer.response.cost = turn.cost;
        answer.wait = Duration::from_millis(turn.wait.unwrap_or_default()).min(LONGEST_PAUSE);
        answer.delay = turn.delay.map_or(answer.delay, Duration::from_millis).min(LONGEST_PAUSE);
        answer
    }

    fn says(&self, message: Message, name: String) -> Answer {
        let response = ChatResponse::new(message, StopReason::End, self.scenario.usage, name);
        Answer { response, wait: Duration::ZERO, delay: self.scenario.delay.min(LONGEST_PAUSE), breaks: None }
    }

    /// Whether the step fails this time.
    fn fails(&self, step: Failed, times: u32) -> bool {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let count = failed.entry(step).or_default();
        *count = count.saturating_add(1);
        *count <= times
    }
}

#[async_trait]
impl LlmProvider for ScenarioModel {
    fn name(&self) -> &str {
        NAME
    }

    async fn complete(&self, request: &ChatRequest) -> Result<ChatResponse, ProviderError> {
        let Answer { response, wait, breaks, .. } = self.answer(request)?;
        if !wait.is_zero() {
            self.pause.pause(wait).await;
        }
        match breaks {
            Some(detail) => Err(interrupted(&response, "", detail)),
            None => Ok(response),
        }
    }

    async fn stream(&self, request: &ChatRequest) -> Result<ChatStream, ProviderError> {
        let Answer { response, wait, delay, breaks } = self.answer(request)?;
        let text = response.message.plain_text();
        let mut words: Vec<String> = text.split_inclusive(' ').map(str::to_owned).collect();
        let end = match breaks {
            None => {
                let calls = calls(&response.message);
                calls.map(Ok).chain([Ok(ChatEvent::Done(Box::new(response.clone())))]).collect()
            }
            Some(detail) => {
                words.truncate(words.len().div_ceil(2));
                vec![Err(interrupted(&response, &words.concat(), detail))]
            }
        };
        let pause = Arc::clone(&self.pause);
        let spoken = stream::iter(words.into_iter().enumerate()).then(move |(number, word)| {
            let pause = Arc::clone(&pause);
            async move {
                let before = if number == 0 { wait } else { delay };
                if !before.is_zero() {
                    pause.pause(before).await;
                }
                Ok(ChatEvent::Text(word))
            }
        });
        Ok(Box::pin(spoken.chain(stream::iter(end))))
    }

    async fn count_tokens(&self, request: &ChatRequest) -> Result<u64, ProviderError> {
        let text = serde_json::to_string(&(&request.messages, &request.tools)).unwrap_or_default();
        Ok((text.len() as u64).div_ceil(4))
    }
}

fn calls(message: &Message) -> impl Iterator<Item = ChatEvent> + use<> {
    let parts = match &message.content {
        Content::Parts(parts) => parts.clone(),
        Content::Text(_) => Vec::new(),
    };
    parts.into_iter().filter_map(|part| match part {
        Part::Known(KnownPart::ToolCall { id, name, .. }) => Some(ChatEvent::ToolCall { id, name }),
        _ => None,
    })
}

/// An answer that breaks off after `said`.
fn interrupted(whole: &ChatResponse, said: &str, detail: String) -> ProviderError {
    let mut partial = whole.clone();
    partial.message.content = Content::Text(said.to_owned());
    partial.stop = StopReason::End;
    ProviderError::Interrupted { provider: NAME.to_owned(), detail, partial: Box::new(partial) }
}

/// A request for a summary has instructions that speak of one, and no tools.
fn is_summary(request: &ChatRequest) -> bool {
    let mut system = request.messages.iter().filter(|message| message.role == Role::System);
    let speaks_of_it = |text: &str| ["sum up", "summar"].iter().any(|words| text.contains(words));
    request.tools.is_empty() && system.any(|message| speaks_of_it(&message.plain_text().to_lowercase()))
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
