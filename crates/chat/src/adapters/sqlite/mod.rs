//! Sessions in SQLite: one database for all projects, beside it one lock for each session that is open.

mod agents;
mod database;
mod export;
mod hold;
mod id;
mod journal;
mod messages;
mod schema;
mod sessions;
mod spending;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use mimir_plugins::events::AgentInfo;
use mimir_shared_platform::Clock;
use mimir_shared_providers::{Message, Usage};
use sqlx::{Sqlite, Transaction};

use self::database::Database;
use self::hold::{Hold, NotHeld};
use crate::{
    DaySpending, Exported, Journalled, NewSession, Session, SessionStore, StoreError, Stored, ToolCall, ToolOutcome,
    Totals,
};

/// Sessions in a database of SQLite.
///
/// What a method wrote is on the disk when it comes back. A future that is dropped before has written all or nothing.
pub struct SqliteSessions {
    database: Database,
    clock: Arc<dyn Clock>,
    held: Mutex<HashMap<String, Hold>>,
}

impl SqliteSessions {
    /// The sessions in this folder, `~/.mimir/sessions` for the user's own. The folder and the database are made where there
    /// are none, for nobody else to read.
    ///
    /// # Errors
    /// [`StoreError::Damaged`], [`StoreError::TooNew`], [`StoreError::Full`], [`StoreError::ReadOnly`].
    pub async fn open(folder: &Path, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        Ok(Self { database: Database::open(folder).await?, clock, held: Mutex::default() })
    }

    /// The same, but nothing is made: none where there were no sessions yet.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn existing(folder: &Path, clock: Arc<dyn Clock>) -> Result<Option<Self>, StoreError> {
        if !Database::is_in(folder) {
            return Ok(None);
        }
        Self::open(folder, clock).await.map(Some)
    }

    /// A session, without taking hold of it. `id` may be the beginning of one, if no other begins so.
    ///
    /// # Errors
    /// [`StoreError::Unknown`], [`StoreError::Ambiguous`].
    pub async fn find(&self, id: &str) -> Result<Session, StoreError> {
        self.found(id).await
    }

    /// A session with all that belongs to it, as it is at one moment. It need not be held.
    ///
    /// # Errors
    /// [`StoreError::Unknown`] if there is no session of this whole id.
    pub async fn export(&self, session: &str) -> Result<Exported, StoreError> {
        self.exported(session).await
    }

    /// What was spent on each day, the latest first.
    ///
    /// # Errors
    /// If the database can't be read.
    pub async fn days(&self) -> Result<Vec<DaySpending>, StoreError> {
        self.spent_by_day().await
    }

    /// Lets go of all sessions and closes the database. Dropping the store does the same, but does not wait for it.
    pub async fn shutdown(self) {
        self.database.close().await;
    }

    fn is_held(&self, session: &str) -> bool {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).contains_key(session)
    }

    /// Takes hold of a session. One that is held here already stays so.
    fn hold(&self, session: &str) -> Result<(), StoreError> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if !held.contains_key(session) {
            held.insert(session.to_owned(), self.take(session)?);
        }
        Ok(())
    }

    fn take(&self, session: &str) -> Result<Hold, StoreError> {
        Hold::take(self.database.folder(), session).map_err(|error| match error {
            NotHeld::By(pid) => StoreError::InUse { id: session.to_owned(), pid },
            NotHeld::Failed(error) => database::on_disk("opened", self.database.folder(), error),
        })
    }

    fn let_go(&self, session: &str) {
        let hold = self.held.lock().unwrap_or_else(PoisonError::into_inner).remove(session);
        drop(hold);
    }

    /// Begins to write to a session that is held.
    async fn write(&self, session: &str) -> Result<Transaction<'static, Sqlite>, StoreError> {
        if !self.is_held(session) {
            return Err(StoreError::NotOpen { id: session.to_owned() });
        }
        self.database.begin().await
    }

    /// Turns errors of the database while writing into what they mean.
    fn writing(&self) -> impl Fn(sqlx::Error) -> StoreError {
        |error| self.database.failed("written", error)
    }

    /// Turns errors of the database while reading into what they mean.
    fn reading(&self) -> impl Fn(sqlx::Error) -> StoreError {
        |error| self.database.failed("read", error)
    }
}

