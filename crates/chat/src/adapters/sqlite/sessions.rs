//! Sessions themselves: begun, found, listed, changed, deleted.

use serde_json::{Map, Value};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

use super::id::{new_id, typed};
use super::{SqliteSessions, database, signed, unsigned};
use crate::{NewSession, Session, StoreError};

/// Every column of a session, and its cost.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, project, title, model, created_at, updated_at, messages, metadata, ",
            "(SELECT total(cost) FROM spending WHERE session = sessions.id) AS cost FROM sessions ",
            $rest
        )
    };
}

impl SqliteSessions {
    pub(super) async fn begin_session(&self, new: NewSession) -> Result<Session, StoreError> {
        let id = new_id().map_err(|error| database::failed("written", error))?;
        let now = self.clock.now_ms();
        self.hold(&id)?;
        let result = self.insert_session(&id, &new, now).await;
        if result.is_err() {
            self.let_go(&id);
        }
        result?;
        let NewSession { project, title, model } = new;
        let metadata = Map::new();
        Ok(Session { id, project, title, model, created_at: now, updated_at: now, messages: 0, cost: 0.0, metadata })
    }

    async fn insert_session(&self, id: &str, new: &NewSession, now: u64) -> Result<(), StoreError> {
        let mut transaction = self.write(id).await?;
        let insert = "INSERT INTO sessions (id, project, title, model, created_at, updated_at, metadata) \
                      VALUES (?1, ?2, ?3, ?4, ?5, ?5, '{}')";
        let query = sqlx::query(insert).bind(id).bind(&new.project).bind(&new.title).bind(&new.model);
        query.bind(signed(now)).execute(&mut *transaction).await.map_err(self.writing())?;
        self.database.commit(transaction).await
    }

    pub(super) async fn open_session(&self, id: &str) -> Result<Session, StoreError> {
        let found = self.found(id).await?;
        let was_held = self.is_held(&found.id);
        self.hold(&found.id)?;
        // It may have been written to, or deleted, before it was this process's
        let mut reader = self.database.snapshot().await?;
        let session = self.by_id(&mut reader, &found.id).await;
        if session.is_err() && !was_held {
            self.let_go(&found.id);
        }
        session
    }

    /// The session whose id begins so.
    pub(super) async fn found(&self, id: &str) -> Result<Session, StoreError> {
        let unknown = || StoreError::Unknown { id: id.to_owned() };
        let beginning = typed(id).ok_or_else(unknown)?;
        let mut reader = self.database.snapshot().await?;
        let select = "SELECT id FROM sessions WHERE substr(id, 1, length(?1)) = ?1";
        let ids: Vec<String> =
            sqlx::query_scalar(select).bind(&beginning).fetch_all(&mut *reader).await.map_err(self.reading())?;
        match ids.as_slice() {
            [] => Err(unknown()),
            [id] => self.by_id(&mut reader, id).await,
            ids => Err(StoreError::Ambiguous { id: id.to_owned(), count: ids.len() }),
        }
    }

    /// The session of this whole id.
    pub(super) async fn by_id(&self, reader: &mut SqliteConnection, id: &str) -> Result<Session, StoreError> {
        let query = sqlx::query(select!("WHERE id = ?1")).bind(id);
        let row = query.fetch_optional(reader).await.map_err(self.reading())?;
        let row = row.ok_or_else(|| StoreError::Unknown { id: id.to_owned() })?;
        session(&row).map_err(self.reading())
    }

    pub(super) async fn listed(&self, project: Option<&str>) -> Result<Vec<Session>, StoreError> {
        let select = select!("WHERE ?1 IS NULL OR project = ?1 ORDER BY updated_at DESC, created_at DESC, rowid DESC");
        let rows = sqlx::query(select).bind(project).fetch_all(self.database.readers()).await;
        rows.and_then(|rows| rows.iter().map(session).collect()).map_err(self.reading())
    }

    pub(super) async fn update_session(&self, session: &Session) -> Result<(), StoreError> {
        let mut transaction = self.write(&session.id).await?;
        let metadata = Value::Object(session.metadata.clone()).to_string();
        let update = "UPDATE sessions SET title = ?2, model = ?3, metadata = ?4, updated_at = ?5 WHERE id = ?1";
        let query = sqlx::query(update).bind(&session.id).bind(&session.title).bind(&session.model).bind(metadata);
        let query = query.bind(signed(self.clock.now_ms()));
        query.execute(&mut *transaction).await.map_err(self.writing())?;
        self.database.commit(transaction).await
    }

    pub(super) async fn delete_session(&self, id: &str) -> Result<(), StoreError> {
        {
            let mut reader = self.database.snapshot().await?;
            self.by_id(&mut reader, id).await?;
        }
        // Held here until it is gone, so that nobody begins to use it meanwhile
        let hold = self.take(id)?;
        let mut transaction = self.database.begin().await?;
        let deleted = sqlx::query("DELETE FROM sessions WHERE id = ?1").bind(id).execute(&mut *transaction).await;
        let deleted = deleted.map_err(self.writing())?;
        self.database.commit(transaction).await?;
        drop(hold);
        if deleted.rows_affected() == 0 {
            return Err(StoreError::Unknown { id: id.to_owned() });
        }
        self.database.tidy().await;
        Ok(())
    }
}

fn session(row: &SqliteRow) -> Result<Session, sqlx::Error> {
    let metadata: String = row.try_get("metadata")?;
    Ok(Session {
        id: row.try_get("id")?,
        project: row.try_get("project")?,
        title: row.try_get("title")?,
        model: row.try_get("model")?,
        created_at: unsigned(row.try_get("created_at")?),
        updated_at: unsigned(row.try_get("updated_at")?),
        messages: unsigned(row.try_get("messages")?),
        cost: row.try_get("cost")?,
        metadata: serde_json::from_str(&metadata).map_err(|error| sqlx::Error::Decode(Box::new(error)))?,
    })
}
