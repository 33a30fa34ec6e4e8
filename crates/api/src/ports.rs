//! What this crate needs and does not know.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use mimir_shared_config::{Access, Denial, Llm, PluginId};
use mimir_shared_providers::{LlmProvider, Message, PriceTable};
use serde_json::{Map, Value};

use crate::{ApiError, Origin, PluginProfile, SecretValue};

/// Decides what a plugin may do. Asked before each call, and once more about what was really opened or resolved.
#[cfg_attr(test, mockall::automock)]
pub trait Gate: Send + Sync {
    /// Whether the plugin may, or why not. Paths are absolute, beneath [`PluginContext::root`](crate::PluginContext::root)
    /// and without `.` and `..`.
    fn check(&self, plugin: &PluginProfile, access: &Access) -> Result<(), Denial>;

    /// How much of language models the plugin may use.
    fn llm(&self, plugin: &PluginProfile) -> Llm;
}

/// Who answers `ctx.llm`, and what it costs.
#[derive(Clone)]
pub struct Models {
    /// Runs the models.
    pub provider: Arc<dyn LlmProvider>,
    /// What they cost.
    pub prices: Arc<PriceTable>,
}

/// The secrets of the user.
#[cfg_attr(test, mockall::automock)]
pub trait SecretStore: Send + Sync {
    /// The value of a secret, if there is one of that name.
    ///
    /// # Errors
    /// If there is a place for secrets that can't be read or that others can read as well. The error says nothing of what
    /// stands there.
    fn value(&self, name: &str) -> Result<Option<SecretValue>, ApiError>;
}

/// The sessions of the agent.
#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub trait SessionView: Send + Sync {
    /// About a session, if there is one of that id.
    async fn session(&self, id: &str) -> Result<Option<SessionInfo>, ApiError>;

    /// The messages of a session, the oldest first.
    async fn messages(&self, id: &str) -> Result<Option<Vec<Message>>, ApiError>;
}

/// About a session.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SessionInfo {
    /// Its id.
    pub id: String,
    /// What else the agent keeps about it.
    pub metadata: Map<String, Value>,
}

/// Takes the events that calls of plugins raise.
#[cfg_attr(test, mockall::automock)]
pub trait EventSink: Send + Sync {
    /// Takes an event. This must not wait for its delivery: the plugin that caused it is in the middle of a call.
    fn raise(&self, event: FileEvent);
}

/// A file that a plugin wrote or removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileEvent {
    /// What happened to it.
    pub change: FileChange,
    /// Its absolute path, without links.
    pub path: PathBuf,
    /// The plugins that caused it, the first cause first; the one that wrote or removed the file is the last.
    pub chain: Arc<[PluginId]>,
    /// The session at hand.
    pub session_id: Option<Arc<str>>,
}

/// What happened to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileChange {
    /// It was created or written: `file.modified`.
    Modified {
        /// How many bytes were written.
        bytes: u64,
    },
    /// It was removed: `file.deleted`.
    Deleted,
}

/// Takes what plugins log.
#[cfg_attr(test, mockall::automock)]
pub trait LogSink: Send + Sync {
    /// Takes a line. This must not wait.
    fn log(&self, plugin: &PluginProfile, origin: &Origin, line: LogLine);
}

/// A line that a plugin logged.
#[derive(Debug, Clone, PartialEq)]
pub struct LogLine {
    /// How serious it is.
    pub level: LogLevel,
    /// What it says; may contain anything, line breaks and control characters as well.
    pub message: String,
    /// What it adds for machines.
    pub fields: Map<String, Value>,
}

/// How serious a log line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// For who writes the plugin.
    Debug,
    /// For information.
    Info,
    /// Something may be wrong.
    Warn,
    /// Something went wrong.
    Error,
}
