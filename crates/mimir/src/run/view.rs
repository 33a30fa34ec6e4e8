use std::sync::Arc;

use mimir_agent::chat::Screen;
use mimir_commands::CommandError;
use mimir_plugins::Report;

use super::json::JsonScreen;
use super::screen::TerminalScreen;
use crate::report::in_words;
use crate::terminal::Terminal;

/// How a run is shown.
#[derive(Clone)]
pub(crate) enum View {
    Terminal(Arc<TerminalScreen>),
    Json(Arc<JsonScreen>),
}

impl View {
    /// Takes the terminal's output.
    pub(crate) fn new(terminal: &mut Terminal, is_json: bool) -> Self {
        match is_json {
            true => Self::Json(Arc::new(JsonScreen::new(terminal))),
            false => Self::Terminal(Arc::new(TerminalScreen::new(terminal))),
        }
    }

    pub(crate) fn screen(&self) -> Arc<dyn Screen> {
        match self {
            Self::Terminal(screen) => screen.clone(),
            Self::Json(screen) => screen.clone(),
        }
    }

    pub(crate) fn report(&self, report: &Report) {
        match self {
            Self::Terminal(screen) => screen.report(report),
            Self::Json(screen) => screen.report(report),
        }
    }

    /// What is said in place of all that if nothing began, beside the report on standard error: programs read the error here.
    pub(crate) fn failed(&self, error: &CommandError) {
        match self {
            Self::Terminal(_) => {}
            Self::Json(screen) => screen.end("failed", None, Some(&in_words(error))),
        }
    }

    /// The last thing that is said: what it came to, how to go on, and why it failed if it did.
    pub(crate) fn end(&self, word: &str, style: anstyle::Style, resume: Option<&str>, error: Option<&str>) {
        match self {
            Self::Terminal(screen) => screen.end(word, style, resume),
            Self::Json(screen) => screen.end(word, resume, error),
        }
    }
}
