use std::fmt;

use mimir_shared_config::{EventName, PluginId};

use crate::{Failure, Outcome};

/// Something that the user should know. `Display` is a sentence for people, in one line unless a message has more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// A plugin failed.
    Failed {
        /// Which.
        plugin: PluginId,
        /// In which event.
        event: EventName,
        /// Why.
        failure: Failure,
        /// What that did to the event: `failed` if it went on, else `blocked` or `denied`.
        outcome: Outcome,
    },
    /// A plugin failed while nobody waited for an answer.
    FailedAlone {
        /// Which.
        plugin: PluginId,
        /// Why.
        failure: Failure,
    },
    /// A plugin was put into quarantine.
    Quarantined {
        /// Which.
        plugin: PluginId,
        /// Why.
        reason: String,
    },
    /// A part of an answer was not obeyed.
    NotObeyed {
        /// Whose.
        plugin: PluginId,
        /// In which event.
        event: EventName,
        /// What, and why.
        message: String,
    },
    /// `before` and `after` of these plugins contradict each other; the last of these wishes was dropped.
    OrderCycle {
        /// The plugins of the cycle, each of which wants to come before the next one, and the last before the first.
        plugins: Vec<PluginId>,
    },
    /// A plugin asked to come before one that the company requires, which only that one could allow.
    OrderIgnored {
        /// Who asked.
        plugin: PluginId,
        /// Whom it wanted to precede.
        required: PluginId,
    },
    /// The state of a plugin could not be read or written; what is in memory counts until the end of this run.
    State {
        /// Whose.
        plugin: PluginId,
        /// What went wrong, with its causes.
        message: String,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed { plugin, event, failure, outcome: Outcome::Failed } => {
                write!(f, "plugin `{plugin}` failed in {event}: {failure}")
            }
            Self::Failed { plugin, event, failure, outcome } => {
                write!(f, "plugin `{plugin}` failed in {event}, which is {outcome} therefore: {failure}")
            }
            Self::FailedAlone { plugin, failure } => {
                write!(f, "plugin `{plugin}` failed outside of any event: {failure}")
            }
            Self::Quarantined { plugin, reason } => write!(
                f,
                "plugin `{plugin}` is in quarantine ({reason}); `mimir plugin enable {plugin}` puts it back to work"
            ),
            Self::NotObeyed { plugin, event, message } => write!(f, "plugin `{plugin}` in {event}: {message}"),
            Self::OrderCycle { plugins } => {
                f.write_str("`before` and `after` go round in a circle: ")?;
                for plugin in plugins {
                    write!(f, "`{plugin}` before ")?;
                }
                match plugins.first() {
                    Some(first) => write!(f, "`{first}`"),
                    None => Ok(()),
                }
            }
            Self::OrderIgnored { plugin, required } => {
                write!(f, "plugin `{plugin}` cannot come before `{required}`, which the company requires")
            }
            Self::State { message, .. } => f.write_str(message),
        }
    }
}
