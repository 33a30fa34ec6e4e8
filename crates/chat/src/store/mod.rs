//! What a session leaves on disk.

mod record;

use std::path::PathBuf;

use async_trait::async_trait;
use mimir_plugins::events::AgentInfo;
use mimir_shared_providers::Message;
use thiserror::Error;

pub use record::{
    AgentRecord, CallOutcome, CallRecord, CallRemark, DaySpending, Exported, Journalled, ModelSpending, NewSession,
    Session, Stored, Totals,
};

use crate::{ToolCall, ToolOutcome};

/// Keeps sessions. What a method took is on disk when it comes back: a process that is killed after that loses none of it.
///
/// A session that was created or opened belongs to this process until it is closed or the store is dropped. Only who holds a
/// session may write to it: [`StoreError::NotOpen`].
#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub trait SessionStore: Send + Sync {
    /// Begins a session and takes hold of it.
    async fn create(&self, new: NewSession) -> Result<Session, StoreError>;

    /// Takes hold of a session. `id` may be the beginning of one, if no other begins so.
    ///
    /// # Errors
    /// [`StoreError::Unknown`], [`StoreError::Ambiguous`], [`StoreError::InUse`].
    async fn open(&self, id: &str) -> Result<Session, StoreError>;

    /// The sessions, the latest first. `project` leaves out those of others.
    async fn list<'a>(&self, project: Option<&'a str>) -> Result<Vec<Session>, StoreError>;

    /// About a session, without taking hold of it. `id` is whole. Nothing if there is none.
    async fn session(&self, id: &str) -> Result<Option<Session>, StoreError>;

    /// Lets go of a session, so that another process may open it. Nothing happens if it is not held.
    async fn close(&self, session: &str);

    /// Removes a session and all that belongs to it. `id` is whole, not the beginning of one. What it cost stays part of
    /// its day.
    ///
    /// # Errors
    /// [`StoreError::Unknown`]; [`StoreError::InUse`], also where this store holds it itself.
    async fn delete(&self, id: &str) -> Result<(), StoreError>;

    /// Changes a session's title or model.
    async fn update(&self, session: &Session) -> Result<(), StoreError>;

    /// Adds a message to the conversation of an agent, and gives it its id and time. `agent_id` is nothing for the main one.
    async fn append<'a>(
        &self,
        session: &str,
        agent_id: Option<&'a str>,
        message: Message,
    ) -> Result<Stored, StoreError>;

    /// Changes a message. Nothing if there is none of that id.
    async fn replace(&self, session: &str, message: &Message) -> Result<Option<Stored>, StoreError>;

    /// Removes a message from the conversation, and gives it back.
    async fn remove(&self, session: &str, message_id: &str) -> Result<Option<Stored>, StoreError>;

    /// Removes several messages from the conversation, and gives those that there were back in their order. All of it happens, or
    /// nothing: a call must not be left without its result.
    async fn remove_all(&self, session: &str, message_ids: &[String]) -> Result<Vec<Stored>, StoreError>;

    /// The messages that are part of an agent's conversation now, the oldest first.
    async fn conversation<'a>(&self, session: &str, agent_id: Option<&'a str>) -> Result<Vec<Stored>, StoreError>;

    /// All messages that the session ever had, those of sub-agents and those that a compaction put away as well.
    async fn history(&self, session: &str) -> Result<Vec<Stored>, StoreError>;

    /// Puts all messages of the main conversation up to and with `last` away, and places `summary` before what is left. All
    /// of it happens, or nothing.
    ///
    /// # Errors
    /// [`StoreError::NoMessage`] if `last` is not part of the main conversation.
    async fn compact(&self, session: &str, last: &str, summary: Message) -> Result<Stored, StoreError>;

    /// Writes down that a call begins. Its tool does not run before this is on disk.
    async fn call_started<'a>(
        &self,
        session: &str,
        agent_id: Option<&'a str>,
        call: &ToolCall,
    ) -> Result<(), StoreError>;

    /// Writes down how a call ended, together with the message that tells the model of it: both, or neither.
    async fn call_ended<'a>(
        &self,
        session: &str,
        agent_id: Option<&'a str>,
        call: &ToolCall,
        outcome: &ToolOutcome,
        message: Message,
    ) -> Result<Stored, StoreError>;

    /// Writes down a call that ended without having begun, since it was refused, together with the message that tells the model
    /// why: both, or neither.
    async fn call_refused<'a>(
        &self,
        session: &str,
        agent_id: Option<&'a str>,
        call: &ToolCall,
        outcome: &ToolOutcome,
        message: Message,
    ) -> Result<Stored, StoreError>;

    /// Closes the journal's entry of a call that was cut, together with the message that tells the model that nobody knows how
    /// it ended: both, or neither. `cut` is as [`cut_calls`](Self::cut_calls) gave it.
    async fn call_cut(&self, session: &str, cut: &Journalled, message: Message) -> Result<Stored, StoreError>;

    /// The calls that began and have no end, the oldest first: what was under way when a process was killed. A write of this
    /// store that was given up half-way is decided before: what is missing here never begins.
    async fn cut_calls(&self, session: &str) -> Result<Vec<Journalled>, StoreError>;

    /// Writes down that a sub-agent begins.
    async fn agent_started(&self, session: &str, agent: &AgentInfo) -> Result<(), StoreError>;

    /// Writes down that a sub-agent is done; `error` says why it gave up.
    async fn agent_ended<'a>(&self, session: &str, agent_id: &str, error: Option<&'a str>) -> Result<(), StoreError>;

    /// Adds what a call of a model cost, to the session and to the day, and gives the new totals.
    async fn spend(
        &self,
        session: &str,
        model: &str,
        usage: mimir_shared_providers::Usage,
        cost: f64,
    ) -> Result<Totals, StoreError>;

    /// What was spent so far.
    async fn totals(&self, session: &str) -> Result<Totals, StoreError>;
}

