//! Errors at the edge: what went wrong, where in which file, and what to do.

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme};
use mimir_commands::{CommandError, Problem, StoreError, with_causes};

use crate::terminal::Terminal;

/// Prints an error, what caused it and what else is wrong, to standard error.
pub(crate) fn report(terminal: &Terminal, error: &CommandError) {
    print(terminal, error);
    for other in error.others() {
        terminal.errors.notice("");
        print(terminal, other);
    }
}

/// The same in one text without a picture, for programs: each error with its place and what to do.
pub(crate) fn in_words(error: &CommandError) -> String {
    let place = |problem: &Problem| match (problem.line, problem.column) {
        (Some(line), Some(column)) => format!("{}:{line}:{column}: ", problem.path.display()),
        _ => format!("{}: ", problem.path.display()),
    };
    let all = |error: &dyn Diagnostic, place: String| {
        let help = error.help().map(|help| format!("; {help}")).unwrap_or_default();
        format!("{place}{}{help}", with_causes(error))
    };
    let first = match error {
        CommandError::Store(StoreError::Wrong(problem)) => place(problem),
        _ => String::new(),
    };
    let others = error.others().iter().map(|problem| all(problem, place(problem)));
    std::iter::once(all(error, first)).chain(others).collect::<Vec<_>>().join("\n")
}

fn print(terminal: &Terminal, error: &dyn Diagnostic) {
    let mut text = String::new();
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode())
        .with_width(terminal.width)
        .with_links(false)
        .with_cause_chain();
    if handler.render_report(&mut text, error).is_err() {
        text = error.to_string();
    }
    terminal.errors.notice(text.trim_matches('\n'));
}
