//! Errors at the edge: what went wrong, where in which file, and what to do.

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme};
use mimir_commands::CommandError;

use crate::terminal::Terminal;

/// Prints an error, what caused it and what else is wrong, to standard error.
pub(crate) fn report(terminal: &Terminal, error: &CommandError) {
    print(terminal, error);
    for other in error.others() {
        terminal.errors.notice("");
        print(terminal, other);
    }
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
