use mimir_shared_config::EventName;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;

use crate::answer::Asked;
use crate::{InvalidAnswer, Judgement, agent, command, cost, file, message, permission, session, tool};

/// How an event reaches the plugins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// One plugin after the other, each seeing what the one before it changed.
    Sequential,
    /// All plugins at once.
    Parallel,
}

/// What a handler does that throws.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OnThrow {
    /// It blocks, with the error's message as the reason.
    Blocks,
    /// It fails.
    Fails,
}

/// What the failure of a plugin does whose `failure` key says `closed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ClosedEffect {
    /// It blocks.
    Blocks,
    /// It denies the request.
    Denies,
    /// Nothing: the event tells of something that has happened, so there is nothing to hold back.
    Nothing,
}

/// Everything that is particular to one event. Each family's module has those of its events.
pub(crate) struct Definition {
    pub(crate) event: EventName,
    pub(crate) description: &'static str,
    pub(crate) mode: Mode,
    pub(crate) waits: bool,
    pub(crate) on_throw: OnThrow,
    pub(crate) on_closed: ClosedEffect,
    pub(crate) payload: fn(&mut SchemaGenerator) -> Schema,
    pub(crate) answer: Option<AnswerDefinition>,
}

/// The answers that an event takes.
pub(crate) struct AnswerDefinition {
    pub(crate) schema: fn(&mut SchemaGenerator) -> Schema,
    /// Each form as a plugin writes it, and what it does.
    pub(crate) forms: &'static [(&'static str, &'static str)],
    /// The field of the event that may be changed in place; the answer's key of the same name.
    pub(crate) in_place: Option<&'static str>,
    /// What an answer does that has passed the check against the schema.
    pub(crate) judge: fn(&Asked<'_>) -> Result<Judgement, InvalidAnswer>,
}

impl Definition {
    /// An event that takes no answer and happens at once for all.
    pub(crate) const fn tells<T: JsonSchema>(event: EventName, description: &'static str, waits: bool) -> Self {
        Self {
            event,
            description,
            mode: Mode::Parallel,
            waits,
            on_throw: OnThrow::Fails,
            on_closed: ClosedEffect::Nothing,
            payload: SchemaGenerator::subschema_for::<T>,
            answer: None,
        }
    }
}

/// The definition of `event`.
pub(crate) fn definition(event: EventName) -> &'static Definition {
    use EventName as E;
    match event {
        E::ToolExecuteBefore => &tool::BEFORE,
        E::ToolExecuteAfter => &tool::AFTER,
        E::PermissionAsk => &permission::ASK,
        E::PermissionReplied => &permission::REPLIED,
        E::SessionCreated => &session::CREATED,
        E::SessionResumed => &session::RESUMED,
        E::SessionCompacting => &session::COMPACTING,
        E::SessionCompacted => &session::COMPACTED,
        E::SessionIdle => &session::IDLE,
        E::SessionError => &session::ERROR,
        E::MessageAdded => &message::ADDED,
        E::MessageUpdated => &message::UPDATED,
        E::MessageRemoved => &message::REMOVED,
        E::ChatMessage => &message::CHAT,
        E::AgentCreated => &agent::CREATED,
        E::AgentStarted => &agent::STARTED,
        E::AgentCompleted => &agent::COMPLETED,
        E::AgentFailed => &agent::FAILED,
        E::FileModified => &file::MODIFIED,
        E::FileDeleted => &file::DELETED,
        E::CommandExecuted => &command::EXECUTED,
        E::SlashCommandExecuted => &command::SLASH_EXECUTED,
        E::CostUpdated => &cost::UPDATED,
        E::BudgetExceeded => &cost::BUDGET,
    }
}

/// How `event` reaches the plugins.
pub fn mode(event: EventName) -> Mode {
    definition(event).mode
}

/// Whether the agent waits until the plugins are done with `event`.
pub fn waits(event: EventName) -> bool {
    definition(event).waits
}

/// What the failure of a plugin does to `event` whose `failure` key says `closed`.
pub fn on_closed_failure(event: EventName) -> ClosedEffect {
    definition(event).on_closed
}
