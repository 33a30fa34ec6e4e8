use std::path::PathBuf;

use async_trait::async_trait;
use mimir_plugins::PluginId;
use mimir_plugins::events::ToolSource;
use mimir_shared_config::Risk;
use mimir_shared_providers::ToolDefinition;
use serde_json::{Map, Value};
use thiserror::Error;

use crate::Pass;

/// A call of a tool, as a model or a plugin asks for it.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolCall {
    /// Names the call.
    pub id: String,
    /// The tool.
    pub name: String,
    /// Its arguments. A model may send anything.
    pub args: Value,
}

/// On whose behalf a call is made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallContext {
    /// The session.
    pub session_id: String,
    /// The agent, if it is not the main one.
    pub agent_id: Option<String>,
    /// The plugins whose host calls led to it, the first cause first.
    pub cause: Vec<PluginId>,
    /// The plugins that changed its arguments, in their order.
    pub changed_by: Vec<PluginId>,
}

/// What came of a call. A call never fails as such: what went wrong is a result that the model gets to read.
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
    pub remarks: Vec<Remark>,
}

/// What somebody did to a call.
#[derive(Debug, Clone, PartialEq)]
pub enum Remark {
    /// A plugin blocked it before it ran, or its result afterwards.
    Blocked {
        /// Which, if it is known.
        by: Option<PluginId>,
        /// Why.
        reason: String,
    },
    /// Plugins changed its arguments.
    ChangedArgs {
        /// All that did, in their order.
        by: Vec<PluginId>,
        /// As the model asked for them.
        before: Map<String, Value>,
    },
    /// Plugins changed its result.
    ChangedResult {
        /// All that did, in their order.
        by: Vec<PluginId>,
    },
    /// The permission was given by somebody other than a rule.
    Allowed {
        /// Who, in words.
        by: String,
        /// Why.
        reason: Option<String>,
    },
    /// The permission was refused.
    Denied {
        /// Who, in words.
        by: String,
        /// Why.
        reason: Option<String>,
    },
}

/// The permission that a call needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// The kind of action: `bash`, `read`, `write`, `edit`, `delete`, `task`, `mcp`, or a custom tool's name.
    pub kind: String,
    /// What would be done: the command line, or the type and the path.
    pub command: String,
    /// The file that it is about.
    pub path: Option<PathBuf>,
    /// The tool.
    pub tool: String,
    /// The least risk that it has.
    pub least_risk: Option<Risk>,
}

/// Something that the model, or a plugin, can have done.
///
/// A tool runs with a [`Pass`], and only the dispatcher makes one: so there is no way to run a tool that does not pass
/// `tool.execute.before`, its permission, and `tool.execute.after`.
#[async_trait]
pub trait Tool: Send + Sync {
    /// As a model is told of it.
    fn definition(&self) -> ToolDefinition;

    /// Where it comes from.
    fn source(&self) -> ToolSource;

    /// Where it is defined, in words, for the message about two tools of one name: `.mimir/tools/deploy.yml`, `the plugin
    /// formatter`.
    fn place(&self) -> String {
        match self.source() {
            ToolSource::Builtin => "Mimir itself".to_owned(),
            ToolSource::Custom => "a custom tool".to_owned(),
            ToolSource::Plugin => "a plugin".to_owned(),
            ToolSource::Mcp => "an MCP server".to_owned(),
            ToolSource::Other(name) => name,
        }
    }

    /// Whether it changes nothing, so that several calls may run at once.
    fn only_reads(&self) -> bool {
        false
    }

    /// Whether a call with these arguments makes sense, beyond what the schema says. It is asked before anybody is asked
    /// for the permission.
    ///
    /// # Errors
    /// What is wrong, for the model.
    fn check(&self, args: &Map<String, Value>) -> Result<(), ToolError> {
        let _ = args;
        Ok(())
    }

    /// What permission a call with these arguments needs; nothing where it needs none.
    fn need(&self, args: &Map<String, Value>) -> Option<Need>;

    /// Runs it. If the future is dropped, what it started is stopped.
    ///
    /// # Errors
    /// Why it failed, for the model.
    async fn run(&self, pass: &Pass) -> Result<Value, ToolError>;
}

/// Why a tool failed, in words that help the model to do better.
#[derive(Debug, Error)]
#[error("{message}")]
pub struct ToolError {
    /// What went wrong.
    pub message: String,
}

impl ToolError {
    /// An error that says this.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }
}
