use std::sync::Arc;

use mimir_plugins::events::ToolSource;
use thiserror::Error;

use super::registered::{Registered, ToolInfo};

/// A tool that was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Conflict {
    /// Two tools have one name.
    #[error("the tool `{name}` of {refused} is not used: {kept} has one of that name")]
    Name {
        /// The name.
        name: String,
        /// Where the tool is defined that is used.
        kept: String,
        /// Where the other one is.
        refused: String,
    },
    /// It can't be a tool.
    #[error("the tool `{name}` of {place} is not used: {reason}")]
    Invalid {
        /// Its name, made fit to be shown.
        name: String,
        /// Where it is defined.
        place: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// The tools, the built-in ones first.
#[derive(Default)]
pub(super) struct Registry(Vec<Arc<Registered>>);

impl Registry {
    pub(super) fn add(&mut self, tool: Result<Registered, Box<(ToolInfo, String)>>) -> Option<Conflict> {
        let tool = match tool {
            Ok(tool) => Arc::new(tool),
            Err(refused) => {
                let (info, reason) = *refused;
                let name = super::shortened(&info.definition.name, 80).escape_debug().to_string();
                return Some(Conflict::Invalid { name, place: info.place, reason });
            }
        };
        let is_builtin = is_builtin(&tool);
        let name = &tool.info.definition.name;
        let conflict = |kept: &Registered, refused: &Registered| Conflict::Name {
            name: refused.info.definition.name.clone(),
            kept: kept.info.place.clone(),
            refused: refused.info.place.clone(),
        };
        let taken = self.0.iter().position(|other| other.info.definition.name.eq_ignore_ascii_case(name));
        let lost = match taken {
            Some(at) if !is_builtin || self::is_builtin(&self.0[at]) => return Some(conflict(&self.0[at], &tool)),
            Some(at) => Some(conflict(&tool, &self.0.remove(at))),
            None => None,
        };
        let place = if is_builtin {
            self.0.iter().position(|other| !self::is_builtin(other)).unwrap_or(self.0.len())
        } else {
            self.0.len()
        };
        self.0.insert(place, tool);
        lost
    }

    pub(super) fn remove(&mut self, which: impl Fn(&ToolInfo) -> bool) -> usize {
        let before = self.0.len();
        self.0.retain(|tool| !which(&tool.info));
        before - self.0.len()
    }

    pub(super) fn list(&self) -> Vec<ToolInfo> {
        self.0.iter().map(|tool| tool.info.clone()).collect()
    }

    pub(super) fn find(&self, name: &str) -> Option<Arc<Registered>> {
        self.0.iter().find(|tool| tool.info.definition.name == name).cloned()
    }
}

fn is_builtin(tool: &Registered) -> bool {
    tool.info.source == ToolSource::Builtin
}
