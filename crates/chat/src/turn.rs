//! The loop: ask the model, run what it asks for, ask again.

use mimir_plugins::events::CompactionTrigger;
use mimir_shared_providers::{ChatResponse, Content, KnownPart, Message, Part, Role, StopReason};
use serde_json::Value;

use crate::agent::Agent;
use crate::chat::lock;
use crate::ended::Halt;
use crate::repetition::Repetition;
use crate::stream::Audience;
use crate::{ChatError, EndReason, Ended, Shown, ToolCall, context};

/// What was said on the way to the end, also if it did not come to one.
#[derive(Debug, Default)]
pub(crate) struct Way {
    pub(crate) text: String,
    pub(crate) turns: u32,
}

impl Way {
    pub(crate) fn ends(self, reason: EndReason) -> Ended {
        Ended { reason, text: self.text, turns: self.turns }
    }
}

impl Agent {
    /// Goes on until the model is done.
    pub(crate) async fn converse(&self, way: &mut Way) -> Result<EndReason, Halt> {
        let mut repetition = Repetition::default();
        while way.turns < self.max_turns {
            self.heed_budget().await?;
            let answer = self.turn().await?;
            way.turns += 1;
            let text = answer.message.plain_text();
            if !text.trim().is_empty() {
                way.text = text;
            }
            let calls = context::calls(&answer.message);
            if calls.is_empty() {
                // What the last answer cost may have been too much: that is said now, not with the next request
                let reason = end_of(&answer.stop);
                return match self.heed_budget().await {
                    Ok(()) | Err(Halt::Stopped(_)) => Ok(reason),
                    Err(halt) => Err(halt),
                };
            }
            let done = self.run_calls(calls).await?;
            if let Some(notice) = repetition.heed(done) {
                self.live.notice(&notice);
                self.append(context::marked(context::NOTICE, notice)).await?;
            }
        }
        Err(Halt::Stopped(EndReason::TurnLimit { turns: self.max_turns }))
    }

    /// One answer of the model, stored.
    async fn turn(&self) -> Result<ChatResponse, Halt> {
        let mut is_shortened = false;
        loop {
            if self.id().is_none() {
                self.compact_if_long().await?;
            }
            let store = &self.live.shared.ports.store;
            let stored = store.conversation(self.live.id(), self.id()).await?;
            let count = stored.len();
            let messages = self.instructions().chain(context::sent(stored)).collect();
            let request = self.request(messages, self.definitions().await, None).await?;
            let mut answer = match self.ask(&request, Audience::Person).await {
                Ok(answer) => answer,
                // The estimate was wrong, or the model reads less than the threshold says
                Err(Halt::Failed(ChatError::Model { source, .. }))
                    if source.is_too_long() && self.id().is_none() && !is_shortened && self.may_compact() =>
                {
                    is_shortened = true;
                    self.compact(CompactionTrigger::Auto, None)
                        .await
                        .map_err(|why| why.into_halt(source, &self.model))?;
                    continue;
                }
                Err(halt) => return Err(halt),
            };
            answer.message = self.adopted(std::mem::replace(&mut answer.message, Message::text(Role::Assistant, "")));
            answer.message = self.append(answer.message).await?.message;
            if self.id().is_none() {
                let tokens = answer.usage.prompt_tokens().saturating_add(answer.usage.output_tokens);
                lock(&self.live.measured).last =
                    (answer.usage.prompt_tokens() > 0).then_some((count.saturating_add(1), tokens));
            }
            self.live.show(Shown::Answered { agent_id: self.id(), text: &answer.message.plain_text() });
            return Ok(answer);
        }
    }

    /// An answer as it is stored: an assistant's, with an id of the store's, and with calls that are named as no call of the
    /// session was. The journal knows calls by their names, and some models call the first of every answer `call_0`.
    fn adopted(&self, mut message: Message) -> Message {
        message.id = None;
        message.timestamp = None;
        message.role = Role::Assistant;
        let Content::Parts(parts) = &mut message.content else { return message };
        parts.retain(|part| !matches!(part, Part::Known(KnownPart::ToolResult { .. })));
        let mut used = self.live.used_calls();
        for part in parts {
            let Part::Known(KnownPart::ToolCall { id, args, .. }) = part else { continue };
            if id.is_empty() || id.len() > 128 || !id.bytes().all(is_plain) || used.contains(id.as_str()) {
                let mut number = used.len() + 1;
                while used.contains(&format!("call-{number}")) {
                    number += 1;
                }
                *id = format!("call-{number}");
            }
            used.insert(id.clone());
            if args.is_null() {
                *args = Value::Object(serde_json::Map::new());
            }
        }
        message
    }
}

/// What models' APIs take in the name of a call.
const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

fn end_of(stop: &StopReason) -> EndReason {
    match stop {
        StopReason::MaxTokens => EndReason::Truncated,
        StopReason::Refused => EndReason::Refused,
        StopReason::End | StopReason::ToolCalls | StopReason::Other(_) => EndReason::Completed,
    }
}

/// A call with what came of it, for whoever looks for repetitions.
pub(crate) struct Done {
    pub(crate) call: ToolCall,
    pub(crate) result: Value,
}
