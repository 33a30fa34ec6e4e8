//! Agents and sub-agents.

use mimir_shared_config::EventName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::definition::Definition;
use crate::payload::payloads;
use crate::{ErrorInfo, Hooks};

payloads! {
    /// An agent was created.
    AgentCreated {
        /// The agent.
        agent: AgentInfo,
    }
    /// An agent has begun its task.
    AgentStarted {
        /// The agent.
        agent: AgentInfo,
    }
    /// An agent is done with its task.
    AgentCompleted {
        /// The agent.
        agent: AgentInfo,
        /// What it gave.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        result: Option<Value>,
    }
    /// An agent has given up its task.
    AgentFailed {
        /// The agent.
        agent: AgentInfo,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<ErrorInfo>,
    }
}

/// An agent as events carry it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentInfo {
    /// Its id.
    pub id: String,
    /// What it is for, such as `reviewer`.
    pub role: String,
    /// The model that it talks to.
    pub model: String,
    /// The agent that created it; none for the main one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_id: Option<String>,
    /// What it is to do.
    pub task: String,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

pub(crate) static CREATED: Definition =
    Definition::tells::<AgentCreated>(EventName::AgentCreated, "An agent was created and has not begun yet.", true);
pub(crate) static STARTED: Definition =
    Definition::tells::<AgentStarted>(EventName::AgentStarted, "An agent has begun its task.", false);
pub(crate) static COMPLETED: Definition =
    Definition::tells::<AgentCompleted>(EventName::AgentCompleted, "An agent is done with its task.", false);
pub(crate) static FAILED: Definition =
    Definition::tells::<AgentFailed>(EventName::AgentFailed, "An agent has given up its task.", false);

/// Raises the events about agents.
#[derive(Clone)]
pub struct AgentEvents(pub(crate) Hooks);

impl AgentEvents {
    /// `agent.created`: waits until the plugins know, so that the agent begins after that.
    pub async fn created(&self, event: &AgentCreated) {
        self.0.ask(event).await;
    }

    /// `agent.started`, in the background.
    pub fn started(&self, event: &AgentStarted) {
        self.0.tell(event);
    }

    /// `agent.completed`, in the background.
    pub fn completed(&self, event: &AgentCompleted) {
        self.0.tell(event);
    }

    /// `agent.failed`, in the background.
    pub fn failed(&self, event: &AgentFailed) {
        self.0.tell(event);
    }
}
