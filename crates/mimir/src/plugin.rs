//! `mimir plugin …`

use mimir_commands::{CommandError, Exit, PluginCommand, Screen};
use mimir_plugins::Plugins;

use crate::cli::Global;
use crate::person::AtTerminal;
use crate::runtime::runtime;
use crate::terminal::Terminal;

pub(crate) fn run(command: PluginCommand, global: &Global, terminal: &mut Terminal) -> Result<Exit, CommandError> {
    let mut builder = Plugins::builder().for_diagnosis(matches!(command, PluginCommand::Doctor { .. }));
    if let Some(project) = &global.project {
        builder = builder.project(project);
    }
    let store = builder.store()?;
    let mut screen = Screen { out: terminal.out.as_mut(), width: terminal.width };
    let result = runtime()?.block_on(mimir_commands::run(command, &store, &AtTerminal, &mut screen));
    terminal.out.flush()?;
    result
}