/// Why a session can't be kept.
#[derive(Debug, Error)]
pub enum StoreError {
    /// There is no such session.
    #[error("there is no session `{id}`")]
    Unknown {
        /// As it was asked for.
        id: String,
    },
    /// More than one session begins so.
    #[error("`{id}` is the beginning of {count} sessions")]
    Ambiguous {
        /// As it was asked for.
        id: String,
        /// How many there are.
        count: usize,
    },
    /// Another process has it open.
    #[error("the session `{id}` is open in another process{}", pid.map(|pid| format!(" ({pid})")).unwrap_or_default())]
    InUse {
        /// The session.
        id: String,
        /// The process, if it is known.
        pid: Option<u32>,
    },
    /// It is written to without being held.
    #[error("the session `{id}` is not open")]
    NotOpen {
        /// The session.
        id: String,
    },
    /// The conversation has no such message.
    #[error("there is no message `{id}` in the conversation")]
    NoMessage {
        /// The message.
        id: String,
    },
    /// A call ends that is not under way: it was never begun, or has ended.
    #[error("the call `{id}` is not under way")]
    NoCall {
        /// The call.
        id: String,
    },
    /// The database is of a later version.
    #[error("the sessions were written by a later version of mimir ({found}, this one knows {known})")]
    TooNew {
        /// The version of the database.
        found: i64,
        /// The latest that is known here.
        known: i64,
    },
    /// What the database's file holds is no database of sessions. It is left as it is.
    #[error("the sessions in {} are damaged", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The disk is full. Nothing of what was to be written is kept.
    #[error("there is no room left for the sessions in {}", path.display())]
    Full {
        /// The folder.
        path: PathBuf,
        /// What the disk said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The folder or the file may not be written.
    #[error("the sessions in {} can't be written", path.display())]
    ReadOnly {
        /// The folder.
        path: PathBuf,
        /// What the disk said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The database or the disk failed.
    #[error("the sessions can't be {doing}")]
    Failed {
        /// `read`, `written`, `opened`.
        doing: &'static str,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl StoreError {
    /// What to do about it, where that can be said.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unknown { .. } => Some("`mimir sessions list --all` shows those that there are".to_owned()),
            Self::Ambiguous { .. } => Some("type more of it".to_owned()),
            Self::InUse { .. } => Some("end that process, or wait until it is done".to_owned()),
            Self::TooNew { .. } => Some("update mimir; nothing was changed".to_owned()),
            Self::Damaged { path, .. } => {
                let path = path.display();
                Some(format!(
                    "nothing was changed or deleted. `sqlite3 {path} .recover` may bring back what it holds; move it and the \
                     files beside it away to begin without sessions"
                ))
            }
            Self::Full { .. } => Some("make room; what was kept before is still there".to_owned()),
            Self::ReadOnly { .. } => Some(
                "check whose folder it is, its rights, and how the disk is mounted; MIMIR_HOME names another"
                    .to_owned(),
            ),
            Self::NotOpen { .. } | Self::NoMessage { .. } | Self::NoCall { .. } | Self::Failed { .. } => None,
        }
    }
}
