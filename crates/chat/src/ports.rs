//! What this crate needs and does not know.

use async_trait::async_trait;
use futures::future::BoxFuture;
use mimir_plugins::PluginId;
use mimir_shared_providers::ToolDefinition;
use serde_json::{Map, Value};

/// The tools that agents may use.
#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub trait Toolbox: Send + Sync {
    /// The tools that an agent is told of. `agent_id` is nothing for the main one.
    async fn definitions<'a>(&self, agent_id: Option<&'a str>) -> Vec<ToolDefinition>;

    /// Whether a call changes nothing, so that it may run beside others that change nothing.
    fn only_reads(&self, tool: &str) -> bool;

    /// Makes a call. If the future is dropped, what it started is stopped.
    ///
    /// `begins` is awaited after everything that may keep the tool from running (plugins, the permission) and right before it
    /// runs; where it gives an error, the tool does not run.
    async fn run<'a>(
        &self,
        session_id: &'a str,
        agent_id: Option<&'a str>,
        call: &'a ToolCall,
        begins: Begins<'a>,
    ) -> ToolOutcome;
}

/// Writes down that a call begins. An error says why that could not be written.
pub type Begins<'a> = BoxFuture<'a, Result<(), String>>;

/// A call of a tool that a model asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolCall {
    /// Names the call.
    pub id: String,
    /// The tool.
    pub name: String,
    /// Its arguments. A model may send anything.
    pub args: Value,
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolOutcome {
    /// What the model gets to see.
    pub result: Value,
    /// Whether the call failed or did not happen.
    pub is_error: bool,
    /// The arguments that it ran with.
    pub args: Map<String, Value>,
    /// How long the tool itself took, in milliseconds.
    pub duration_ms: u64,
    /// What plugins, rules and people did to it, in their order.
    pub remarks: Vec<ToolRemark>,
}

/// What somebody did to a call, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolRemark {
    /// The plugin, if it was one.
    pub plugin: Option<PluginId>,
    /// What was done: `blocked`, `allowed`, `denied`, `changed its arguments`, `changed its result`.
    pub what: String,
    /// Why.
    pub reason: Option<String>,
}

/// Which models can be asked, as things are configured.
#[cfg_attr(test, mockall::automock)]
pub trait Models: Send + Sync {
    /// Whether a model can be asked.
    ///
    /// # Errors
    /// Why not and what to do, for the person.
    fn check(&self, model: &str) -> Result<(), String>;
}

/// Slash commands from outside the conversation: custom ones and those of plugins.
#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub trait Commands: Send + Sync {
    /// The commands that there are.
    async fn list(&self) -> Vec<SlashCommand>;

    /// Runs one. Nothing if there is none of that name.
    async fn run(&self, session_id: &str, name: &str, arguments: &str) -> Option<Result<CommandOutcome, String>>;

    /// The plugins that there are, for `/plugins`.
    async fn plugins(&self) -> Vec<PluginLine>;
}

/// A plugin as `/plugins` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginLine {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: Option<String>,
    /// How it is: `active`, `quarantined`, `not granted`.
    pub state: String,
    /// What it did in this session, in words: `blocked 2 calls`. Nothing if it did nothing.
    pub did: Vec<String>,
}

/// A slash command as `/help` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlashCommand {
    /// Its name, without the slash.
    pub name: String,
    /// Other names that it has.
    pub aliases: Vec<String>,
    /// What it does.
    pub description: String,
    /// What stands after its name, for people.
    pub usage: Option<String>,
    /// Where it comes from, for people: `the plugin x`, `.mimir/commands/review.yml`.
    pub origin: String,
}

/// What a slash command came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandOutcome {
    /// Something for the person to read.
    Say(String),
    /// Something to be sent to the model as if the person had written it.
    Prompt(String),
}
