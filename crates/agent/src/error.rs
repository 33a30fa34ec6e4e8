use std::path::PathBuf;

use mimir_chat::StoreError;
use mimir_plugins::PluginsError;
use mimir_shared_config::ConfigError;
use mimir_shared_platform::PlatformError;
use mimir_shared_providers::{InvalidProvider, ProviderError};
use thiserror::Error;

/// Why the agent can't begin.
#[derive(Debug, Error)]
pub enum AgentError {
    /// The plugins or the configuration are wrong.
    #[error(transparent)]
    Plugins(#[from] PluginsError),
    /// The sessions can't be kept.
    #[error(transparent)]
    Sessions(#[from] StoreError),
    /// The project's folder can't be opened.
    #[error(transparent)]
    Project(#[from] PlatformError),
    /// There is no such model.
    #[error("the model `{model}` can't be asked")]
    Model {
        /// The model.
        model: String,
        /// The one that was probably meant.
        meant: Option<String>,
        /// Why.
        #[source]
        source: ProviderError,
    },
    /// A provider can't be used as it is configured.
    #[error(transparent)]
    Provider(#[from] InvalidProvider),
    /// The file with the user's secrets can't be used.
    #[error("{} can't be used: {reason}", path.display())]
    Secrets {
        /// The file.
        path: PathBuf,
        /// Why, without anything that stands in it.
        reason: String,
    },
    /// A file that a person wrote is wrong.
    #[error(transparent)]
    File(#[from] ConfigError),
    /// The scenario can't be read.
    #[error("the scenario {} can't be read", path.display())]
    Scenario {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The recording can't be written.
    #[error("the recording {} can't be written", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The model's provider needs a key, and there is none.
    #[error("the model `{model}` needs a key, and there is none")]
    NoKey {
        /// The model.
        model: String,
        /// What to do.
        hint: String,
    },
    /// The project's folder has a name that is no text.
    #[error("the folder {} has a name that is no Unicode", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
    },
}

impl AgentError {
    /// What to do about it, where that can be said.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoKey { hint, .. } => Some(hint.clone()),
            Self::Secrets { .. } => {
                Some("make it readable for you alone (`chmod 600`), one `NAME: value` a line".into())
            }
            Self::Model { meant: Some(meant), .. } => Some(format!("did you mean `{meant}`?")),
            Self::Model { meant: None, .. } => {
                Some("say `provider/model`, as `anthropic/…`; `scripted` needs no key".into())
            }
            Self::Provider(_) => Some("change `providers` in ~/.mimir/config.yml".into()),
            Self::Record { .. } => Some("name a file that does not exist yet, in a folder that you may write".into()),
            Self::Sessions(error) => error.hint(),
            Self::Plugins(_) | Self::File(_) | Self::Project(_) | Self::Scenario { .. } | Self::Folder { .. } => None,
        }
    }
}

/// An error with what caused it.
pub(crate) fn in_one_line(error: &dyn std::error::Error) -> String {
    let (mut text, mut cause) = (error.to_string(), error.source());
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
