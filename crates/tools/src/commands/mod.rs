//! Slash commands from outside the conversation: those that people write in YAML files, and those of plugins.

mod answer;
mod arguments;
mod catalog;
mod names;
mod prompt;

pub use answer::CommandOutcome;
pub use catalog::{CommandCall, CommandCatalog, CommandInfo};
pub use names::NameConflict;
