use std::time::Duration;

use mimir_plugins::PluginId;
use mimir_plugins::events::{AgentInfo, CompactionTrigger};

use crate::{Session, ToolCall, ToolOutcome, Totals};

/// Whoever shows what happens. Must not wait.
pub trait Screen: Send + Sync {
    /// Shows something that happened just now.
    fn show(&self, shown: Shown<'_>);
}

/// Something that happened in a conversation. `agent_id` is nothing for the main agent.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs, reason = "fields are named as they are in the events of plugins")]
pub enum Shown<'a> {
    /// The session begins or goes on.
    Opened { session: &'a Session, is_resumed: bool, messages: usize },
    /// A tool call of an earlier process began, and nobody knows how it ended.
    OutcomeUnknown { call: &'a ToolCall },
    /// A tool call was cut before its tool ran, and certainly had no effect.
    NotRun { call: &'a ToolCall },
    /// The person's words were taken in.
    User { text: &'a str },
    /// The model is asked.
    Asking { agent_id: Option<&'a str>, model: &'a str },
    /// A piece of the model's answer.
    Text { agent_id: Option<&'a str>, piece: &'a str },
    /// The model's answer is whole.
    Answered { agent_id: Option<&'a str>, text: &'a str },
    /// The model could not be asked, and will be asked again.
    Retry { attempt: u32, wait: Duration, why: &'a str },
    /// A plugin kept messages from being sent.
    Blocked { by: Option<&'a PluginId>, reason: &'a str },
    /// A call is made: plugins and the permission come first, then the tool runs.
    ToolStarted { agent_id: Option<&'a str>, call: &'a ToolCall },
    /// A tool has run, or was kept from it.
    ToolEnded { agent_id: Option<&'a str>, call: &'a ToolCall, outcome: &'a ToolOutcome },
    /// A sub-agent begins.
    AgentStarted { agent: &'a AgentInfo },
    /// A sub-agent is done, or gave up.
    AgentEnded { agent: &'a AgentInfo, error: Option<&'a str> },
    /// The conversation is being compacted.
    Compacting { trigger: CompactionTrigger, tokens: u64 },
    /// The conversation was compacted.
    Compacted { before: u64, after: u64 },
    /// What the session costs so far.
    Cost { cost: f64, totals: &'a Totals },
    /// More was spent than the budget allows. `stops` if the agent must stop.
    Budget { limit: f64, total: f64, stops: bool, by: Option<&'a PluginId>, reason: Option<&'a str> },
    /// A slash command said something.
    Said { command: &'a str, text: &'a str, is_error: bool },
    /// Something else that the person should know.
    Notice { text: &'a str },
    /// The person interrupted it, and it stopped.
    Interrupted,
    /// The conversation can't go on.
    Failed { error: &'a str },
}
