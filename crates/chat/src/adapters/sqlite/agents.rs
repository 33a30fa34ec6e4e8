//! The sub-agents of a session.

use mimir_plugins::events::AgentInfo;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

use super::journal::json;
use super::{SqliteSessions, database, signed, unsigned};
use crate::{AgentRecord, StoreError};

impl SqliteSessions {
    pub(super) async fn start_agent(&self, session: &str, agent: &AgentInfo) -> Result<(), StoreError> {
        let info = serde_json::to_string(agent).map_err(|error| database::failed("written", error))?;
        let mut transaction = self.write(session).await?;
        // One that begins a second time is under way again
        let insert = "INSERT INTO agents (session, id, info, started_at) VALUES (?1, ?2, ?3, ?4) \
                      ON CONFLICT (session, id) DO UPDATE SET info = ?3, ended_at = NULL, error = NULL";
        let query = sqlx::query(insert).bind(session).bind(&agent.id).bind(info).bind(signed(self.clock.now_ms()));
        query.execute(&mut *transaction).await.map_err(self.writing())?;
        self.touch(&mut transaction, session).await?;
        self.database.commit(transaction).await
    }

    pub(super) async fn end_agent(&self, session: &str, id: &str, error: Option<&str>) -> Result<(), StoreError> {
        let mut transaction = self.write(session).await?;
        let update = "UPDATE agents SET ended_at = ?3, error = ?4 WHERE session = ?1 AND id = ?2";
        let query = sqlx::query(update).bind(session).bind(id).bind(signed(self.clock.now_ms())).bind(error);
        query.execute(&mut *transaction).await.map_err(self.writing())?;
        self.touch(&mut transaction, session).await?;
        self.database.commit(transaction).await
    }

    pub(super) async fn agents_of(
        &self,
        reader: &mut SqliteConnection,
        session: &str,
    ) -> Result<Vec<AgentRecord>, StoreError> {
        let select = "SELECT info, started_at, ended_at, error FROM agents WHERE session = ?1 ORDER BY number";
        let record = |row: &SqliteRow| {
            let ended_at: Option<i64> = row.try_get("ended_at")?;
            Ok(AgentRecord {
                agent: json(row, "info")?,
                started_at: unsigned(row.try_get("started_at")?),
                ended_at: ended_at.map(unsigned),
                error: row.try_get("error")?,
            })
        };
        let rows = sqlx::query(select).bind(session).fetch_all(reader).await;
        rows.and_then(|rows| rows.iter().map(record).collect()).map_err(self.reading())
    }
}
