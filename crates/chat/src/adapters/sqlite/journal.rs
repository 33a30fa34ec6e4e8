//! The journal of calls: each is in it before it begins, so that one that was cut is known.

use mimir_shared_providers::Message;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

use super::{SqliteSessions, database, signed, unsigned};
use crate::{CallOutcome, CallRecord, CallRemark, Journalled, StoreError, Stored, ToolCall, ToolOutcome, ToolRemark};

impl SqliteSessions {
    pub(super) async fn journal_start(
        &self,
        session: &str,
        agent_id: Option<&str>,
        call: &ToolCall,
    ) -> Result<(), StoreError> {
        let mut transaction = self.write(session).await?;
        let insert = "INSERT INTO calls (session, id, agent, tool, args, started_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let query = sqlx::query(insert).bind(session).bind(&call.id).bind(agent_id).bind(&call.name);
        let query = query.bind(call.args.to_string()).bind(signed(self.clock.now_ms()));
        query.execute(&mut *transaction).await.map_err(self.writing())?;
        self.touch(&mut transaction, session).await?;
        self.database.commit(transaction).await
    }

    pub(super) async fn journal_end(
        &self,
        session: &str,
        agent_id: Option<&str>,
        call: &ToolCall,
        outcome: &ToolOutcome,
        message: Message,
    ) -> Result<Stored, StoreError> {
        self.close_entry(session, agent_id, call, None, Some(outcome), message).await
    }

    pub(super) async fn journal_refused(
        &self,
        session: &str,
        agent_id: Option<&str>,
        call: &ToolCall,
        outcome: &ToolOutcome,
        message: Message,
    ) -> Result<Stored, StoreError> {
        let outcome = written(outcome)?;
        let mut transaction = self.write(session).await?;
        let stored = self.insert(&mut transaction, session, agent_id, None, message).await?;
        let insert = "INSERT INTO calls (session, id, agent, tool, args, started_at, ended_at, outcome, message) \
                      VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?7, ?8)";
        let query = sqlx::query(insert).bind(session).bind(&call.id).bind(agent_id).bind(&call.name);
        let query = query.bind(call.args.to_string()).bind(signed(self.clock.now_ms())).bind(outcome);
        let query = query.bind(stored.message.id.as_deref());
        query.execute(&mut *transaction).await.map_err(self.writing())?;
        self.database.commit(transaction).await?;
        Ok(stored)
    }

    pub(super) async fn journal_cut(
        &self,
        session: &str,
        cut: &Journalled,
        message: Message,
    ) -> Result<Stored, StoreError> {
        let Journalled { agent_id, call, started_at } = cut;
        self.close_entry(session, agent_id.as_deref(), call, Some(*started_at), None, message).await
    }

    /// Closes the entry of a call that has none yet, with its outcome or as cut, and adds the message that tells of it.
    async fn close_entry(
        &self,
        session: &str,
        agent_id: Option<&str>,
        call: &ToolCall,
        started_at: Option<u64>,
        outcome: Option<&ToolOutcome>,
        message: Message,
    ) -> Result<Stored, StoreError> {
        let outcome = outcome.map(written).transpose()?;
        let mut transaction = self.write(session).await?;
        let stored = self.insert(&mut transaction, session, agent_id, None, message).await?;
        // A model may name two calls alike: then the one with these arguments, and among equals the first
        let update = "UPDATE calls SET ended_at = ?6, is_cut = ?7 IS NULL, outcome = ?7, message = ?8 WHERE number = (
            SELECT number FROM calls
            WHERE session = ?1 AND id = ?2 AND agent IS ?3 AND ended_at IS NULL AND (?5 IS NULL OR started_at = ?5)
            ORDER BY args = ?4 DESC, number LIMIT 1
        )";
        let query = sqlx::query(update).bind(session).bind(&call.id).bind(agent_id).bind(call.args.to_string());
        let query = query.bind(started_at.map(signed)).bind(signed(self.clock.now_ms())).bind(outcome);
        let query = query.bind(stored.message.id.as_deref());
        let closed = query.execute(&mut *transaction).await.map_err(self.writing())?;
        if closed.rows_affected() == 0 {
            return Err(StoreError::NoCall { id: call.id.clone() });
        }
        self.database.commit(transaction).await?;
        Ok(stored)
    }

    pub(super) async fn under_way(&self, session: &str) -> Result<Vec<Journalled>, StoreError> {
        let mut reader = self.database.settled().await?;
        self.by_id(&mut reader, session).await?;
        let select = "SELECT id, agent, tool, args, started_at FROM calls \
                      WHERE session = ?1 AND ended_at IS NULL ORDER BY number";
        let journalled = |row: &SqliteRow| {
            Ok(Journalled {
                agent_id: row.try_get("agent")?,
                call: ToolCall { id: row.try_get("id")?, name: row.try_get("tool")?, args: json(row, "args")? },
                started_at: unsigned(row.try_get("started_at")?),
            })
        };
        let rows = sqlx::query(select).bind(session).fetch_all(&mut *reader).await;
        rows.and_then(|rows| rows.iter().map(journalled).collect()).map_err(self.reading())
    }

    pub(super) async fn calls_of(
        &self,
        reader: &mut SqliteConnection,
        session: &str,
    ) -> Result<Vec<CallRecord>, StoreError> {
        let select = "SELECT id, agent, tool, args, started_at, ended_at, is_cut, outcome, message FROM calls \
                      WHERE session = ?1 ORDER BY number";
        let rows = sqlx::query(select).bind(session).fetch_all(reader).await;
        rows.and_then(|rows| rows.iter().map(record).collect()).map_err(self.reading())
    }
}

/// An outcome as it is kept.
fn written(outcome: &ToolOutcome) -> Result<String, StoreError> {
    let remark = |remark: &ToolRemark| CallRemark {
        plugin: remark.plugin.as_ref().map(ToString::to_string),
        what: remark.what.clone(),
        reason: remark.reason.clone(),
    };
    let outcome = CallOutcome {
        is_error: outcome.is_error,
        args: outcome.args.clone(),
        duration_ms: outcome.duration_ms,
        remarks: outcome.remarks.iter().map(remark).collect(),
    };
    serde_json::to_string(&outcome).map_err(|error| database::failed("written", error))
}

fn record(row: &SqliteRow) -> Result<CallRecord, sqlx::Error> {
    let ended_at: Option<i64> = row.try_get("ended_at")?;
    let has_outcome: Option<&str> = row.try_get("outcome")?;
    Ok(CallRecord {
        id: row.try_get("id")?,
        agent_id: row.try_get("agent")?,
        tool: row.try_get("tool")?,
        args: json(row, "args")?,
        started_at: unsigned(row.try_get("started_at")?),
        ended_at: ended_at.map(unsigned),
        is_cut: row.try_get("is_cut")?,
        outcome: has_outcome.map(|_| json(row, "outcome")).transpose()?,
        message_id: row.try_get("message")?,
    })
}

/// What a column holds as JSON.
pub(super) fn json<T: serde::de::DeserializeOwned>(row: &SqliteRow, column: &str) -> Result<T, sqlx::Error> {
    let text: &str = row.try_get(column)?;
    serde_json::from_str(text).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}
