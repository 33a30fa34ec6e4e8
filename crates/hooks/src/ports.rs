use std::sync::Arc;

use async_trait::async_trait;
use mimir_shared_config::{EventName, PluginId};
use serde::Serialize;

/// An event that a feature raises.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raised {
    /// Which event.
    pub event: EventName,
    /// Its payload, JSON text.
    pub payload: Arc<str>,
    /// The session that it belongs to.
    pub session_id: Arc<str>,
    /// The chain of plugins whose host calls led to it, the first cause first.
    pub cause: Arc<[PluginId]>,
}

/// What became of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Emitted {
    /// The decision of all plugins together.
    pub outcome: Outcome,
    /// Whose answer it was: the first that came to it.
    pub by: Option<PluginId>,
    /// All who changed the payload, in their order.
    pub changed_by: Vec<PluginId>,
    /// That plugin's reason.
    pub reason: Option<String>,
    /// The payload as it came out, JSON text.
    pub payload: Arc<str>,
}

/// What became of an event: blocked or denied if anyone said so, else changed or approved, else failed if a plugin
/// failed, else passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Nobody had anything to say.
    Passed,
    /// The payload was changed.
    Changed,
    /// What the event announced must not happen.
    Blocked,
    /// The request is allowed.
    Approved,
    /// The request is refused.
    Denied,
    /// A plugin failed, and nobody else decided.
    Failed,
}

/// Takes events to the plugins.
#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub trait Emit: Send + Sync {
    /// Delivers an event and waits for the answers.
    async fn emit(&self, event: Raised) -> Emitted;

    /// Delivers an event in the background.
    fn emit_background(&self, event: Raised);
}
