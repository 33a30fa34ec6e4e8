use std::sync::Arc;

use mimir_plugins::events::Decision;
use mimir_shared_providers::{ChatRequest, Message, Role, ToolDefinition};

use crate::announce::Announcer;
use crate::context;
use crate::ended::Halt;
use crate::interruption::Interruption;
use crate::live::Live;
use crate::{EndReason, Shown, StoreError, Stored};

/// How deep sub-agents go: those of the main agent are at 1, theirs at 2, and those have none.
pub(crate) const DEEPEST: u8 = 2;
/// The tool that starts sub-agents.
pub(crate) const TASK: &str = "task";

/// Who talks to a model: the main agent or a sub-agent. It lives as long as it works.
pub(crate) struct Agent {
    pub(crate) live: Arc<Live>,
    pub(crate) announcer: Announcer,
    pub(crate) model: String,
    pub(crate) system: Vec<String>,
    /// The tools that it may use; nothing for all.
    pub(crate) tools: Option<Vec<String>>,
    /// How many agents are above it.
    pub(crate) depth: u8,
    pub(crate) max_turns: u32,
    pub(crate) interruption: Interruption,
}

impl Agent {
    pub(crate) fn main(live: &Arc<Live>, interruption: Interruption) -> Self {
        let settings = &live.shared.settings;
        Self {
            announcer: live.announcer.clone(),
            model: live.model(),
            system: settings.system.clone(),
            tools: None,
            depth: 0,
            max_turns: settings.max_turns,
            interruption,
            live: Arc::clone(live),
        }
    }

    /// Adds a message to its conversation.
    pub(crate) async fn append(&self, message: Message) -> Result<Stored, StoreError> {
        self.live.append(&self.announcer, message).await
    }

    /// Nothing for the main agent.
    pub(crate) fn id(&self) -> Option<&str> {
        self.announcer.agent_id.as_deref()
    }

    /// Whether it may use a tool, as far as is decided here: what it may do with it is decided elsewhere.
    pub(crate) fn has_tool(&self, name: &str) -> bool {
        let is_its = self.tools.as_ref().is_none_or(|tools| tools.iter().any(|tool| tool == name));
        is_its && (name != TASK || self.depth < DEEPEST)
    }

    pub(crate) async fn definitions(&self) -> Vec<ToolDefinition> {
        let mut definitions = self.live.shared.ports.toolbox.definitions(self.id()).await;
        definitions.retain(|tool| self.has_tool(&tool.name));
        definitions
    }

    /// Everything that the model gets to read besides the conversation.
    pub(crate) fn instructions(&self) -> impl Iterator<Item = Message> {
        let parts = self.system.iter().filter(|part| !part.trim().is_empty());
        parts.map(|part| Message::text(Role::System, part.as_str()))
    }

    /// The request as plugins let it be sent.
    pub(crate) async fn request(
        &self,
        messages: Vec<Message>,
        tools: Vec<ToolDefinition>,
        purpose: Option<&str>,
    ) -> Result<ChatRequest, Halt> {
        let decided = self.announcer.chat(messages, self.model.clone(), purpose);
        match self.interruption.race(decided).await? {
            Decision::Proceed(event) => Ok(ChatRequest {
                model: self.model.clone(),
                messages: context::sound(event.messages),
                tools,
                max_output_tokens: self.live.shared.settings.max_output_tokens,
                temperature: self.live.shared.settings.temperature,
            }),
            Decision::Blocked { by, reason } => {
                self.live.show(Shown::Blocked { by: by.as_ref(), reason: &reason });
                Err(Halt::Stopped(EndReason::Blocked { by, reason }))
            }
        }
    }
}
