//! What each event means: its payload, the answers that it takes, and what an answer does to it.
//!
//! Each family of events has a module with everything about them: payload types, answers, the rules, and the typed
//! emitter that a feature calls. The list of all events ([`catalogue`]), the check of answers ([`judge`]) and the SDK's
//! types ([`event_types_ts`]) are read off those types, so that there is one source.
//!
//! This crate deliberately does not know who gets an event, in which order, or where a plugin runs: an emitter hands
//! JSON text to its port [`Emit`] and reads the decision off what comes back.

#![forbid(unsafe_code)]

mod agent;
mod alias;
mod answer;
mod catalogue;
mod command;
mod cost;
mod decision;
mod definition;
mod emitter;
mod event;
mod file;
mod message;
mod patch;
mod payload;
mod permission;
mod ports;
mod schemas;
mod session;
mod shape;
mod tool;
mod typescript;

pub use agent::{AgentCompleted, AgentCreated, AgentEvents, AgentFailed, AgentInfo, AgentStarted};
pub use alias::{handler_names, selects};
pub use answer::{InvalidAnswer, Judgement, Reply, Verdict, judge};
pub use catalogue::{AnswerEntry, EventEntry, FieldEntry, catalogue};
pub use command::{CommandEvents, CommandExecuted, SlashCommandExecuted};
pub use cost::{BudgetDecision, BudgetExceeded, CostEvents, CostUpdated};
pub use decision::Decision;
pub use definition::{ClosedEffect, Mode, OnThrow, mode, on_closed_failure, waits};
pub use emitter::Hooks;
pub use event::PluginEvent;
pub use file::{FileDeleted, FileEvents, FileModified};
pub use message::{ChatMessage, MessageAdded, MessageEvents, MessageRemoved, MessageUpdated};
pub use payload::{ErrorInfo, InvalidPayload, Payload};
pub use permission::{PermissionAsk, PermissionDecision, PermissionEvents, PermissionReplied, PermissionRequest};
pub use ports::{Emit, Emitted, Outcome, Raised};
pub use session::{
    CompactionTrigger, IdleReason, SessionCompacted, SessionCompacting, SessionCreated, SessionError, SessionEvents,
    SessionIdle, SessionInfo, SessionResumed,
};
pub use tool::{ToolEvents, ToolExecuteAfter, ToolExecuteBefore, ToolSource};
pub use typescript::event_types_ts;
