//! A session with all that belongs to it.

use mimir_shared_providers::Usage;

use super::SqliteSessions;
use crate::{Exported, StoreError};

impl SqliteSessions {
    pub(super) async fn exported(&self, session: &str) -> Result<Exported, StoreError> {
        let mut reader = self.database.snapshot().await?;
        let models = self.models_of(&mut reader, session).await?;
        Ok(Exported {
            session: self.by_id(&mut reader, session).await?,
            usage: models.iter().fold(Usage::default(), |sum, model| sum + model.usage),
            models,
            agents: self.agents_of(&mut reader, session).await?,
            messages: self.messages_of(&mut reader, session).await?,
            calls: self.calls_of(&mut reader, session).await?,
        })
    }
}
