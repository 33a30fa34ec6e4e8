//! The agent's tools, whatever they come from, behind one dispatcher.
//!
//! There is no other way to run a tool: tools are handed over to it, and it hands none out. Each call passes
//! `tool.execute.before`, its permission, and `tool.execute.after`. Who decides about permissions and who runs sub-agents:
//! those are its ports.

#![forbid(unsafe_code)]

mod ports;
mod tool;

pub use ports::{Permission, Permissions, Role, SubAgents, SubTask};
pub use tool::{CallContext, Need, Remark, Tool, ToolCall, ToolError, ToolOutcome};
