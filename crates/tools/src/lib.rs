//! The agent's tools, whatever they come from, behind one dispatcher.
//!
//! There is no other way to run a tool: a tool runs with a [`Pass`], which only the [`Dispatcher`] makes. Each call passes
//! `tool.execute.before`, its permission, and `tool.execute.after`. Who decides about permissions and who runs sub-agents:
//! those are its ports.

#![forbid(unsafe_code)]

mod adapters;
mod arguments_line;
mod builtin;
mod commands;
mod custom;
mod dispatcher;
mod keys;
mod mcp;
mod plain;
mod plugin_host;
mod plugin_ports;
mod plugin_tools;
mod ports;
mod search;
#[cfg(test)]
mod testing;
mod tool;

pub use adapters::ProjectSearch;
pub use builtin::{BuiltinPorts, BuiltinSettings, builtin_tools, task_tool};
pub use commands::{CommandCall, CommandCatalog, CommandInfo, CommandOutcome, NameConflict};
pub use custom::{Containers, CustomFolder, CustomRunners, LoadProblem, load_custom_tools};
pub use dispatcher::{Begins, Conflict, Dispatcher, Pass, ToolInfo};
pub use mcp::{McpLimits, McpPorts, McpReach, McpServer, McpServers, McpStatus, server_environment};
pub use plugin_host::SandboxIsolates;
pub use plugin_ports::{IsolateTool, Isolates, OfferedCommand, OfferedTool, PluginCall, PluginHost};
pub use plugin_tools::plugin_tools;
pub use ports::{Permission, Permissions, Role, SubAgents, SubTask};
pub use search::{FoundFiles, FoundLines, MatchedFile, MatchedLine, Picture, Scope, Search, Stop, Wanted};
pub use tool::{CallContext, Need, Remark, Tool, ToolCall, ToolError, ToolOutcome};
