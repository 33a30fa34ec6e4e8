//! The agent's tools, whatever they come from, behind one dispatcher.
//!
//! There is no other way to run a tool: a tool runs with a [`Pass`], which only the [`Dispatcher`] makes. Each call passes
//! `tool.execute.before`, its permission, and `tool.execute.after`. Who decides about permissions and who runs sub-agents:
//! those are its ports.

#![forbid(unsafe_code)]

mod dispatcher;
mod ports;
#[cfg(test)]
mod testing;
mod tool;

pub use dispatcher::{Conflict, Dispatcher, Pass, ToolInfo};
pub use ports::{Permission, Permissions, Role, SubAgents, SubTask};
pub use tool::{CallContext, Need, Remark, Tool, ToolCall, ToolError, ToolOutcome};
