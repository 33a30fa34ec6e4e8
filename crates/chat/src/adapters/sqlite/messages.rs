//! The messages of a session, and the order in which they are read.

use mimir_shared_providers::Message;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

use super::id::new_id;
use super::{SqliteSessions, database, signed, unsigned};
use crate::{StoreError, Stored};

impl SqliteSessions {
    pub(super) async fn append_message(
        &self,
        session: &str,
        agent_id: Option<&str>,
        message: Message,
    ) -> Result<Stored, StoreError> {
        let mut transaction = self.write(session).await?;
        let stored = self.insert(&mut transaction, session, agent_id, None, message).await?;
        self.database.commit(transaction).await?;
        Ok(stored)
    }

    /// Adds a message. It is read at its place, or at `position`.
    pub(super) async fn insert(
        &self,
        writer: &mut SqliteConnection,
        session: &str,
        agent_id: Option<&str>,
        position: Option<i64>,
        mut message: Message,
    ) -> Result<Stored, StoreError> {
        let now = self.clock.now_ms();
        let id = new_id().map_err(|error| database::failed("written", error))?;
        message.id = Some(id.clone());
        message.timestamp = Some(now);
        let body = serde_json::to_string(&message).map_err(|error| database::failed("written", error))?;
        let take_place = "UPDATE sessions SET next_place = next_place + 1, messages = messages + (?2 IS NULL), \
                          updated_at = ?3 WHERE id = ?1 RETURNING next_place - 1";
        let query = sqlx::query_scalar(take_place).bind(session).bind(agent_id).bind(signed(now));
        let place: Option<i64> = query.fetch_optional(&mut *writer).await.map_err(self.writing())?;
        let place = place.ok_or_else(|| StoreError::Unknown { id: session.to_owned() })?;
        let insert = "INSERT INTO messages (session, place, position, id, agent, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let query = sqlx::query(insert).bind(session).bind(place).bind(position.unwrap_or(place)).bind(&id);
        query.bind(agent_id).bind(&body).execute(writer).await.map_err(self.writing())?;
        Ok(Stored { place: unsigned(place), agent_id: agent_id.map(str::to_owned), is_compacted: false, message })
    }

    pub(super) async fn replace_message(&self, session: &str, message: &Message) -> Result<Option<Stored>, StoreError> {
        let mut transaction = self.write(session).await?;
        let Some(id) = &message.id else { return Ok(None) };
        let Some(mut stored) = self.message(&mut transaction, session, id).await? else { return Ok(None) };
        let written = stored.message.timestamp;
        stored.message = message.clone();
        stored.message.timestamp = message.timestamp.or(written);
        let body = serde_json::to_string(&stored.message).map_err(|error| database::failed("written", error))?;
        let update = "UPDATE messages SET body = ?3 WHERE session = ?1 AND id = ?2";
        let query = sqlx::query(update).bind(session).bind(id).bind(body);
        query.execute(&mut *transaction).await.map_err(self.writing())?;
        self.touch(&mut transaction, session).await?;
        self.database.commit(transaction).await?;
        Ok(Some(stored))
    }

    pub(super) async fn remove_messages(&self, session: &str, ids: &[String]) -> Result<Vec<Stored>, StoreError> {
        let mut transaction = self.write(session).await?;
        let mut removed = Vec::new();
        for id in ids {
            let Some(stored) = self.message(&mut transaction, session, id).await? else { continue };
            let delete = "DELETE FROM messages WHERE session = ?1 AND id = ?2";
            let query = sqlx::query(delete).bind(session).bind(id);
            query.execute(&mut *transaction).await.map_err(self.writing())?;
            if stored.agent_id.is_none() && !stored.is_compacted {
                let query = sqlx::query("UPDATE sessions SET messages = messages - 1 WHERE id = ?1").bind(session);
                query.execute(&mut *transaction).await.map_err(self.writing())?;
            }
            removed.push(stored);
        }
        if !removed.is_empty() {
            self.touch(&mut transaction, session).await?;
            self.database.commit(transaction).await?;
        }
        Ok(removed)
    }

