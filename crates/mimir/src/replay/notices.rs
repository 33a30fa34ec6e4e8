//! What is said on standard error during a replay.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use anstyle::Style;
use mimir_commands::{Theme, printable, printable_block, wrap};
use mimir_plugins::{Level, Report, ReportKind};

use super::source::Progress;
use crate::terminal::{ErrorStream, Terminal};

/// Says things once, not in the middle of the progress bar, and what comes of an event beneath that event.
pub(crate) struct Notices {
    stream: ErrorStream,
    width: usize,
    progress: OnceLock<Progress>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What was said during the event at hand; `None` while there is none.
    held: Option<Vec<Said>>,
    /// Events that this version does not know, and how often each came.
    unknown: BTreeMap<String, u64>,
}

impl Notices {
    pub(crate) fn new(terminal: &Terminal) -> Self {
        Self { stream: terminal.errors, width: terminal.width, progress: OnceLock::new(), state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what is said from now on until [`Notices::release`].
    pub(crate) fn hold(&self) {
        self.state().held.get_or_insert_default();
    }

    /// Says what was kept, this far from the left.
    pub(crate) fn release(&self, indent: usize) {
        let held = self.state().held.take();
        for said in held.into_iter().flatten() {
            self.print(&said, indent);
        }
    }

    pub(crate) fn keep_clear_of(&self, progress: &Progress) {
        // There is one replay in a process.
        let _ = self.progress.set(progress.clone());
    }

    fn say(&self, said: Said) {
        let mut state = self.state();
        match &mut state.held {
            Some(held) => held.push(said),
            None => {
                drop(state);
                self.print(&said, 0);
            }
        }
    }

    fn print(&self, said: &Said, indent: usize) {
        let text = said.lines(self.width, indent).join("\n");
        match self.progress.get() {
            Some(progress) => progress.aside(|| self.stream.notice(&text)),
            None => self.stream.notice(&text),
        }
    }

    /// The last line was cut off.
    pub(crate) fn torn(&self, line: u64) {
        self.warn(format!("line {line} is cut off and was left out: the recording ends in the middle of it"));
    }

    /// There was nothing to replay.
    pub(crate) fn empty(&self) {
        self.warn("the recording holds no event".to_owned());
    }

    /// An event that this version does not know. Said once for each name, and counted at the end.
    pub(crate) fn unknown(&self, line: u64, event: &str) {
        let count = {
            let mut state = self.state();
            let count = state.unknown.entry(event.to_owned()).or_default();
            *count += 1;
            *count
        };
        if count == 1 {
            self.warn(format!("line {line}: there is no event `{event}`; it was left out"));
        }
    }

    /// Counts what was said once and happened more often.
    pub(crate) fn summary(&self) {
        let unknown = std::mem::take(&mut self.state().unknown);
        for (event, count) in unknown.into_iter().filter(|(_, count)| *count > 1) {
            self.warn(format!("`{event}` was left out {count} times"));
        }
    }

    fn warn(&self, message: String) {
        self.say(Said { mark: "!", style: Theme::WARN, plugin: None, message, hint: None });
    }

    /// Something about a plugin. A failure in an event shows with that event, so it is not said again; nor is what a
    /// plugin that observes would have done.
    pub(crate) fn report(&self, report: &Report) {
        if matches!(report.kind, ReportKind::Failed | ReportKind::Observed) {
            return;
        }
        let (mark, style) = match (report.kind, report.level) {
            (ReportKind::Log, Level::Info) => ("·", Theme::DIM),
            (_, Level::Info) => ("i", Theme::TYPE),
            (_, Level::Warning) => ("!", Theme::WARN),
            (_, Level::Error) => ("✗", Theme::BAD),
        };
        let plugin = report.plugin.as_ref().map(ToString::to_string);
        self.say(Said { mark, style, plugin, message: report.message.clone(), hint: report.hint.clone() });
    }
}

/// One notice.
struct Said {
    mark: &'static str,
    style: Style,
    plugin: Option<String>,
    message: String,
    hint: Option<String>,
}

impl Said {
    /// The notice in lines of a window: a mark, the plugin's name, the text, and beneath it what to do.
    fn lines(&self, width: usize, indent: usize) -> Vec<String> {
        let Self { mark, style, plugin, message, hint } = self;
        let (strong, typed) = (Theme::STRONG, Theme::TYPE);
        let width = width.saturating_sub(indent + 2);
        let name = plugin.as_ref().map(|plugin| format!("{plugin}: ")).unwrap_or_default();
        let text = printable_block(&format!("{name}{}", message.trim_end()));
        let mut lines = Vec::new();
        for line in text.lines().flat_map(|line| wrap(line, width)) {
            let (mark, line) = match lines.is_empty() {
                // The name is a plugin's id, which has nothing that would have been changed
                true => {
                    (*mark, line.replacen(&name, &format!("{strong}{name}{strong:#}"), usize::from(!name.is_empty())))
                }
                false => (" ", line),
            };
            lines.push(format!("{:indent$}{style}{mark}{style:#} {line}", ""));
        }
        for line in hint.iter().flat_map(|hint| wrap(&printable(hint), width)) {
            lines.push(format!("{:indent$}  {typed}{line}{typed:#}", ""));
        }
        lines
    }
}
