//! The session as a whole.

use mimir_shared_config::EventName;
use schemars::{JsonSchema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::answer::Asked;
use crate::definition::{AnswerDefinition, ClosedEffect, Definition, Mode, OnThrow};
use crate::payload::payloads;
use crate::{Decision, ErrorInfo, Hooks, InvalidAnswer, Judgement, Verdict};

payloads! {
    /// A session has begun.
    SessionCreated {
        /// The session.
        session: SessionInfo,
    }
    /// A session goes on after a break.
    SessionResumed {
        /// The session.
        session: SessionInfo,
    }
    /// The conversation is about to be compacted.
    SessionCompacting {
        /// What started it.
        trigger: CompactionTrigger,
        /// What the summary should heed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        instructions: Option<String>,
        /// How many messages there are.
        message_count: u64,
        /// How many tokens they have.
        tokens: u64,
        /// What plugins want to be kept, in their order.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        context: Vec<String>,
    }
    /// The conversation was compacted.
    SessionCompacted {
        /// What started it.
        trigger: CompactionTrigger,
        /// What is left of the conversation.
        summary: String,
        /// Tokens before.
        tokens_before: u64,
        /// Tokens after.
        tokens_after: u64,
    }
    /// The agent has nothing to do.
    SessionIdle {
        /// Why.
        reason: IdleReason,
        /// The session.
        session: SessionInfo,
    }
    /// Something went wrong in the session.
    SessionError {
        /// What.
        error: ErrorInfo,
    }
}

/// A session as events carry it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionInfo {
    /// Its id.
    pub id: String,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The model that it talks to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// When it began, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<u64>,
    /// What else is known of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Map<String, Value>>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// What started a compaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CompactionTrigger {
    /// The conversation grew too long.
    Auto,
    /// The user asked for it.
    Manual,
}

/// Why the agent has nothing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum IdleReason {
    /// The task is done.
    Completed,
    /// It waits for the user.
    Waiting,
    /// The process ends.
    Exit,
}

/// An answer to `session.compacting`.
#[derive(Deserialize, JsonSchema)]
#[serde(rename = "SessionCompactingAnswer", deny_unknown_fields, rename_all = "camelCase")]
struct CompactingAnswer {
    /// What the summary must keep; added to what other plugins gave.
    #[serde(default)]
    context: Option<Vec<String>>,
    /// What the summary should heed, instead of the instructions so far.
    #[serde(default)]
    instructions: Option<String>,
    /// Whether the conversation must not be compacted.
    #[serde(default)]
    cancel: Option<bool>,
    /// Why.
    #[serde(default)]
    reason: Option<String>,
}

pub(crate) static CREATED: Definition =
    Definition::tells::<SessionCreated>(EventName::SessionCreated, "A session has begun.", false);
pub(crate) static RESUMED: Definition =
    Definition::tells::<SessionResumed>(EventName::SessionResumed, "A session goes on after a break.", false);
pub(crate) static COMPACTED: Definition =
    Definition::tells::<SessionCompacted>(EventName::SessionCompacted, "The conversation was compacted.", false);
pub(crate) static IDLE: Definition = Definition::tells::<SessionIdle>(
    EventName::SessionIdle,
    "The agent has nothing to do. With reason `completed` it is also called `session.completed`.",
    false,
);
pub(crate) static ERROR: Definition =
    Definition::tells::<SessionError>(EventName::SessionError, "Something went wrong in the session.", false);

pub(crate) static COMPACTING: Definition = Definition {
    event: EventName::SessionCompacting,
    description: "The conversation is about to be compacted. Plugins may say what must be kept, or cancel it.",
    mode: Mode::Sequential,
    waits: true,
    on_throw: OnThrow::Fails,
    on_closed: ClosedEffect::Blocks,
    payload: SchemaGenerator::subschema_for::<SessionCompacting>,
    answer: Some(AnswerDefinition {
        schema: SchemaGenerator::subschema_for::<CompactingAnswer>,
        forms: &[
            ("{ context: [...] }", "the summary keeps these texts as well"),
            ("{ instructions }", "the summary is written by these instructions"),
            ("{ cancel: true, reason }", "the conversation is not compacted"),
        ],
        in_place: None,
        judge: judge_compacting,
    }),
};

fn judge_compacting(asked: &Asked<'_>) -> Result<Judgement, InvalidAnswer> {
    let CompactingAnswer { context, instructions, cancel, reason } = asked.read()?;
    if cancel == Some(true) {
        return Ok(Verdict::blocked(reason).into());
    }
    let reason = reason.filter(|_| cancel.is_none() || context.is_some() || instructions.is_some());
    let context = context.filter(|context| !context.is_empty()).map(|added| {
        let before = serde_json::from_str::<ContextBefore>(asked.payload).unwrap_or_default().context;
        before.into_iter().chain(added.into_iter().map(Value::String)).collect()
    });
    asked.change([("context", context), ("instructions", instructions.map(Value::String))], reason)
}

#[derive(Default, Deserialize)]
struct ContextBefore {
    #[serde(default)]
    context: Vec<Value>,
}

/// Raises the events about the session.
#[derive(Clone)]
pub struct SessionEvents(pub(crate) Hooks);

impl SessionEvents {
    /// `session.created`, in the background.
    pub fn created(&self, event: &SessionCreated) {
        self.0.tell(event);
    }

    /// `session.resumed`, in the background.
    pub fn resumed(&self, event: &SessionResumed) {
        self.0.tell(event);
    }

    /// `session.compacting`: whether the conversation may be compacted, and how.
    pub async fn compacting(&self, event: SessionCompacting) -> Decision<SessionCompacting> {
        self.0.decide(event).await
    }

    /// `session.compacted`, in the background.
    pub fn compacted(&self, event: &SessionCompacted) {
        self.0.tell(event);
    }

    /// `session.idle`, in the background.
    pub fn idle(&self, event: &SessionIdle) {
        self.0.tell(event);
    }

    /// `session.error`, in the background.
    pub fn error(&self, event: &SessionError) {
        self.0.tell(event);
    }
}
