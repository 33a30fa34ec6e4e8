use std::fmt;

use mimir_shared_config::{EventName, PluginId};

use crate::{Failure, Outcome};

/// Something that the user should know. `Display` is a sentence for people, in one line unless a message has more;
/// [`Notice::message`] is the same for whoever shows the plugin's name, and what to do, by themselves.
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
    /// What the answer of a plugin that only observes would have come to.
    Observed {
        /// Whose.
        plugin: PluginId,
        /// In which event.
        event: EventName,
        /// What it would have come to; never `Passed`.
        outcome: Outcome,
        /// Why, if it said so.
        reason: Option<String>,
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

impl Notice {
    /// The plugin that it is about, if it is about one.
    pub fn plugin(&self) -> Option<&PluginId> {
        match self {
            Self::Failed { plugin, .. }
            | Self::FailedAlone { plugin, .. }
            | Self::Quarantined { plugin, .. }
            | Self::NotObeyed { plugin, .. }
            | Self::Observed { plugin, .. }
            | Self::OrderIgnored { plugin, .. } => Some(plugin),
            // It names whose state it is
            Self::OrderCycle { .. } | Self::State { .. } => None,
        }
    }

    /// What happened, without the name of [`Notice::plugin`].
    pub fn message(&self) -> String {
        match self {
            Self::Failed { event, failure, outcome: Outcome::Failed, .. } => format!("failed in {event}: {failure}"),
            Self::Failed { event, failure, outcome, .. } => {
                format!("failed in {event}, which is {outcome} therefore: {failure}")
            }
            Self::FailedAlone { failure, .. } => format!("failed outside of any event: {failure}"),
            Self::Quarantined { reason, .. } => format!("is in quarantine ({reason})"),
            Self::NotObeyed { event, message, .. } => format!("in {event}: {message}"),
            Self::Observed { event, outcome, reason, .. } => match reason {
                Some(reason) => format!("would have {outcome} {event}: {reason}"),
                None => format!("would have {outcome} {event}"),
            },
            Self::OrderCycle { plugins } => {
                let before: String = plugins.iter().map(|plugin| format!("`{plugin}` before ")).collect();
                let first = plugins.first().map(|first| format!("`{first}`")).unwrap_or_default();
                format!("`before` and `after` go round in a circle: {before}{first}")
            }
            Self::OrderIgnored { required, .. } => {
                format!("cannot come before `{required}`, which the company requires")
            }
            Self::State { message, .. } => message.clone(),
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Quarantined { plugin, .. } => Some(format!("`mimir plugin enable {plugin}` puts it back to work")),
            _ => None,
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(plugin) = self.plugin() {
            write!(f, "plugin `{plugin}` ")?;
        }
        f.write_str(&self.message())?;
        match self.hint() {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}
