//! What this crate needs and does not know.

use async_trait::async_trait;
use mimir_plugins::PluginId;
use serde_json::Value;

use crate::{CallContext, Need};

/// Decides whether a call may happen.
#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub trait Permissions: Send + Sync {
    /// Asks for the permission that a call needs.
    async fn ask(&self, need: &Need, context: &CallContext) -> Permission;
}

/// What came of a request for permission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permission {
    /// Whether the call may happen.
    pub allowed: bool,
    /// Who decided, in words: `you`, `a rule`, `the plugin x`.
    pub by: String,
    /// The plugin that decided, if one did.
    pub plugin: Option<PluginId>,
    /// Why.
    pub reason: Option<String>,
}

impl Permission {
    /// Who decided where a rule did. Nothing is said about such a permission: it is as the person wanted it.
    pub const RULE: &str = "a rule";
}

/// Runs sub-agents, for the tool `task`.
#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub trait SubAgents: Send + Sync {
    /// The roles that there are.
    fn roles(&self) -> Vec<Role>;

    /// Runs a sub-agent to its end and gives what it found, or why it gave up.
    async fn run(&self, task: SubTask, context: &CallContext) -> Result<Value, String>;
}

/// What sub-agents of a kind are for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Its name, such as `explore`.
    pub name: String,
    /// What it is for, for the model.
    pub description: String,
}

/// What a sub-agent is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubTask {
    /// The role.
    pub role: String,
    /// The task in a few words, for the person.
    pub description: String,
    /// The whole task.
    pub prompt: String,
}
