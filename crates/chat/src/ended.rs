use mimir_plugins::PluginId;

use crate::{ChatError, StoreError};

/// How the conversation came to rest.
#[derive(Debug, Clone, PartialEq)]
pub struct Ended {
    /// Why.
    pub reason: EndReason,
    /// The last thing that the model said on the way there, if it said anything.
    pub text: String,
    /// How often the model was asked.
    pub turns: u32,
}

/// Why the conversation came to rest.
#[derive(Debug, Clone, PartialEq)]
pub enum EndReason {
    /// The model is done.
    Completed,
    /// The model's last answer was cut at the limit on output tokens.
    Truncated,
    /// The model, or its provider, declined.
    Refused,
    /// It was a slash command, and the model was not asked. Whether it succeeded.
    Command {
        /// Whether it did what it should.
        success: bool,
    },
    /// Nothing waited for an answer.
    Nothing,
    /// The person interrupted it.
    Interrupted,
    /// A plugin kept the messages from being sent.
    Blocked {
        /// Which.
        by: Option<PluginId>,
        /// Why.
        reason: String,
    },
    /// The model was asked as often as it may be and is not done.
    TurnLimit {
        /// How often that is.
        turns: u32,
    },
    /// More was spent than a budget allows.
    Budget {
        /// The budget, in US dollars.
        limit: f64,
        /// What was spent, in US dollars.
        total: f64,
        /// The plugin that stopped the agent, if one did.
        by: Option<PluginId>,
        /// Its reason, or what to do about it.
        reason: String,
    },
}

impl EndReason {
    /// Whether the model got to the end of what it had to say.
    pub const fn is_success(&self) -> bool {
        matches!(self, Self::Completed | Self::Nothing | Self::Command { success: true })
    }
}

/// What breaks off a turn.
#[derive(Debug)]
pub(crate) enum Halt {
    Interrupted,
    Stopped(EndReason),
    Failed(ChatError),
}

impl From<StoreError> for Halt {
    fn from(error: StoreError) -> Self {
        Self::Failed(ChatError::Store(error))
    }
}
