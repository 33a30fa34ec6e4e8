//! What this crate needs of plugins and their sandbox.

use async_trait::async_trait;
use mimir_plugins::PluginId;
use mimir_shared_providers::ToolDefinition;
use serde_json::{Map, Value};

/// The tools and commands that plugins add.
#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub trait PluginHost: Send + Sync {
    /// The tools of all plugins, in the plugins' order. No plugin is started that told them before.
    async fn tools(&self) -> Vec<OfferedTool>;

    /// The commands of all plugins, in the plugins' order. No plugin is started that told them before.
    async fn commands(&self) -> Vec<OfferedCommand>;

    /// Runs a tool. What went wrong is said for the model.
    async fn call_tool(&self, plugin: &PluginId, tool: &str, args: &Value, call: &PluginCall) -> Result<Value, String>;

    /// Runs a command. What went wrong is said for the person.
    async fn call_command(
        &self,
        plugin: &PluginId,
        command: &str,
        args: &[String],
        call: &PluginCall,
    ) -> Result<Value, String>;
}

/// Runs the code of custom tools in an isolate that can do nothing but compute.
#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub trait Isolates: Send + Sync {
    /// Calls the module's `execute` with arguments. If the future is dropped, it is stopped.
    async fn run(&self, tool: &IsolateTool, args: &Map<String, Value>, call: &PluginCall) -> Result<Value, String>;
}

/// A custom tool as an isolate gets it.
#[derive(Debug, Clone, PartialEq)]
pub struct IsolateTool {
    /// Its name.
    pub name: String,
    /// What it does.
    pub description: String,
    /// JSON Schema of its arguments.
    pub schema: Value,
    /// A module that exports `execute(args, context)`.
    pub code: String,
    /// Whether the code is TypeScript.
    pub is_typescript: bool,
    /// Where it is written, for people.
    pub place: String,
}

/// A tool of a plugin.
#[derive(Debug, Clone, PartialEq)]
pub struct OfferedTool {
    /// The plugin.
    pub plugin: PluginId,
    /// As a model is told of it.
    pub definition: ToolDefinition,
}

/// A command of a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferedCommand {
    /// The plugin.
    pub plugin: PluginId,
    /// Its name, without a slash.
    pub name: String,
    /// What it does.
    pub description: String,
}

/// On whose behalf a plugin's tool or command runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PluginCall {
    /// The session.
    pub session_id: String,
    /// Names the call.
    pub call_id: String,
    /// The plugins whose host calls led to it, the first cause first.
    pub cause: Vec<PluginId>,
}
