//! The `mimir` command.

#![forbid(unsafe_code)]

mod cli;
mod demo;
mod events;
mod events_page;
mod number;
mod person;
mod plugin;
mod replay;
mod report;
mod run;
mod runtime;
mod said;
mod schema;
mod sessions;
mod terminal;

use std::io;
use std::process::ExitCode;

use clap::Parser;
use mimir_commands::{CommandError, Exit};

use crate::cli::{Cli, Command};
use crate::terminal::Terminal;

fn main() -> ExitCode {
    // The same binary serves as the sandbox process, as the bundler and as the trampoline of programs: none of them gets as
    // far as the command line.
    mimir_plugins::main_if_requested();
    let cli = Cli::parse();
    let mut terminal = Terminal::new(cli.global.color);
    let result = match cli.command {
        Command::Run(run) => return run::main(&run, &cli.global, &mut terminal),
        Command::Demo(demo) => return demo::main(&demo, &cli.global, &mut terminal),
        Command::Replay(replay) => return replay::main(&replay, &cli.global, &mut terminal),
        Command::Sessions(command) => sessions::run(&command, &cli.global, &mut terminal),
        Command::Plugin(command) => plugin::run(command, &cli.global, &mut terminal),
        Command::Events(events) => events::run(&events, &mut terminal),
        Command::Schema(schema) => schema::run(schema.which, &mut terminal).map_err(CommandError::from),
    };
    ExitCode::from(finish(result, &terminal).code())
}

/// Reports an error and gives the exit code.
fn finish(result: Result<Exit, CommandError>, terminal: &Terminal) -> Exit {
    match result {
        Ok(exit) => exit,
        // Whoever read the output has seen enough.
        Err(CommandError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Done,
        Err(error) => {
            report::report(terminal, &error);
            error.exit()
        }
    }
}
