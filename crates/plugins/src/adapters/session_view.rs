use async_trait::async_trait;
use mimir_api::{ApiError, SessionInfo, SessionView};
use mimir_shared_providers::Message;

/// Where nobody keeps sessions, there are none.
pub(crate) struct NoSessions;

#[async_trait]
impl SessionView for NoSessions {
    async fn session(&self, _id: &str) -> Result<Option<SessionInfo>, ApiError> {
        Ok(None)
    }

    async fn messages(&self, _id: &str) -> Result<Option<Vec<Message>>, ApiError> {
        Ok(None)
    }
}
