use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use mimir_plugins::PluginId;
use mimir_plugins::events::IdleReason;
use mimir_shared_providers::Message;

use crate::announce::Announcer;
use crate::chat::{Shared, lock};
use crate::context;
use crate::cost::Purse;
use crate::mend::Cut;
use crate::{ChatError, Session, Shown, StoreError, Stored};

/// A session that is open in this process.
pub(crate) struct Live {
    pub(crate) shared: Arc<Shared>,
    pub(crate) announcer: Announcer,
    session: Mutex<Session>,
    /// The ids of all calls that the session ever had. Some models name the calls of every answer alike.
    used_calls: Mutex<HashSet<String>>,
    pub(crate) purse: Mutex<Purse>,
    pub(crate) measured: Mutex<Measured>,
    pub(crate) agents: Mutex<Agents>,
}

/// What is known of the size of the main conversation.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    /// How many of its messages had how many tokens, by the model's own count.
    pub(crate) last: Option<(usize, u64)>,
    /// No compaction is tried again below so many tokens, since the last one was refused or did not help.
    pub(crate) not_before: u64,
}

/// The sub-agents of a session.
#[derive(Debug, Default)]
pub(crate) struct Agents {
    pub(crate) running: HashMap<String, Running>,
    /// Those that were dropped and not written off yet.
    pub(crate) dropped: Vec<String>,
    /// How many there were.
    begun: u64,
}

/// A sub-agent at work.
#[derive(Debug, Clone)]
pub(crate) struct Running {
    /// How many agents are above it.
    pub(crate) depth: u8,
    /// The plugins whose host calls led to it.
    pub(crate) cause: Vec<PluginId>,
}

impl Live {
    fn new(shared: &Arc<Shared>, session: Session) -> Arc<Self> {
        let live = Arc::new(Self {
            announcer: shared.announcer(&session.id),
            purse: Mutex::new(Purse::new(&shared.settings.budget)),
            shared: Arc::clone(shared),
            session: Mutex::new(session),
            used_calls: Mutex::default(),
            measured: Mutex::default(),
            agents: Mutex::default(),
        });
        shared.keep(&live);
        live
    }

    /// For a session that was created just now.
    pub(crate) fn begin(shared: &Arc<Shared>, session: Session) -> Arc<Self> {
        let live = Self::new(shared, session);
        let session = live.session();
        live.announcer.created(&session);
        live.show(Shown::Opened { session: &session, is_resumed: false, messages: 0 });
        live
    }

    /// Opens a session that there is.
    pub(crate) async fn reopen(shared: &Arc<Shared>, id: &str, model: Option<&str>) -> Result<Arc<Self>, ChatError> {
        let store = &shared.ports.store;
        let mut session = store.open(id).await?;
        if shared.live(&session.id).is_some() {
            return Err(ChatError::AlreadyOpen { id: session.id });
        }
        if let Some(model) = model
            && session.model != model
        {
            model.clone_into(&mut session.model);
            store.update(&session).await?;
        }
        let live = Self::new(shared, session);
        let history = store.history(live.id()).await?;
        let messages = store.conversation(live.id(), None).await?.len();
        live.used_calls().extend(history.iter().flat_map(|stored| context::call_ids(&stored.message)));
        let session = live.session();
        live.announcer.resumed(&session);
        live.show(Shown::Opened { session: &session, is_resumed: true, messages });
        let agents: HashSet<String> = history.into_iter().filter_map(|stored| stored.agent_id).collect();
        live.mend(Cut::ProcessEnded, agents).await?;
        Ok(live)
    }

    /// The session's id, which never changes.
    pub(crate) fn id(&self) -> &str {
        &self.announcer.session_id
    }

    pub(crate) fn session(&self) -> Session {
        lock(&self.session).clone()
    }

    pub(crate) fn model(&self) -> String {
        lock(&self.session).model.clone()
    }

    /// Changes what is kept about the session.
    pub(crate) async fn update(&self, change: impl FnOnce(&mut Session)) -> Result<(), StoreError> {
        let session = {
            let mut session = lock(&self.session);
            change(&mut session);
            session.clone()
        };
        self.shared.ports.store.update(&session).await
    }

    pub(crate) fn show(&self, shown: Shown<'_>) {
        self.shared.ports.screen.show(shown);
    }

    pub(crate) fn notice(&self, text: &str) {
        self.show(Shown::Notice { text });
    }

    pub(crate) fn idle(&self, reason: IdleReason) {
        self.announcer.idle(&self.session(), reason);
    }

    pub(crate) fn used_calls(&self) -> std::sync::MutexGuard<'_, HashSet<String>> {
        lock(&self.used_calls)
    }

    /// The events of an agent.
    pub(crate) fn announcer_of(&self, agent_id: Option<&str>) -> Announcer {
        Announcer { agent_id: agent_id.map(str::to_owned), ..self.announcer.clone() }
    }

    /// Adds a message to a conversation: stored first, then told.
    pub(crate) async fn append(&self, announcer: &Announcer, message: Message) -> Result<Stored, StoreError> {
        let stored = self.shared.ports.store.append(self.id(), announcer.agent_id.as_deref(), message).await?;
        announcer.added(&stored.message);
        Ok(stored)
    }

    /// An id that no agent of the session has, of earlier processes neither.
    pub(crate) fn next_agent_id(&self) -> String {
        let mut agents = lock(&self.agents);
        agents.begun += 1;
        format!("agent-{:x}-{}", self.announcer.clock.now_ms(), agents.begun)
    }

    /// The main conversation as it is now.
    pub(crate) async fn conversation(&self) -> Result<Vec<Stored>, StoreError> {
        self.shared.ports.store.conversation(self.id(), None).await
    }

    /// Removes messages of the main conversation.
    pub(crate) async fn remove(&self, messages: &[Stored]) -> Result<usize, StoreError> {
        let ids: Vec<String> = messages.iter().filter_map(|stored| stored.message.id.clone()).collect();
        let removed = self.shared.ports.store.remove_all(self.id(), &ids).await?;
        *lock(&self.measured) = Measured::default();
        for stored in &removed {
            self.announcer.removed(&stored.message);
        }
        Ok(removed.len())
    }
}
