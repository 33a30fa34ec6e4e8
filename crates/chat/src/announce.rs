use std::sync::Arc;

use mimir_plugins::Hooks;
use mimir_plugins::events::{
    AgentCompleted, AgentCreated, AgentFailed, AgentInfo, AgentStarted, BudgetDecision, BudgetExceeded, ChatMessage,
    CompactionTrigger, CostUpdated, Decision, ErrorInfo, IdleReason, MessageAdded, MessageRemoved, MessageUpdated,
    SessionCompacted, SessionCompacting, SessionCreated, SessionError, SessionIdle, SessionInfo, SessionResumed,
    SlashCommandExecuted,
};
use mimir_shared_platform::Clock;
use mimir_shared_providers::{Message, Usage};
use serde_json::{Map, Value};

use crate::{ChatError, Session};

/// Raises the events of one session, or of one agent in it.
#[derive(Clone)]
pub(crate) struct Announcer {
    pub(crate) hooks: Hooks,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) session_id: String,
    pub(crate) agent_id: Option<String>,
}

/// Builds a payload: every one has these three fields.
macro_rules! event {
    ($self:ident, $type:ident { $($field:ident $(: $value:expr)?),* $(,)? } $(with $extra:expr)?) => {
        $type {
            timestamp: $self.clock.now_ms(),
            session_id: $self.session_id.clone(),
            $($field $(: $value)?,)*
            extra: event!(@extra $($extra)?),
        }
    };
    (@extra) => { Map::new() };
    (@extra $extra:expr) => { $extra };
}

impl Announcer {
    /// What marks the events of a sub-agent that have no field for it.
    fn marks(&self) -> Map<String, Value> {
        let agent = self.agent_id.clone().map(|id| ("agentId".to_owned(), Value::String(id)));
        agent.into_iter().collect()
    }

    pub(crate) fn created(&self, session: &Session) {
        self.hooks.sessions().created(&event!(self, SessionCreated { session: info(session) }));
    }

    pub(crate) fn resumed(&self, session: &Session) {
        self.hooks.sessions().resumed(&event!(self, SessionResumed { session: info(session) }));
    }

    pub(crate) fn idle(&self, session: &Session, reason: IdleReason) {
        self.hooks.sessions().idle(&event!(self, SessionIdle { reason, session: info(session) }));
    }

    pub(crate) fn error(&self, error: &ChatError) {
        let error =
            ErrorInfo { message: error.in_one_line(), name: Some(error.name().to_owned()), ..ErrorInfo::default() };
        self.hooks.sessions().error(&event!(self, SessionError { error } with self.marks()));
    }

    pub(crate) async fn compacting(
        &self,
        trigger: CompactionTrigger,
        instructions: Option<String>,
        message_count: u64,
        tokens: u64,
    ) -> Decision<SessionCompacting> {
        let context = Vec::new();
        let event = event!(self, SessionCompacting { trigger, instructions, message_count, tokens, context });
        self.hooks.sessions().compacting(event).await
    }

    pub(crate) fn compacted(&self, trigger: CompactionTrigger, summary: String, tokens_before: u64, tokens_after: u64) {
        let event = event!(self, SessionCompacted { trigger, summary, tokens_before, tokens_after });
        self.hooks.sessions().compacted(&event);
    }

    pub(crate) fn added(&self, message: &Message) {
        let message = message.clone();
        self.hooks.messages().added(&event!(self, MessageAdded { message } with self.marks()));
    }

    pub(crate) fn updated(&self, message: &Message) {
        let message = message.clone();
        self.hooks.messages().updated(&event!(self, MessageUpdated { message } with self.marks()));
    }

    pub(crate) fn removed(&self, message: &Message) {
        let message = message.clone();
        self.hooks.messages().removed(&event!(self, MessageRemoved { message } with self.marks()));
    }

    /// `purpose` says what else it is for than to go on with the conversation.
    pub(crate) async fn chat(
        &self,
        messages: Vec<Message>,
        model: String,
        purpose: Option<&str>,
    ) -> Decision<ChatMessage> {
        let extra = purpose.map(|purpose| ("purpose".to_owned(), Value::from(purpose))).into_iter().collect();
        let agent_id = self.agent_id.clone();
        self.hooks.messages().chat(event!(self, ChatMessage { messages, model, agent_id } with extra)).await
    }

    pub(crate) async fn agent_created(&self, agent: AgentInfo) {
        self.hooks.agents().created(&event!(self, AgentCreated { agent })).await;
    }

    pub(crate) fn agent_started(&self, agent: AgentInfo) {
        self.hooks.agents().started(&event!(self, AgentStarted { agent }));
    }

    pub(crate) fn agent_completed(&self, agent: AgentInfo, result: Value) {
        self.hooks.agents().completed(&event!(self, AgentCompleted { agent, result: Some(result) }));
    }

    pub(crate) fn agent_failed(&self, agent: AgentInfo, error: &str) {
        let error = ErrorInfo { message: error.to_owned(), ..ErrorInfo::default() };
        self.hooks.agents().failed(&event!(self, AgentFailed { agent, error: Some(error) }));
    }

    pub(crate) fn cost(&self, usage: &Usage, cost: f64, total_cost: f64, model: &str) {
        let event = event!(self, CostUpdated {
            input_tokens: usage.prompt_tokens(),
            output_tokens: usage.output_tokens,
            cost,
            total_cost,
            model: model.to_owned(),
        } with self.marks());
        self.hooks.costs().updated(&event);
    }

    /// `budget` is `session` or `day`.
    pub(crate) async fn budget_exceeded(&self, budget: &str, limit: f64, total_cost: f64) -> BudgetDecision {
        let extra = [("budget".to_owned(), Value::from(budget))].into_iter().collect();
        self.hooks.costs().budget_exceeded(&event!(self, BudgetExceeded { limit, total_cost } with extra)).await
    }

    pub(crate) fn slash_command(&self, name: &str, arguments: &str, success: bool) {
        let args = arguments.split_whitespace().map(str::to_owned).collect();
        let event = event!(self, SlashCommandExecuted { name: name.to_owned(), args, success });
        self.hooks.commands().slash_executed(&event);
    }
}

/// A session as events carry it.
pub(crate) fn info(session: &Session) -> SessionInfo {
    SessionInfo {
        id: session.id.clone(),
        title: Some(session.title.clone()),
        model: Some(session.model.clone()),
        created_at: Some(session.created_at),
        metadata: Some(session.metadata.clone()),
        extra: Map::new(),
    }
}
