//! The conversation: an agent's loop over a model and tools, its sessions, and what they cost.
//!
//! A session survives its process: every message is stored before anything follows from it, and every tool call is in a
//! journal before it begins. This crate does not know what a tool does, who may do what, or what a screen looks like:
//! those are its ports.

#![forbid(unsafe_code)]

mod adapters;
mod agent;
mod agents;
mod announce;
mod calls;
mod chat;
mod commands;
mod compaction;
mod context;
mod conversation;
mod cost;
mod ended;
mod error;
mod interruption;
mod live;
mod mend;
mod ports;
mod repetition;
mod retry;
mod screen;
mod session_view;
mod settings;
mod store;
mod stream;
mod turn;

pub use adapters::sqlite::SqliteSessions;
pub use agents::{Parent, Role, SubTask};
pub use chat::{Chat, ChatPorts, WeakChat};
pub use commands::builtin_commands;
pub use conversation::Conversation;
pub use ended::{EndReason, Ended};
pub use error::ChatError;
pub use ports::{
    Begins, CommandOutcome, Commands, Models, PluginLine, SlashCommand, ToolCall, ToolOutcome, ToolRemark, Toolbox,
};
pub use retry::{Sleeper, TokioSleeper};
pub use screen::{Screen, Shown};
pub use session_view::StoredSessions;
pub use settings::{AgentRole, Budget, ChatSettings, Compaction, Retries};
pub use store::{
    AgentRecord, CallOutcome, CallRecord, CallRemark, DaySpending, Exported, Journalled, ModelSpending, NewSession,
    Session, SessionStore, StoreError, Stored, Totals,
};
