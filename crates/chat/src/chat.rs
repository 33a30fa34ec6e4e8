use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use mimir_plugins::{Hooks, LlmProvider};
use mimir_shared_platform::Clock;
use mimir_shared_providers::PriceTable;

use crate::agents::Role;
use crate::announce::Announcer;
use crate::live::Live;
use crate::{
    ChatError, ChatSettings, Commands, Conversation, Models, NewSession, Screen, Session, SessionStore, Sleeper,
    StoreError, Toolbox,
};

/// What conversations are held with.
#[derive(Clone)]
pub struct ChatPorts {
    /// Keeps the sessions.
    pub store: Arc<dyn SessionStore>,
    /// The models, by the ids that sessions and roles name.
    pub provider: Arc<dyn LlmProvider>,
    /// Which of them can be asked.
    pub models: Arc<dyn Models>,
    /// What models cost.
    pub prices: Arc<PriceTable>,
    /// The tools.
    pub toolbox: Arc<dyn Toolbox>,
    /// Slash commands from outside.
    pub commands: Arc<dyn Commands>,
    /// Shows what happens.
    pub screen: Arc<dyn Screen>,
    /// Raises events.
    pub hooks: Hooks,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Waits before a model is asked again.
    pub sleeper: Arc<dyn Sleeper>,
}

/// Holds conversations. A clone is the same.
#[derive(Clone)]
pub struct Chat {
    pub(crate) shared: Arc<Shared>,
}

/// A [`Chat`] that does not keep it alive: for the tool by which a conversation's model starts sub-agents, which the
/// conversation's own toolbox holds.
#[derive(Clone)]
pub struct WeakChat(Weak<Shared>);

pub(crate) struct Shared {
    pub(crate) ports: ChatPorts,
    pub(crate) settings: ChatSettings,
    /// The sessions that are open here.
    lives: Mutex<HashMap<String, Weak<Live>>>,
    /// The models without a price of which that was said.
    unpriced: Mutex<HashSet<String>>,
}

impl Chat {
    /// Conversations with these ports.
    pub fn new(ports: ChatPorts, settings: ChatSettings) -> Self {
        let shared = Shared { ports, settings, lives: Mutex::default(), unpriced: Mutex::default() };
        Self { shared: Arc::new(shared) }
    }

    /// Begins a session. `title` says what it is about; if it is empty, the first words that the person says do. `model` is
    /// another than the one of the settings.
    ///
    /// # Errors
    /// If it can't be stored.
    pub async fn create(&self, title: &str, model: Option<&str>) -> Result<Conversation, ChatError> {
        let settings = &self.shared.settings;
        let new = NewSession {
            project: settings.project.clone(),
            title: title_of(title),
            model: model.unwrap_or(&settings.model).to_owned(),
        };
        let session = self.shared.ports.store.create(new).await?;
        let live = Live::begin(&self.shared, session);
        Ok(Conversation::new(live))
    }

    /// Goes on with a session. `id` may be the beginning of one. `model` is another than the one that it had.
    ///
    /// Calls that were under way when its last process ended are shown, and the model is told that their outcome is unknown.
    /// Nothing is asked yet: [`Conversation::go_on`] does so if something waits for an answer.
    ///
    /// # Errors
    /// If there is no such session, or it is open, here or in another process.
    pub async fn resume(&self, id: &str, model: Option<&str>) -> Result<Conversation, ChatError> {
        let live = Live::reopen(&self.shared, id, model).await?;
        Ok(Conversation::new(live))
    }

    /// The sessions of the project, the latest first.
    ///
    /// # Errors
    /// If they can't be read.
    pub async fn sessions(&self) -> Result<Vec<Session>, StoreError> {
        self.shared.sessions().await
    }

    /// The kinds of sub-agents that there are.
    pub fn roles(&self) -> Vec<Role> {
        let roles = self.shared.settings.roles.iter();
        roles.map(|role| Role { name: role.name.clone(), description: role.description.clone() }).collect()
    }

    /// The same without keeping it alive.
    pub fn downgrade(&self) -> WeakChat {
        WeakChat(Arc::downgrade(&self.shared))
    }
}

impl WeakChat {
    /// The chat, if it is still there.
    pub fn upgrade(&self) -> Option<Chat> {
        self.0.upgrade().map(|shared| Chat { shared })
    }
}

impl Shared {
    pub(crate) fn announcer(&self, session_id: &str) -> Announcer {
        Announcer {
            hooks: self.ports.hooks.clone(),
            clock: Arc::clone(&self.ports.clock),
            session_id: session_id.to_owned(),
            agent_id: None,
        }
    }

    pub(crate) async fn sessions(&self) -> Result<Vec<Session>, StoreError> {
        let project = Some(self.settings.project.as_str()).filter(|project| !project.is_empty());
        self.ports.store.list(project).await
    }

    pub(crate) fn live(&self, session_id: &str) -> Option<Arc<Live>> {
        lock(&self.lives).get(session_id).and_then(Weak::upgrade)
    }

    pub(crate) fn keep(&self, live: &Arc<Live>) {
        let mut lives = lock(&self.lives);
        lives.retain(|_, live| live.strong_count() > 0);
        lives.insert(live.session().id, Arc::downgrade(live));
    }

    /// The session may be opened again.
    pub(crate) async fn let_go(&self, session_id: &str) {
        lock(&self.lives).remove(session_id);
        self.ports.store.close(session_id).await;
    }

    /// The models of which it was said that their price is not known, by name.
    pub(crate) fn unpriced(&self) -> Vec<String> {
        let mut models: Vec<String> = lock(&self.unpriced).iter().cloned().collect();
        models.sort();
        models
    }

    /// Whether it is new that `model` has no price.
    pub(crate) fn finds_unpriced(&self, model: &str) -> bool {
        lock(&self.unpriced).insert(model.to_owned())
    }
}

/// Longest title of a session, in characters.
const TITLE: usize = 80;

/// The first words of what the person said, in one line and without control characters.
pub(crate) fn title_of(text: &str) -> String {
    let words: Vec<&str> =
        text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|it| !it.is_empty()).collect();
    let line = words.join(" ");
    match line.char_indices().nth(TITLE) {
        Some((at, _)) => format!("{}…", line[..at].trim_end()),
        None => line,
    }
}

/// What is behind these locks is changed by single assignments, so a panic elsewhere leaves it whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
