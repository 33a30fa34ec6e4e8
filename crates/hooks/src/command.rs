//! Commands: of the `mimir` program, and slash commands of the conversation.

use mimir_shared_config::EventName;

use crate::Hooks;
use crate::definition::Definition;
use crate::payload::payloads;

payloads! {
    /// A command of the `mimir` program has run.
    CommandExecuted {
        /// The command, such as `plugin list`.
        command: String,
        /// Its arguments.
        args: Vec<String>,
        /// Its exit code.
        exit_code: i32,
    }
    /// A slash command has run.
    SlashCommandExecuted {
        /// Its name, without the slash.
        name: String,
        /// Its arguments.
        args: Vec<String>,
        /// Whether it succeeded.
        success: bool,
    }
}

pub(crate) static EXECUTED: Definition = Definition::tells::<CommandExecuted>(
    EventName::CommandExecuted,
    "A command of the `mimir` program has run.",
    false,
);
pub(crate) static SLASH_EXECUTED: Definition =
    Definition::tells::<SlashCommandExecuted>(EventName::SlashCommandExecuted, "A slash command has run.", false);

/// Raises the events about commands.
#[derive(Clone)]
pub struct CommandEvents(pub(crate) Hooks);

impl CommandEvents {
    /// `command.executed`, in the background.
    pub fn executed(&self, event: &CommandExecuted) {
        self.0.tell(event);
    }

    /// `slash.command.executed`, in the background.
    pub fn slash_executed(&self, event: &SlashCommandExecuted) {
        self.0.tell(event);
    }
}
