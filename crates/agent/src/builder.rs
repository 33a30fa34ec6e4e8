use std::path::PathBuf;
use std::sync::Arc;

use mimir_chat::Screen;
use mimir_permissions::Person;
use mimir_plugins::{PluginsBuilder, Prepared};
use mimir_shared_providers::Scenario;

use crate::{Agent, AgentError, start};

/// Sets an agent up. Requests for permission go to a [`Person`]; what happens is told to a [`Screen`].
#[derive(Clone)]
pub struct AgentBuilder {
    pub(crate) plugins: PluginsBuilder,
    pub(crate) screen: Arc<dyn Screen>,
    pub(crate) person: Option<Arc<dyn Person>>,
    pub(crate) model: Option<String>,
    pub(crate) scenario: Option<PathBuf>,
    pub(crate) record: Option<PathBuf>,
    pub(crate) yes: bool,
    pub(crate) resumes: bool,
}

/// The configuration is read and nothing runs yet. What must happen before the process has threads has happened.
pub struct PreparedAgent {
    pub(crate) settings: AgentBuilder,
    pub(crate) prepared: Prepared,
    pub(crate) scenario: Option<Scenario>,
}

impl AgentBuilder {
    /// An agent whose plugins are set up by `plugins`. Nobody answers its requests for permission.
    pub fn new(plugins: PluginsBuilder, screen: Arc<dyn Screen>) -> Self {
        Self { plugins, screen, person: None, model: None, scenario: None, record: None, yes: false, resumes: false }
    }

    /// Who answers requests for permission.
    #[must_use]
    pub fn person(mut self, person: Arc<dyn Person>) -> Self {
        self.person = Some(person);
        self
    }

    /// The model of new sessions, in place of the configuration's, and of one that is resumed.
    #[must_use]
    pub fn model(mut self, model: Option<String>) -> Self {
        self.model = model;
        self
    }

    /// What the scripted model plays, which is asked then unless [`AgentBuilder::model`] says another.
    #[must_use]
    pub fn scenario(mut self, file: Option<PathBuf>) -> Self {
        self.scenario = file;
        self
    }

    /// Where the events are written, and what plugins called while they answered them.
    #[must_use]
    pub fn record(mut self, file: Option<PathBuf>) -> Self {
        self.record = file;
        self
    }

    /// Answers requests for permission up to medium risk with yes.
    #[must_use]
    pub fn yes(mut self, yes: bool) -> Self {
        self.yes = yes;
        self
    }

    /// Whether a session is gone on with. It has a model of its own, so whether the configured one can be asked is not
    /// looked at.
    #[must_use]
    pub fn resumes(mut self, resumes: bool) -> Self {
        self.resumes = resumes;
        self
    }

    /// Reads the configuration and the scenario. Call it before the runtime is built.
    ///
    /// # Errors
    /// If either is wrong.
    pub fn prepare(self) -> Result<PreparedAgent, AgentError> {
        start::prepare(self)
    }
}

impl PreparedAgent {
    /// Starts the plugins, and gives them and the tools to a conversation.
    ///
    /// # Errors
    /// If the sessions can't be kept, or the model can't be asked as it is configured.
    pub async fn start(self) -> Result<Agent, AgentError> {
        start::start(self).await
    }
}
