//! The conversation: an agent's loop over a model and tools, its sessions, and what they cost.
//!
//! A session survives its process: every message is stored before anything follows from it, and every tool call is in a
//! journal before it begins. This crate does not know what a tool does, who may do what, or what a screen looks like:
//! those are its ports.

#![forbid(unsafe_code)]

mod adapters;
mod ports;
mod screen;
mod store;

pub use adapters::sqlite::SqliteSessions;
pub use ports::{CommandOutcome, Commands, SlashCommand, ToolCall, ToolOutcome, ToolRemark, Toolbox};
pub use screen::{Screen, Shown};
pub use store::{
    AgentRecord, CallOutcome, CallRecord, CallRemark, DaySpending, Exported, Journalled, ModelSpending, NewSession,
    Session, SessionStore, StoreError, Stored, Totals,
};
