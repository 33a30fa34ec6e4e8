use mimir_shared_providers::ProviderError;
use thiserror::Error;

use crate::StoreError;

/// Why a conversation can't go on. The session stays usable: what was said until then is stored.
#[derive(Debug, Error)]
pub enum ChatError {
    /// What is said can't be kept, so nothing more is said.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The session is open in this process already.
    #[error("the session `{id}` is open here already")]
    AlreadyOpen {
        /// The session.
        id: String,
    },
    /// The model gave no answer.
    #[error("the model `{model}` gave no answer{}", attempts_in_words(*attempts))]
    Model {
        /// The model.
        model: String,
        /// How often it was asked.
        attempts: u32,
        /// Why, the last time.
        #[source]
        source: ProviderError,
    },
}

impl ChatError {
    /// The error and what led to it, in one line.
    pub fn in_one_line(&self) -> String {
        let mut line = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            line.push_str(": ");
            line.push_str(&error.to_string());
            cause = error.source();
        }
        line
    }

    /// The kind of error as events carry it.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Store(_) | Self::AlreadyOpen { .. } => "StoreError",
            Self::Model { .. } => "ModelError",
        }
    }
}

fn attempts_in_words(attempts: u32) -> String {
    if attempts > 1 { format!(" after {attempts} attempts") } else { String::new() }
}
