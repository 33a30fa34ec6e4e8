use std::io;
use std::path::PathBuf;

use mimir_api::ApiError;
use mimir_loader::LoadError;
use mimir_registry::{Failure, RegistryError};
use mimir_shared_config::{ConfigError, EventName, PluginId};
use mimir_shared_platform::PlatformError;
use thiserror::Error;

/// Why the plugin system could not do what was asked. What is wrong with a single plugin is a [`Report`](crate::Report).
#[derive(Debug, Error)]
pub enum PluginsError {
    /// The configuration is wrong. Its files hold the places.
    #[error("the configuration is wrong")]
    Configuration(#[source] ConfigError),
    /// A configuration file is there and can't be read.
    #[error("the configuration can't be read")]
    Unreadable(#[source] PlatformError),
    /// What stands where a configuration file should is none.
    #[error("`{}` is no ordinary file of at most 1 MiB", path.display())]
    NoConfiguration {
        /// The path.
        path: PathBuf,
    },
    /// The project's configuration is a link that leads out of the project.
    #[error("`{}` leads out of the project", path.display())]
    ConfigurationElsewhere {
        /// The path.
        path: PathBuf,
    },
    /// Mimir's own folder lies in the project, so that a repository could have brought grants.
    #[error("Mimir's own folder `{}` lies in the project `{}`", home.display(), project.display())]
    HomeInProject {
        /// Mimir's own folder.
        home: PathBuf,
        /// The project's folder.
        project: PathBuf,
    },
    /// A layer of the wall around plugins is required and not there.
    #[error("plugins do not start: {}", missing_layers(missing))]
    LayersMissing {
        /// Each layer that is missing: its name, who requires it, and why it is not there.
        missing: Vec<(&'static str, String, String)>,
    },
    /// Nobody knows where Mimir's own folder is.
    #[error("there is no home folder to keep plugins, grants and trust in")]
    NoHome,
    /// The process is in a folder that does not exist any more, and nobody named another.
    #[error("the folder that you are in can't be found")]
    NoCurrentFolder(#[source] io::Error),
    /// The project's folder does not exist.
    #[error("there is no folder {}", path.display())]
    NoProject {
        /// The folder as it was given.
        path: PathBuf,
    },
    /// What Mimir keeps about plugins can't be read or written.
    #[error(transparent)]
    Loader(LoadError),
    /// The project's folder can't be opened for the plugins.
    #[error("the project's folder can't be opened: {0}")]
    Context(ApiError),
    /// The registry refused.
    #[error("the registry refused")]
    Registry(#[source] RegistryError),
    /// No plugin of this name is loaded and may run.
    #[error("no plugin named `{plugin}` may run")]
    NotRunning {
        /// The name.
        plugin: PluginId,
    },
    /// A plugin does not start.
    #[error("`{plugin}` does not run: {failure}")]
    NotStarted {
        /// Which.
        plugin: PluginId,
        /// Why.
        failure: Failure,
    },
    /// The name of a custom tool is none.
    #[error("{name:?} is no name for a custom tool")]
    CustomTool {
        /// The name.
        name: String,
    },
    /// The payload of an event is no JSON object.
    #[error("the payload of `{event}` is no JSON object")]
    Payload {
        /// The event.
        event: EventName,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
}

fn missing_layers(missing: &[(&'static str, String, String)]) -> String {
    let each = missing.iter().map(|(layer, by, why)| format!("{by} requires `{layer}`, which is not enforced ({why})"));
    each.collect::<Vec<_>>().join("; ")
}

impl PluginsError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Configuration(error) => error.help().map(str::to_owned),
            Self::Unreadable(PlatformError::NotUtf8 { .. }) => Some("save it as UTF-8".to_owned()),
            Self::Unreadable(_) => Some("check what stands there and its permissions".to_owned()),
            Self::NoConfiguration { path } => Some(format!("look what stands there: `ls -l {}`", path.display())),
            Self::ConfigurationElsewhere { .. } => Some("put the file itself there".to_owned()),
            Self::HomeInProject { .. } => Some(
                "grants and trust that lie in a repository are not the user's: set MIMIR_HOME to a folder outside of it"
                    .to_owned(),
            ),
            Self::LayersMissing { .. } => Some(
                "`mimir plugin doctor` shows what this kernel enforces; `--no-plugins` starts without any".to_owned(),
            ),
            Self::NoHome => Some("set HOME, or MIMIR_HOME to a folder of Mimir's own".to_owned()),
            Self::NoCurrentFolder(_) => {
                Some("it was removed or renamed: change into another, or name one with `--project`".to_owned())
            }
            Self::NoProject { .. } => Some("name a folder that exists".to_owned()),
            Self::Loader(error) => Some(error.hint()),
            Self::Context(error) => error.hint.clone(),
            Self::NotRunning { .. } => Some("`mimir plugin list` says why".to_owned()),
            Self::CustomTool { .. } => Some("use letters, digits, `-` and `_`".to_owned()),
            Self::NotStarted { .. } | Self::Registry(_) | Self::Payload { .. } => None,
        }
    }
}
