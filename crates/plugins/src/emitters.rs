//! The typed emitters straight on the handle, a family of events each. What they do is said in [`events`](crate::events).

use mimir_hooks::{
    AgentEvents, CommandEvents, CostEvents, FileEvents, MessageEvents, PermissionEvents, SessionEvents, ToolEvents,
};

use crate::Plugins;

impl Plugins {
    /// Events about tool calls. The tools that plugins add are [`Plugins::plugin_tools`].
    pub fn tools(&self) -> ToolEvents {
        self.hooks().tools()
    }

    /// Events about permissions.
    pub fn permissions(&self) -> PermissionEvents {
        self.hooks().permissions()
    }

    /// Events about the session.
    pub fn sessions(&self) -> SessionEvents {
        self.hooks().sessions()
    }

    /// Events about messages.
    pub fn messages(&self) -> MessageEvents {
        self.hooks().messages()
    }

    /// Events about agents.
    pub fn agents(&self) -> AgentEvents {
        self.hooks().agents()
    }

    /// Events about files.
    pub fn files(&self) -> FileEvents {
        self.hooks().files()
    }

    /// Events about commands. The slash commands that plugins add are [`Plugins::plugin_commands`].
    pub fn commands(&self) -> CommandEvents {
        self.hooks().commands()
    }

    /// Events about money.
    pub fn costs(&self) -> CostEvents {
        self.hooks().costs()
    }
}
