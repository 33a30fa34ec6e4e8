//! Messages of the conversation.

use mimir_shared_config::EventName;
use mimir_shared_providers::Message;
use schemars::{JsonSchema, SchemaGenerator};
use serde::Deserialize;
use serde_json::Value;

use crate::answer::Asked;
use crate::definition::{AnswerDefinition, ClosedEffect, Definition, Mode, OnThrow};
use crate::payload::payloads;
use crate::{Decision, Hooks, InvalidAnswer, Judgement, Verdict};

payloads! {
    /// A message was added to the conversation.
    MessageAdded {
        /// The message.
        message: Message,
    }
    /// A message of the conversation was changed.
    MessageUpdated {
        /// The message as it is now.
        message: Message,
    }
    /// A message was removed from the conversation.
    MessageRemoved {
        /// The message as it was.
        message: Message,
    }
    /// The conversation is about to be sent to a model.
    ChatMessage {
        /// What will be sent.
        messages: Vec<Message>,
        /// The model.
        model: String,
        /// The agent that sends it, if it is not the main one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        agent_id: Option<String>,
    }
}

/// An answer to `chat.message`.
#[derive(Deserialize, JsonSchema)]
#[serde(rename = "ChatMessageAnswer", deny_unknown_fields, rename_all = "camelCase")]
struct ChatAnswer {
    /// What to send instead: all messages.
    #[serde(default)]
    #[schemars(with = "Option<Vec<Message>>")]
    messages: Option<Vec<Value>>,
    /// Whether nothing must be sent.
    #[serde(default)]
    block: Option<bool>,
    /// Why, for the user and the agent.
    #[serde(default)]
    reason: Option<String>,
}

pub(crate) static ADDED: Definition =
    Definition::tells::<MessageAdded>(EventName::MessageAdded, "A message was added to the conversation.", false);
pub(crate) static UPDATED: Definition =
    Definition::tells::<MessageUpdated>(EventName::MessageUpdated, "A message of the conversation was changed.", false);
pub(crate) static REMOVED: Definition = Definition::tells::<MessageRemoved>(
    EventName::MessageRemoved,
    "A message was removed from the conversation.",
    false,
);

pub(crate) static CHAT: Definition = Definition {
    event: EventName::ChatMessage,
    description: "The conversation is about to be sent to a model. Plugins may change it or block it.",
    mode: Mode::Sequential,
    waits: true,
    on_throw: OnThrow::Blocks,
    on_closed: ClosedEffect::Blocks,
    payload: SchemaGenerator::subschema_for::<ChatMessage>,
    answer: Some(AnswerDefinition {
        schema: SchemaGenerator::subschema_for::<ChatAnswer>,
        forms: &[
            ("{ messages }", "these messages are sent"),
            ("{ block: true, reason }", "nothing is sent"),
            ("throw", "nothing is sent; the error's message is the reason"),
        ],
        in_place: Some("messages"),
        judge: judge_chat,
    }),
};

fn judge_chat(asked: &Asked<'_>) -> Result<Judgement, InvalidAnswer> {
    let ChatAnswer { messages, block, reason } = asked.read()?;
    if block == Some(true) {
        return Ok(Verdict::blocked(reason).into());
    }
    let reason = reason.filter(|_| block.is_none() || messages.is_some());
    asked.change([("messages", messages.map(Value::Array))], reason)
}

/// Raises the events about messages.
#[derive(Clone)]
pub struct MessageEvents(pub(crate) Hooks);

impl MessageEvents {
    /// `message.added`, in the background.
    pub fn added(&self, event: &MessageAdded) {
        self.0.tell(event);
    }

    /// `message.updated`, in the background.
    pub fn updated(&self, event: &MessageUpdated) {
        self.0.tell(event);
    }

    /// `message.removed`, in the background.
    pub fn removed(&self, event: &MessageRemoved) {
        self.0.tell(event);
    }

    /// `chat.message`: whether the conversation may be sent, and what of it.
    pub async fn chat(&self, event: ChatMessage) -> Decision<ChatMessage> {
        self.0.decide(event).await
    }
}
