//! A store in memory. It is stricter than the real one: every write yields before and after it, so that a future that is
//! dropped may be dropped on either side of what it wrote, and what must not happen is a panic.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use mimir_chat::{Journalled, NewSession, Session, SessionStore, StoreError, Stored, ToolCall, ToolOutcome, Totals};
use mimir_plugins::Message;
use mimir_plugins::events::AgentInfo;
use mimir_shared_providers::Usage;
use serde_json::Map;

#[derive(Default)]
pub(crate) struct MemoryStore {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    sessions: Vec<Kept>,
    held: HashSet<String>,
    next: u64,
    day: f64,
    fails: bool,
}

struct Kept {
    session: Session,
    messages: Vec<Stored>,
    calls: Vec<(Journalled, bool)>,
    agents: HashMap<String, Option<Option<String>>>,
    totals: Totals,
}

impl MemoryStore {
    /// As if the process had ended: nobody holds anything.
    pub(crate) fn restart(&self) {
        self.state().held.clear();
    }

    /// From now on nothing can be written.
    pub(crate) fn fail(&self, fails: bool) {
        self.state().fails = fails;
    }

    /// The calls that the journal has.
    pub(crate) fn begun(&self, session: &str) -> HashSet<String> {
        self.state().kept(session).calls.iter().map(|(begun, _)| begun.call.id.clone()).collect()
    }

    pub(crate) fn history_now(&self, session: &str) -> Vec<Stored> {
        self.state().kept(session).messages.clone()
    }

    /// The messages of an agent's conversation, as it is now.
    pub(crate) fn messages(&self, session: &str, agent: Option<&str>) -> Vec<Message> {
        let state = self.state();
        let kept = state.sessions.iter().find(|kept| kept.session.id == session).unwrap();
        let its = kept.messages.iter().filter(|stored| stored.agent_id.as_deref() == agent && !stored.is_compacted);
        its.map(|stored| stored.message.clone()).collect()
    }

    /// How the sub-agents ended: not at all, well, or with an error.
    pub(crate) fn agents(&self, session: &str) -> Vec<Option<Option<String>>> {
        self.state().kept(session).agents.values().cloned().collect()
    }

    pub(crate) fn spent_today(&self, dollars: f64) {
        self.state().day += dollars;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    async fn write<T>(&self, session: &str, write: impl FnOnce(&mut State) -> T + Send) -> Result<T, StoreError> {
        tokio::task::yield_now().await;
        let written = {
            let mut state = self.state();
            if state.fails {
                return Err(StoreError::Failed { doing: "written", source: "the disk is full".into() });
            }
            if !state.held.contains(session) {
                return Err(StoreError::NotOpen { id: session.to_owned() });
            }
            write(&mut state)
        };
        tokio::task::yield_now().await;
        Ok(written)
    }
}

impl State {
    fn kept(&mut self, session: &str) -> &mut Kept {
        self.sessions.iter_mut().find(|kept| kept.session.id == session).unwrap()
    }

    fn add(&mut self, session: &str, agent: Option<&str>, mut message: Message) -> Stored {
        self.next += 1;
        let place = self.next;
        message.id = Some(format!("m{place}"));
        message.timestamp = Some(place);
        let stored = Stored { place, agent_id: agent.map(str::to_owned), is_compacted: false, message };
        self.kept(session).messages.push(stored.clone());
        stored
    }

    fn end(&mut self, session: &str, agent: Option<&str>, call: &ToolCall) {
        let calls = &mut self.kept(session).calls;
        let open = calls
            .iter_mut()
            .find(|(begun, ended)| !ended && begun.call.id == call.id && begun.agent_id.as_deref() == agent);
        open.expect("a call that ends has begun and not ended").1 = true;
    }
}

#[async_trait]
impl SessionStore for MemoryStore {
    async fn create(&self, new: NewSession) -> Result<Session, StoreError> {
        let mut state = self.state();
        let session = Session {
            id: format!("s{}", state.sessions.len() + 1),
            project: new.project,
            title: new.title,
            model: new.model,
            created_at: 1,
            updated_at: 1,
            messages: 0,
            cost: 0.0,
            metadata: Map::new(),
        };
        state.held.insert(session.id.clone());
        state.sessions.push(Kept {
            session: session.clone(),
            messages: Vec::new(),
            calls: Vec::new(),
            agents: HashMap::new(),
            totals: Totals::default(),
        });
        Ok(session)
    }

    async fn open(&self, id: &str) -> Result<Session, StoreError> {
        let mut state = self.state();
        let found = state.sessions.iter().find(|kept| kept.session.id.starts_with(id));
        let session =
            found.map(|kept| kept.session.clone()).ok_or_else(|| StoreError::Unknown { id: id.to_owned() })?;
        if !state.held.insert(session.id.clone()) {
            return Err(StoreError::InUse { id: session.id, pid: None });
        }
        Ok(session)
    }

    async fn list<'a>(&self, _project: Option<&'a str>) -> Result<Vec<Session>, StoreError> {
        Ok(self.state().sessions.iter().rev().map(|kept| kept.session.clone()).collect())
    }

    async fn session(&self, id: &str) -> Result<Option<Session>, StoreError> {
        Ok(self.state().sessions.iter().map(|kept| &kept.session).find(|session| session.id == id).cloned())
    }

    async fn close(&self, session: &str) {
        self.state().held.remove(session);
    }

    async fn delete(&self, _id: &str) -> Result<(), StoreError> {
        panic!("a conversation deletes no session")
    }

    async fn update(&self, session: &Session) -> Result<(), StoreError> {
        self.write(&session.id, |state| state.kept(&session.id).session = session.clone()).await
    }

