use std::sync::Arc;

use mimir_chat::Chat;
use mimir_plugins::Plugins;
use mimir_shared_platform::Clock;
use mimir_tools::McpServers;
use tokio::task::JoinHandle;

/// The agent of one run: plugins, tools and conversations, wired together. Made by [`AgentBuilder`](crate::AgentBuilder).
pub struct Agent {
    pub(crate) plugins: Plugins,
    pub(crate) chat: Chat,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) mcp: Option<Arc<McpServers>>,
    pub(crate) mcp_task: Option<JoinHandle<()>>,
    pub(crate) model_said: Option<String>,
}

impl Agent {
    /// Holds conversations.
    pub fn chat(&self) -> &Chat {
        &self.chat
    }

    /// The plugins of this run.
    pub fn plugins(&self) -> &Plugins {
        &self.plugins
    }

    /// The model that was asked for in place of the configuration's.
    pub fn model_said(&self) -> Option<&str> {
        self.model_said.as_deref()
    }

    /// The time, in milliseconds since 1970, as events carry it.
    pub fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    /// Ends MCP servers, lets plugins finish what they were told, and ends them.
    pub async fn shutdown(self) {
        if let Some(task) = &self.mcp_task {
            task.abort();
        }
        if let Some(servers) = &self.mcp {
            servers.stop().await;
        }
        self.plugins.shutdown().await;
    }
}
