//! What is said on standard error during a replay.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use mimir_commands::Theme;
use mimir_plugins::{Report, ReportKind};

use super::source::Progress;
use crate::said::Said;
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
        self.say(Said::from(report));
    }
}