    async fn append<'a>(
        &self,
        session: &str,
        agent_id: Option<&'a str>,
        message: Message,
    ) -> Result<Stored, StoreError> {
        self.write(session, |state| state.add(session, agent_id, message)).await
    }

    async fn replace(&self, session: &str, message: &Message) -> Result<Option<Stored>, StoreError> {
        let replace = |state: &mut State| {
            let stored = state.kept(session).messages.iter_mut().find(|stored| stored.message.id == message.id)?;
            stored.message = message.clone();
            Some(stored.clone())
        };
        self.write(session, replace).await
    }

    async fn remove(&self, session: &str, message_id: &str) -> Result<Option<Stored>, StoreError> {
        Ok(self.remove_all(session, &[message_id.to_owned()]).await?.pop())
    }

    async fn remove_all(&self, session: &str, message_ids: &[String]) -> Result<Vec<Stored>, StoreError> {
        let remove = |state: &mut State| {
            let is_meant = |stored: &Stored| stored.message.id.as_ref().is_some_and(|id| message_ids.contains(id));
            let messages = std::mem::take(&mut state.kept(session).messages);
            let (removed, left) = messages.into_iter().partition(is_meant);
            state.kept(session).messages = left;
            removed
        };
        self.write(session, remove).await
    }

    async fn conversation<'a>(&self, session: &str, agent_id: Option<&'a str>) -> Result<Vec<Stored>, StoreError> {
        tokio::task::yield_now().await;
        let mut messages = self.history_now(session);
        messages.retain(|stored| stored.agent_id.as_deref() == agent_id && !stored.is_compacted);
        Ok(messages)
    }

    async fn history(&self, session: &str) -> Result<Vec<Stored>, StoreError> {
        Ok(self.history_now(session))
    }

    async fn compact(&self, session: &str, last: &str, summary: Message) -> Result<Stored, StoreError> {
        let compact = |state: &mut State| {
            let stored = state.add(session, None, summary);
            let messages = &mut state.kept(session).messages;
            let placed = messages.pop().unwrap();
            let last = messages.iter().position(|stored| stored.message.id.as_deref() == Some(last)).unwrap();
            for stored in messages[..=last].iter_mut().filter(|stored| stored.agent_id.is_none()) {
                stored.is_compacted = true;
            }
            messages.insert(last + 1, placed);
            stored
        };
        self.write(session, compact).await
    }

    async fn call_started<'a>(
        &self,
        session: &str,
        agent_id: Option<&'a str>,
        call: &ToolCall,
    ) -> Result<(), StoreError> {
        let start = |state: &mut State| {
            let begun = Journalled { agent_id: agent_id.map(str::to_owned), call: call.clone(), started_at: 0 };
            let calls = &mut state.kept(session).calls;
            assert!(calls.iter().all(|(it, _)| it.call.id != call.id), "the call {} begins twice", call.id);
            calls.push((begun, false));
        };
        self.write(session, start).await
    }

    async fn call_ended<'a>(
        &self,
        session: &str,
        agent_id: Option<&'a str>,
        call: &ToolCall,
        _outcome: &ToolOutcome,
        message: Message,
    ) -> Result<Stored, StoreError> {
        let end = |state: &mut State| {
            state.end(session, agent_id, call);
            state.add(session, agent_id, message)
        };
        self.write(session, end).await
    }

    async fn call_refused<'a>(
        &self,
        session: &str,
        agent_id: Option<&'a str>,
        call: &ToolCall,
        _outcome: &ToolOutcome,
        message: Message,
    ) -> Result<Stored, StoreError> {
        let refuse = |state: &mut State| {
            let calls = &state.kept(session).calls;
            assert!(calls.iter().all(|(it, _)| it.call.id != call.id), "the call {} began", call.id);
            state.add(session, agent_id, message)
        };
        self.write(session, refuse).await
    }

    async fn call_cut(&self, session: &str, cut: &Journalled, message: Message) -> Result<Stored, StoreError> {
        let end = |state: &mut State| {
            state.end(session, cut.agent_id.as_deref(), &cut.call);
            state.add(session, cut.agent_id.as_deref(), message)
        };
        self.write(session, end).await
    }

    async fn cut_calls(&self, session: &str) -> Result<Vec<Journalled>, StoreError> {
        let mut state = self.state();
        let open = state.kept(session).calls.iter().filter(|(_, ended)| !ended);
        Ok(open.map(|(call, _)| call.clone()).collect())
    }

    async fn agent_started(&self, session: &str, agent: &AgentInfo) -> Result<(), StoreError> {
        let start = |state: &mut State| {
            let before = state.kept(session).agents.insert(agent.id.clone(), None);
            assert!(before.is_none(), "two agents are called {}", agent.id);
        };
        self.write(session, start).await
    }

    async fn agent_ended<'a>(&self, session: &str, agent_id: &str, error: Option<&'a str>) -> Result<(), StoreError> {
        let end = |state: &mut State| {
            // A sub-agent that is dropped at once was never written down
            if let Some(agent) = state.kept(session).agents.get_mut(agent_id) {
                *agent = Some(error.map(str::to_owned));
            }
        };
        self.write(session, end).await
    }

    async fn spend(&self, session: &str, _model: &str, usage: Usage, cost: f64) -> Result<Totals, StoreError> {
        let spend = |state: &mut State| {
            state.day += cost;
            let day = state.day;
            let kept = state.kept(session);
            kept.totals.session += cost;
            kept.totals.usage += usage;
            kept.session.cost = kept.totals.session;
            Totals { day, ..kept.totals }
        };
        self.write(session, spend).await
    }

    async fn totals(&self, session: &str) -> Result<Totals, StoreError> {
        let mut state = self.state();
        let day = state.day;
        Ok(Totals { day, ..state.kept(session).totals })
    }
}
