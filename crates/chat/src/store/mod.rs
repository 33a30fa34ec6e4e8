//! What a session leaves on disk.

mod record;

use async_trait::async_trait;
use mimir_shared_providers::Message;
use thiserror::Error;

pub use record::{Journalled, NewSession, Session, Stored, Totals};

use crate::{ToolCall, ToolOutcome};

/// Keeps sessions. What a method took is on disk when it comes back: a process that is killed after that loses none of it.
///
/// A session that was created or opened belongs to this process until the store is dropped.
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
    async fn list(&self, project: Option<&str>) -> Result<Vec<Session>, StoreError>;

    /// Removes a session and all that belongs to it.
    async fn delete(&self, id: &str) -> Result<(), StoreError>;

    /// Changes a session's title or model.
    async fn update(&self, session: &Session) -> Result<(), StoreError>;

    /// Adds a message to the conversation of an agent, and gives it its id and time. `agent_id` is nothing for the main one.
    async fn append(&self, session: &str, agent_id: Option<&str>, message: Message) -> Result<Stored, StoreError>;

    /// Changes a message. Nothing if there is none of that id.
    async fn replace(&self, session: &str, message: &Message) -> Result<Option<Stored>, StoreError>;

    /// Removes a message from the conversation, and gives it back.
    async fn remove(&self, session: &str, message_id: &str) -> Result<Option<Stored>, StoreError>;

    /// The messages that are part of an agent's conversation now, the oldest first.
    async fn conversation(&self, session: &str, agent_id: Option<&str>) -> Result<Vec<Stored>, StoreError>;

    /// All messages that the session ever had, those of sub-agents and those that a compaction put away as well.
    async fn history(&self, session: &str) -> Result<Vec<Stored>, StoreError>;

    /// Puts all messages of the main conversation up to and with `last` away, and places `summary` before what is left. All
    /// of it happens, or nothing.
    async fn compact(&self, session: &str, last: &str, summary: Message) -> Result<Stored, StoreError>;

    /// Writes down that a call is about to begin.
    async fn call_started(&self, session: &str, agent_id: Option<&str>, call: &ToolCall) -> Result<(), StoreError>;

    /// Writes down how a call ended, together with the message that tells the model of it: both, or neither.
    async fn call_ended(
        &self,
        session: &str,
        agent_id: Option<&str>,
        call: &ToolCall,
        outcome: &ToolOutcome,
        message: Message,
    ) -> Result<Stored, StoreError>;

    /// The calls that began and have no end: what was under way when a process was killed.
    async fn cut_calls(&self, session: &str) -> Result<Vec<Journalled>, StoreError>;

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
    /// The database is of a later version.
    #[error("the sessions were written by a later version of mimir ({found}, this one knows {known})")]
    TooNew {
        /// The version of the database.
        found: i64,
        /// The latest that is known here.
        known: i64,
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
