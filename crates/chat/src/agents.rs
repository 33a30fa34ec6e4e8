//! Sub-agents: conversations of their own for one task, within the session of whoever gave it to them.

use std::sync::Arc;

use mimir_plugins::PluginId;
use mimir_plugins::events::AgentInfo;
use mimir_shared_providers::{Message, Role as Speaker};
use serde_json::{Map, Value};

use crate::agent::{Agent, DEEPEST};
use crate::announce::Announcer;
use crate::chat::lock;
use crate::ended::Halt;
use crate::interruption::Interruption;
use crate::live::{Live, Running};
use crate::turn::Way;
use crate::{AgentRole, Chat, EndReason, Shown};

/// What sub-agents of a kind are for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Its name, such as `explore`.
    pub name: String,
    /// What it is for, for the model.
    pub description: String,
}

/// What a sub-agent is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubTask {
    /// The role.
    pub role: String,
    /// The task in a few words, for the person.
    pub description: String,
    /// The whole task.
    pub prompt: String,
}

/// Who gives a task to a sub-agent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parent {
    /// The session.
    pub session_id: String,
    /// The agent; nothing for the main one.
    pub agent_id: Option<String>,
    /// The plugins whose host calls led to it, the first cause first.
    pub cause: Vec<PluginId>,
}

impl Chat {
    /// Runs a sub-agent to its end and gives the last thing it said. If the future is dropped, the agent is gone, and the
    /// plugins are told so.
    ///
    /// # Errors
    /// Why it gave up, in words for the model that gave it the task.
    pub async fn run_agent(&self, parent: Parent, task: SubTask) -> Result<Value, String> {
        let Some(live) = self.shared.live(&parent.session_id) else {
            return Err(format!("the session `{}` is not open", parent.session_id));
        };
        let role = self.role(&task.role)?;
        let depth = match &parent.agent_id {
            None => 1,
            Some(id) => match lock(&live.agents).running.get(id) {
                Some(running) => running.depth + 1,
                None => return Err(format!("there is no agent `{id}`")),
            },
        };
        if depth > DEEPEST {
            return Err(format!("agents are nested {DEEPEST} deep at most"));
        }
        let work = Work::begin(&live, role, parent, &task, depth);
        let agent = work.agent(&self.shared.settings.system, role, self.shared.settings.max_turns);
        let store = &self.shared.ports.store;
        let done = async {
            store.agent_started(live.id(), &work.info).await?;
            agent.announcer.agent_created(work.info.clone()).await;
            agent.announcer.agent_started(work.info.clone());
            live.show(Shown::AgentStarted { agent: &work.info });
            agent.append(Message::text(Speaker::User, task.prompt)).await?;
            let mut way = Way::default();
            let reason = agent.converse(&mut way).await;
            reason.or_else(stopped).map(|reason| finding(reason, way))
        };
        let done = done.await.unwrap_or_else(|halt| Err(why(halt)));
        let written = store.agent_ended(live.id(), &work.info.id, done.as_ref().err().map(String::as_str)).await;
        let done = written.map_err(|error| error.to_string()).and(done);
        work.end(&done);
        done
    }

    /// The plugins whose host calls led to a sub-agent, so that what its tools raise is not delivered to them.
    pub fn cause_of(&self, session_id: &str, agent_id: &str) -> Vec<PluginId> {
        let Some(live) = self.shared.live(session_id) else { return Vec::new() };
        lock(&live.agents).running.get(agent_id).map(|running| running.cause.clone()).unwrap_or_default()
    }

    fn role(&self, name: &str) -> Result<&AgentRole, String> {
        let roles = &self.shared.settings.roles;
        roles.iter().find(|role| role.name == name).ok_or_else(|| {
            let known: Vec<&str> = roles.iter().map(|role| role.name.as_str()).collect();
            format!("there is no role `{name}`; there is {}", known.join(", "))
        })
    }
}

