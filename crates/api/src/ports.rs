//! What this crate needs and does not know.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use mimir_shared_config::{Access, Denial, Llm, PluginId};
use mimir_shared_platform::Guard;
use mimir_shared_providers::{LlmProvider, Message, PriceTable, ToolDefinition};
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

/// The agent's tools, behind its dispatcher: a call passes all that a call of the model's passes, permissions included.
#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub trait ToolCatalog: Send + Sync {
    /// The tools that there are.
    async fn list(&self) -> Vec<ToolDefinition>;

    /// Calls a tool. If the future is dropped, what it started is stopped.
    async fn execute(&self, request: ToolRequest) -> ToolAnswer;
}

/// A call of a tool that a plugin asks for. Nothing about the name and the arguments is checked.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolRequest {
    /// The tool.
    pub name: String,
    /// Its arguments.
    pub args: Map<String, Value>,
    /// The session of the event or tool at hand.
    pub session_id: Option<Arc<str>>,
    /// The plugins that caused it, the first cause first; the one that asks for it is the last. What the call raises goes to
    /// none of them, and its permission is not theirs to give.
    pub chain: Arc<[PluginId]>,
}

/// What came of a call of a tool.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolAnswer {
    /// What the tool gave, or why it failed or was refused.
    pub result: Value,
    /// Whether it failed or was refused.
    pub is_error: bool,
}

/// Puts questions to the person at the terminal.
#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub trait Asker: Send + Sync {
    /// Asks. If the future is dropped, the question is taken back.
    async fn ask(&self, question: &Question) -> Asked;
}

/// A plugin's question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Who asks.
    pub plugin: PluginId,
    /// The question in one line that can be shown as it is. Show [`Question::line`], which says whose it is.
    pub text: String,
    /// What may be answered.
    pub kind: QuestionKind,
    /// What an empty answer means.
    pub default: Option<String>,
    /// The session at hand.
    pub session_id: Option<Arc<str>>,
}

/// What may be answered to a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QuestionKind {
    /// Anything.
    Text,
    /// One of these, each in one line.
    Choice(Vec<String>),
    /// [`Question::YES`], or anything else for no.
    Confirm,
}

/// What came of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// The person answered. For a choice it is one of them.
    Answered(String),
    /// The person would not answer.
    Declined,
    /// There is no person here.
    Nobody,
}

impl Question {
    /// The answer that confirms.
    pub const YES: &str = "yes";

    /// The question as it is to be shown: one line that says which plugin asks.
    pub fn line(&self) -> String {
        match Guard::AskNamed.stands() {
            true => format!("the plugin {} asks: {}", self.plugin, self.text),
            false => self.text.clone(),
        }
    }
}

/// The way to a browser and back, for who signs in.
#[async_trait]
pub trait Browser: Send + Sync {
    /// Begins to wait for a browser that comes back to this machine. Nobody else's machine can reach it.
    ///
    /// # Errors
    /// If it can't.
    async fn listen(&self) -> Result<Box<dyn Redirects>, ApiError>;

    /// Opens a page in the person's browser. If that does not work, the person has its address.
    async fn open(&self, url: &str);
}

/// Waits for a browser to come back. To drop it ends the wait.
#[async_trait]
pub trait Redirects: Send {
    /// The port at 127.0.0.1.
    fn port(&self) -> u16;

    /// The next request, from whomever. What is no `GET` within 8 KiB and a few seconds is none.
    ///
    /// # Errors
    /// If no more can come.
    async fn next(&mut self) -> Result<Box<dyn Redirect>, ApiError>;
}

/// A request that waits for its answer.
#[async_trait]
pub trait Redirect: Send + Sync {
    /// The path and query.
    fn target(&self) -> &str;

    /// Its `Host` header.
    fn host(&self) -> Option<&str>;

    /// Answers by a page that says this.
    async fn answer(&self, status: u16, text: &str);
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
