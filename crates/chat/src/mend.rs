//! Calls whose answers are missing: those that were under way when something ended them, and those that never began.

use std::collections::HashSet;

use serde_json::Value;

use crate::chat::lock;
use crate::context;
use crate::live::Live;
use crate::{Journalled, Shown, StoreError, ToolCall};

/// What cut the calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Their process ended, nobody knows how, or whoever waited for them went away.
    ProcessEnded,
    /// The person interrupted them.
    Interrupted,
}

impl Cut {
    /// What the model is told of a call that had begun.
    const fn had_begun(self) -> &'static str {
        match self {
            Self::ProcessEnded => {
                "outcome unknown: the process ended while this ran. It may or may not have had an effect; check before doing \
                 it again"
            }
            Self::Interrupted => "interrupted by the person; it may or may not have had an effect",
        }
    }

    /// What is written down of a sub-agent.
    const fn of_an_agent(self) -> &'static str {
        match self {
            Self::ProcessEnded => "its process ended, or it was broken off",
            Self::Interrupted => "interrupted",
        }
    }

    /// What the model is told of a call that had not.
    const fn had_not_begun(self) -> &'static str {
        match self {
            Self::ProcessEnded => {
                "not run: the process ended before this began. Ask for it again if it is still needed"
            }
            Self::Interrupted => "not run: the person interrupted before this began",
        }
    }
}

impl Live {
    /// Gives every call without a result one that says what is known of it; a model's API wants one for each. Nothing is run.
    /// `agents` are sub-agents that may have such calls. What it does is in the store alone, so it may be broken off and done again.
    pub(crate) async fn mend(&self, why: Cut, agents: HashSet<String>) -> Result<(), StoreError> {
        let store = &self.shared.ports.store;
        let dropped = std::mem::take(&mut lock(&self.agents).dropped);
        let (mut cuts, is_running) = {
            let cuts = store.cut_calls(self.id()).await?;
            let running = lock(&self.agents);
            let running: HashSet<String> = running.running.keys().cloned().collect();
            (cuts, move |agent: &str| running.contains(agent))
        };
        cuts.retain(|cut| !cut.agent_id.as_deref().is_some_and(&is_running));
        let mut agents = agents;
        agents.extend(dropped.iter().cloned());
        agents.extend(cuts.iter().filter_map(|cut| cut.agent_id.clone()));
        agents.retain(|agent| !is_running(agent));
        let mut agents: Vec<String> = agents.into_iter().collect();
        agents.sort();
        for agent in std::iter::once(None).chain(agents.into_iter().map(Some)) {
            let is_cut = self.answer_all(why, agent.as_deref(), &mut cuts).await?;
            if let Some(agent) = agent.filter(|agent| is_cut && !dropped.contains(agent)) {
                store.agent_ended(self.id(), &agent, Some(why.of_an_agent())).await?;
            }
        }
        // Calls that no message asks for any more
        for cut in cuts {
            self.answer_cut(why, &cut).await?;
        }
        for agent in dropped {
            store.agent_ended(self.id(), &agent, Some(why.of_an_agent())).await?;
        }
        Ok(())
    }

    /// Answers the open calls of one agent in their order; what was cut is taken from `cuts`. Whether there were any.
    async fn answer_all(&self, why: Cut, agent: Option<&str>, cuts: &mut Vec<Journalled>) -> Result<bool, StoreError> {
        let messages = self.shared.ports.store.conversation(self.id(), agent).await?;
        let open = context::unanswered(messages.iter().map(|stored| &stored.message));
        let is_cut = !open.is_empty();
        for call in open {
            let cut = cuts.iter().position(|cut| cut.agent_id.as_deref() == agent && cut.call.id == call.id);
            match cut {
                Some(at) => self.answer_cut(why, &cuts.remove(at)).await?,
                None => {
                    self.show(Shown::NotRun { call: &call });
                    let told = context::result_message(&call, Value::from(why.had_not_begun()), true);
                    self.append(&self.announcer_of(agent), told).await?;
                }
            }
        }
        Ok(is_cut)
    }

    async fn answer_cut(&self, why: Cut, cut: &Journalled) -> Result<(), StoreError> {
        let call: &ToolCall = &cut.call;
        self.show(Shown::OutcomeUnknown { call });
        let told = context::result_message(call, Value::from(why.had_begun()), true);
        let stored = self.shared.ports.store.call_cut(self.id(), cut, told).await?;
        self.announcer_of(cut.agent_id.as_deref()).added(&stored.message);
        Ok(())
    }
}
