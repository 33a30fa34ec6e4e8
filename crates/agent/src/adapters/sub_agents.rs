use std::sync::Arc;

use async_trait::async_trait;
use mimir_chat::{Parent, WeakChat};
use mimir_tools::{CallContext, Role, SubAgents, SubTask};
use serde_json::Value;

use super::late::Late;

/// The sub-agents of the tool `task` over the chat, which is made after the tools.
pub(crate) struct ChatAgents {
    pub(crate) roles: Vec<Role>,
    pub(crate) chat: Arc<Late<WeakChat>>,
}

#[async_trait]
impl SubAgents for ChatAgents {
    fn roles(&self) -> Vec<Role> {
        self.roles.clone()
    }

    async fn run(&self, task: SubTask, context: &CallContext) -> Result<Value, String> {
        let chat = self.chat.get().and_then(WeakChat::upgrade).ok_or("the conversation is over")?;
        let SubTask { role, description, prompt } = task;
        let parent = Parent {
            session_id: context.session_id.clone(),
            agent_id: context.agent_id.clone(),
            cause: context.cause.clone(),
        };
        chat.run_agent(parent, mimir_chat::SubTask { role, description, prompt }).await
    }
}