/// What a sub-agent found, or why that is nothing.
fn finding(reason: EndReason, way: Way) -> Result<Value, String> {
    match reason {
        EndReason::Completed if way.text.trim().is_empty() => Err("it ended without a word".to_owned()),
        EndReason::Completed => Ok(Value::String(way.text)),
        EndReason::Truncated => Ok(Value::String(format!("{}\n\n[cut at the limit on output]", way.text))),
        reason @ EndReason::TurnLimit { .. } if !way.text.trim().is_empty() => {
            Err(format!("{}. The last it said: {}", gave_up(&reason), way.text))
        }
        reason => Err(gave_up(&reason)),
    }
}

fn stopped(halt: Halt) -> Result<EndReason, Halt> {
    match halt {
        Halt::Stopped(reason) => Ok(reason),
        halt => Err(halt),
    }
}

fn why(halt: Halt) -> String {
    match halt {
        Halt::Interrupted => "interrupted".to_owned(),
        Halt::Stopped(reason) => gave_up(&reason),
        Halt::Failed(error) => error.in_one_line(),
    }
}

fn gave_up(reason: &EndReason) -> String {
    match reason {
        EndReason::TurnLimit { turns } => format!("it was not done after {turns} turns"),
        EndReason::Blocked { by: Some(plugin), reason } => {
            format!("the plugin {plugin} kept it from asking its model: {reason}")
        }
        EndReason::Blocked { by: None, reason } | EndReason::Budget { reason, .. } => reason.clone(),
        EndReason::Refused => "its model declined".to_owned(),
        _ => "it came to no end".to_owned(),
    }
}

/// A sub-agent at work. Dropped before its end, it has failed.
struct Work {
    live: Arc<Live>,
    info: AgentInfo,
    announcer: Announcer,
    depth: u8,
    is_over: bool,
}

impl Work {
    fn begin(live: &Arc<Live>, role: &AgentRole, parent: Parent, task: &SubTask, depth: u8) -> Self {
        let id = live.next_agent_id();
        let info = AgentInfo {
            id: id.clone(),
            role: role.name.clone(),
            model: role.model.clone().unwrap_or_else(|| live.model()),
            parent_id: parent.agent_id,
            task: task.prompt.clone(),
            extra: [("description".to_owned(), Value::from(task.description.as_str()))]
                .into_iter()
                .collect::<Map<_, _>>(),
        };
        let announcer = live.announcer_of(Some(&id));
        let announcer = Announcer { hooks: announcer.hooks.caused_by(parent.cause.iter().cloned()), ..announcer };
        lock(&live.agents).running.insert(id, Running { depth, cause: parent.cause });
        Self { live: Arc::clone(live), info, announcer, depth, is_over: false }
    }

    fn agent(&self, system: &[String], role: &AgentRole, max_turns: u32) -> Agent {
        Agent {
            live: Arc::clone(&self.live),
            announcer: self.announcer.clone(),
            model: self.info.model.clone(),
            system: system.iter().cloned().chain([format!("Your role is `{}`. {}", role.name, role.prompt)]).collect(),
            tools: role.tools.clone(),
            depth: self.depth,
            max_turns: role.max_turns.unwrap_or(max_turns),
            // An interruption drops the call that it works for, and so the agent
            interruption: Interruption::never(),
        }
    }

    fn end(mut self, done: &Result<Value, String>) {
        self.is_over = true;
        lock(&self.live.agents).running.remove(&self.info.id);
        match done {
            Ok(result) => self.announcer.agent_completed(self.info.clone(), result.clone()),
            Err(error) => self.announcer.agent_failed(self.info.clone(), error),
        }
        let error = done.as_ref().err().map(String::as_str);
        self.live.show(Shown::AgentEnded { agent: &self.info, error });
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let mut agents = lock(&self.live.agents);
        agents.running.remove(&self.info.id);
        agents.dropped.push(self.info.id.clone());
        drop(agents);
        self.announcer.agent_failed(self.info.clone(), "interrupted");
        self.live.show(Shown::AgentEnded { agent: &self.info, error: Some("interrupted") });
    }
}