impl std::fmt::Debug for SqliteSessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteSessions").field("folder", &self.database.folder()).finish_non_exhaustive()
    }
}

/// Numbers in the database have a sign. What is larger than any honest number is the largest.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The same the other way.
fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

#[async_trait]
impl SessionStore for SqliteSessions {
    async fn create(&self, new: NewSession) -> Result<Session, StoreError> {
        self.begin_session(new).await
    }

    async fn open(&self, id: &str) -> Result<Session, StoreError> {
        self.open_session(id).await
    }

    async fn list<'a>(&self, project: Option<&'a str>) -> Result<Vec<Session>, StoreError> {
        self.listed(project).await
    }

    async fn session(&self, id: &str) -> Result<Option<Session>, StoreError> {
        match self.found(id).await {
            Ok(session) => Ok(Some(session).filter(|session| session.id == id)),
            Err(StoreError::Unknown { .. } | StoreError::Ambiguous { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn close(&self, session: &str) {
        self.let_go(session);
    }

    async fn delete(&self, id: &str) -> Result<(), StoreError> {
        self.delete_session(id).await
    }

    async fn update(&self, session: &Session) -> Result<(), StoreError> {
        self.update_session(session).await
    }

    async fn append<'a>(
        &self,
        session: &str,
        agent_id: Option<&'a str>,
        message: Message,
    ) -> Result<Stored, StoreError> {
        self.append_message(session, agent_id, message).await
    }

    async fn replace(&self, session: &str, message: &Message) -> Result<Option<Stored>, StoreError> {
        self.replace_message(session, message).await
    }

    async fn remove(&self, session: &str, message_id: &str) -> Result<Option<Stored>, StoreError> {
        let removed = self.remove_messages(session, &[message_id.to_owned()]).await?;
        Ok(removed.into_iter().next())
    }

    async fn remove_all(&self, session: &str, message_ids: &[String]) -> Result<Vec<Stored>, StoreError> {
        self.remove_messages(session, message_ids).await
    }

    async fn conversation<'a>(&self, session: &str, agent_id: Option<&'a str>) -> Result<Vec<Stored>, StoreError> {
        self.live_messages(session, agent_id).await
    }

    async fn history(&self, session: &str) -> Result<Vec<Stored>, StoreError> {
        self.all_messages(session).await
    }

    async fn compact(&self, session: &str, last: &str, summary: Message) -> Result<Stored, StoreError> {
        self.compact_messages(session, last, summary).await
    }

    async fn call_started<'a>(
        &self,
        session: &str,
        agent_id: Option<&'a str>,
        call: &ToolCall,
    ) -> Result<(), StoreError> {
        self.journal_start(session, agent_id, call).await
    }

    async fn call_ended<'a>(
        &self,
        session: &str,
        agent_id: Option<&'a str>,
        call: &ToolCall,
        outcome: &ToolOutcome,
        message: Message,
    ) -> Result<Stored, StoreError> {
        self.journal_end(session, agent_id, call, outcome, message).await
    }

    async fn call_refused<'a>(
        &self,
        session: &str,
        agent_id: Option<&'a str>,
        call: &ToolCall,
        outcome: &ToolOutcome,
        message: Message,
    ) -> Result<Stored, StoreError> {
        self.journal_refused(session, agent_id, call, outcome, message).await
    }

    async fn call_cut(&self, session: &str, cut: &Journalled, message: Message) -> Result<Stored, StoreError> {
        self.journal_cut(session, cut, message).await
    }

    async fn cut_calls(&self, session: &str) -> Result<Vec<Journalled>, StoreError> {
        self.under_way(session).await
    }

    async fn agent_started(&self, session: &str, agent: &AgentInfo) -> Result<(), StoreError> {
        self.start_agent(session, agent).await
    }

    async fn agent_ended<'a>(&self, session: &str, agent_id: &str, error: Option<&'a str>) -> Result<(), StoreError> {
        self.end_agent(session, agent_id, error).await
    }

    async fn spend(&self, session: &str, model: &str, usage: Usage, cost: f64) -> Result<Totals, StoreError> {
        self.add_spending(session, model, usage, cost).await
    }

    async fn totals(&self, session: &str) -> Result<Totals, StoreError> {
        self.spent(session).await
    }
}
