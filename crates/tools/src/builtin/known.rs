use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::CallContext;

/// What each agent knows of files: their contents when it read or wrote them last. An agent that would change a file on
/// the strength of what it knows must know it as it is.
#[derive(Default)]
pub(super) struct Known(Mutex<Agents>);

#[derive(Default)]
struct Agents {
    by_agent: HashMap<Agent, Files>,
    order: VecDeque<Agent>,
}

/// The session, and the agent if it is not the main one.
type Agent = (String, Option<String>);

#[derive(Default)]
struct Files {
    contents: HashMap<PathBuf, u64>,
    order: VecDeque<PathBuf>,
}

/// Who is forgotten first is who came first. A file that is forgotten counts as one that was never read.
const AGENTS: usize = 500;
const FILES: usize = 5_000;

impl Known {
    /// The agent knows the file with these contents.
    pub(super) fn learn(&self, context: &CallContext, path: &Path, contents: &[u8]) {
        let agent = agent(context);
        let mut agents = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !agents.by_agent.contains_key(&agent) {
            agents.order.push_back(agent.clone());
            if agents.order.len() > AGENTS
                && let Some(oldest) = agents.order.pop_front()
            {
                agents.by_agent.remove(&oldest);
            }
        }
        let files = agents.by_agent.entry(agent).or_default();
        if files.contents.insert(path.to_owned(), fingerprint(contents)).is_none() {
            files.order.push_back(path.to_owned());
            if files.order.len() > FILES
                && let Some(oldest) = files.order.pop_front()
            {
                files.contents.remove(&oldest);
            }
        }
    }

    /// Whether the agent knows other contents than these. A file that it never read is none that it knows wrongly.
    pub(super) fn is_stale(&self, context: &CallContext, path: &Path, contents: &[u8]) -> bool {
        let agents = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = agents.by_agent.get(&agent(context)).and_then(|files| files.contents.get(path));
        known.is_some_and(|known| *known != fingerprint(contents))
    }
}

fn agent(context: &CallContext) -> Agent {
    (context.session_id.clone(), context.agent_id.clone())
}

fn fingerprint(contents: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    contents.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_agent_knows_what_it_read() {
        let known = Known::default();
        let main = CallContext { session_id: "s1".to_owned(), ..CallContext::default() };
        let sub = CallContext { agent_id: Some("explore-1".to_owned()), ..main.clone() };
        let path = Path::new("/a");
        known.learn(&main, path, b"1");
        assert!(!known.is_stale(&main, path, b"1"));
        assert!(known.is_stale(&main, path, b"2"));
        assert!(!known.is_stale(&sub, path, b"2"));
        known.learn(&main, path, b"2");
        assert!(!known.is_stale(&main, path, b"2"));
        for file in 0..FILES {
            known.learn(&main, &PathBuf::from(format!("/{file}")), b"");
        }
        assert!(!known.is_stale(&main, path, b"3"), "the oldest is forgotten");
    }
}
