//! What is said on standard error during a replay.

use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock, PoisonError};

use mimir_commands::{Theme, printable, printable_block};
use mimir_plugins::{Level, Report, ReportKind};

use super::source::Progress;
use crate::terminal::{ErrorStream, Terminal};

/// Says things once, and not in the middle of the progress bar.
pub(crate) struct Notices {
    stream: ErrorStream,
    progress: OnceLock<Progress>,
    unknown: Mutex<BTreeMap<String, u64>>,
}

impl Notices {
    pub(crate) fn new(terminal: &Terminal) -> Self {
        Self { stream: terminal.errors, progress: OnceLock::new(), unknown: Mutex::default() }
    }

    pub(crate) fn keep_clear_of(&self, progress: &Progress) {
        // There is one replay in a process.
        let _ = self.progress.set(progress.clone());
    }

    fn say(&self, text: &str) {
        match self.progress.get() {
            Some(progress) => progress.aside(|| self.stream.notice(text)),
            None => self.stream.notice(text),
        }
    }

    /// The last line was cut off.
    pub(crate) fn torn(&self, line: u64) {
        let warn = Theme::WARN;
        self.say(&format!(
            "{warn}!{warn:#} line {line} is cut off and was left out: the recording ends in the middle of it"
        ));
    }

    /// An event that this version does not know. Said once for each name, and counted at the end.
    pub(crate) fn unknown(&self, line: u64, event: &str) {
        let mut unknown = self.unknown.lock().unwrap_or_else(PoisonError::into_inner);
        let count = unknown.entry(event.to_owned()).or_default();
        *count += 1;
        if *count == 1 {
            drop(unknown);
            let (warn, event) = (Theme::WARN, printable(event));
            self.say(&format!("{warn}!{warn:#} line {line}: there is no event `{event}`; it was left out"));
        }
    }

    /// Counts what was said once and happened more often.
    pub(crate) fn summary(&self) {
        let unknown = self.unknown.lock().unwrap_or_else(PoisonError::into_inner);
        for (event, count) in unknown.iter().filter(|(_, count)| **count > 1) {
            let (warn, event) = (Theme::WARN, printable(event));
            self.say(&format!("{warn}!{warn:#} `{event}` was left out {count} times"));
        }
    }

    /// Something about a plugin. Failures show with their events, so they are not said again.
    pub(crate) fn report(&self, report: &Report) {
        if report.kind == ReportKind::Failed {
            return;
        }
        let (mark, style) = match (report.kind, report.level) {
            (ReportKind::Log, Level::Info) => ("·", Theme::DIM),
            (_, Level::Info) => ("i", Theme::TYPE),
            (_, Level::Warning) => ("!", Theme::WARN),
            (_, Level::Error) => ("✗", Theme::BAD),
        };
        let strong = Theme::STRONG;
        let plugin = report.plugin.as_ref().map(|plugin| format!("{strong}{plugin}{strong:#}: ")).unwrap_or_default();
        let message = printable_block(report.message.trim_end()).replace('\n', "\n  ");
        let mut text = format!("{style}{mark}{style:#} {plugin}{message}");
        if let Some(hint) = &report.hint {
            let typed = Theme::TYPE;
            text.push_str(&format!("\n  {typed}{}{typed:#}", printable(hint)));
        }
        self.say(&text);
    }
}
