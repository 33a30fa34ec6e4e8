//! Errors at the edge: what went wrong, where in which file, and what to do.

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme};

use crate::terminal::Terminal;

/// Prints an error and what caused it to standard error.
pub(crate) fn report(terminal: &Terminal, error: &dyn Diagnostic) {
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
