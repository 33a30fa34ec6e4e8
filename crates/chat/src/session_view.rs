use std::sync::Arc;

use async_trait::async_trait;
use mimir_plugins::{ApiError, ErrorCode, Message, SessionInfo, SessionView};
use serde_json::{Map, Value};

use crate::{SessionStore, StoreError};

/// The stored sessions as plugins see them in `ctx.session`.
pub struct StoredSessions {
    store: Arc<dyn SessionStore>,
}

impl StoredSessions {
    /// The sessions of a store.
    pub fn new(store: Arc<dyn SessionStore>) -> Self {
        Self { store }
    }
}

#[async_trait]
impl SessionView for StoredSessions {
    async fn session(&self, id: &str) -> Result<Option<SessionInfo>, ApiError> {
        let session = self.store.session(id).await.map_err(|error| unreadable(&error))?;
        Ok(session.map(|session| {
            let mut metadata = Map::new();
            metadata.insert("title".to_owned(), Value::from(session.title));
            metadata.insert("model".to_owned(), Value::from(session.model));
            metadata.insert("project".to_owned(), Value::from(session.project));
            metadata.insert("createdAt".to_owned(), Value::from(session.created_at));
            metadata.insert("updatedAt".to_owned(), Value::from(session.updated_at));
            metadata.insert("cost".to_owned(), Value::from(session.cost));
            metadata.extend(session.metadata);
            SessionInfo { id: session.id, metadata }
        }))
    }

    async fn messages(&self, id: &str) -> Result<Option<Vec<Message>>, ApiError> {
        match self.store.conversation(id, None).await {
            Ok(stored) => Ok(Some(stored.into_iter().map(|stored| stored.message).collect())),
            Err(StoreError::Unknown { .. }) => Ok(None),
            Err(error) => Err(unreadable(&error)),
        }
    }
}

fn unreadable(error: &StoreError) -> ApiError {
    ApiError::new(ErrorCode::Io, error.to_string())
}