    pub(super) async fn compact_messages(
        &self,
        session: &str,
        last: &str,
        summary: Message,
    ) -> Result<Stored, StoreError> {
        let mut transaction = self.write(session).await?;
        let select = "SELECT position, place FROM messages \
                      WHERE session = ?1 AND id = ?2 AND agent IS NULL AND is_compacted = 0";
        let query = sqlx::query_as(select).bind(session).bind(last);
        let found: Option<(i64, i64)> = query.fetch_optional(&mut *transaction).await.map_err(self.writing())?;
        let (position, place) = found.ok_or_else(|| StoreError::NoMessage { id: last.to_owned() })?;
        let put_away = "UPDATE messages SET is_compacted = 1 WHERE session = ?1 AND agent IS NULL \
                        AND is_compacted = 0 AND (position, place) <= (?2, ?3)";
        let query = sqlx::query(put_away).bind(session).bind(position).bind(place);
        let put_away = query.execute(&mut *transaction).await.map_err(self.writing())?.rows_affected();
        let query = sqlx::query("UPDATE sessions SET messages = messages - ?2 WHERE id = ?1").bind(session);
        query.bind(signed(put_away)).execute(&mut *transaction).await.map_err(self.writing())?;
        // At the position of the last that it sums up: after all of those, and before what is left
        let stored = self.insert(&mut transaction, session, None, Some(position), summary).await?;
        self.database.commit(transaction).await?;
        Ok(stored)
    }

    pub(super) async fn live_messages(&self, session: &str, agent_id: Option<&str>) -> Result<Vec<Stored>, StoreError> {
        let mut reader = self.database.snapshot().await?;
        self.by_id(&mut reader, session).await?;
        let select = "SELECT place, agent, is_compacted, body FROM messages \
                      WHERE session = ?1 AND agent IS ?2 AND is_compacted = 0 ORDER BY position, place";
        let rows = sqlx::query(select).bind(session).bind(agent_id).fetch_all(&mut *reader).await;
        rows.and_then(|rows| rows.iter().map(stored).collect()).map_err(self.reading())
    }

    pub(super) async fn all_messages(&self, session: &str) -> Result<Vec<Stored>, StoreError> {
        let mut reader = self.database.snapshot().await?;
        self.by_id(&mut reader, session).await?;
        self.messages_of(&mut reader, session).await
    }

    pub(super) async fn messages_of(
        &self,
        reader: &mut SqliteConnection,
        session: &str,
    ) -> Result<Vec<Stored>, StoreError> {
        let select =
            "SELECT place, agent, is_compacted, body FROM messages WHERE session = ?1 ORDER BY position, place";
        let rows = sqlx::query(select).bind(session).fetch_all(reader).await;
        rows.and_then(|rows| rows.iter().map(stored).collect()).map_err(self.reading())
    }

    async fn message(
        &self,
        connection: &mut SqliteConnection,
        session: &str,
        id: &str,
    ) -> Result<Option<Stored>, StoreError> {
        let select = "SELECT place, agent, is_compacted, body FROM messages WHERE session = ?1 AND id = ?2";
        let row = sqlx::query(select).bind(session).bind(id).fetch_optional(connection).await;
        row.and_then(|row| row.as_ref().map(stored).transpose()).map_err(self.reading())
    }

    /// Writes down that the session was written to just now.
    pub(super) async fn touch(&self, writer: &mut SqliteConnection, session: &str) -> Result<(), StoreError> {
        let query = sqlx::query("UPDATE sessions SET updated_at = ?2 WHERE id = ?1").bind(session);
        query.bind(signed(self.clock.now_ms())).execute(writer).await.map_err(self.writing())?;
        Ok(())
    }
}

fn stored(row: &SqliteRow) -> Result<Stored, sqlx::Error> {
    let body: &str = row.try_get("body")?;
    Ok(Stored {
        place: unsigned(row.try_get("place")?),
        agent_id: row.try_get("agent")?,
        is_compacted: row.try_get("is_compacted")?,
        message: serde_json::from_str(body).map_err(|error| sqlx::Error::Decode(Box::new(error)))?,
    })
}
