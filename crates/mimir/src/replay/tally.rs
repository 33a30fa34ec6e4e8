//! What a replay comes to, counted.

use std::time::Duration;

use indexmap::IndexMap;
use mimir_plugins::{Outcome, PluginId, Traced};
use serde::Serialize;

/// Counts of outcomes. The JSON names are part of the contract.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Outcomes {
    pub(crate) passed: u64,
    pub(crate) changed: u64,
    pub(crate) blocked: u64,
    pub(crate) approved: u64,
    pub(crate) denied: u64,
    pub(crate) failed: u64,
}

impl Outcomes {
    fn add(&mut self, outcome: Outcome) {
        *match outcome {
            Outcome::Passed => &mut self.passed,
            Outcome::Changed => &mut self.changed,
            Outcome::Blocked => &mut self.blocked,
            Outcome::Approved => &mut self.approved,
            Outcome::Denied => &mut self.denied,
            Outcome::Failed => &mut self.failed,
        } += 1;
    }

    /// Each outcome that a plugin can bring about, with its count.
    pub(crate) fn each(&self) -> [(Outcome, u64); 6] {
        [
            (Outcome::Passed, self.passed),
            (Outcome::Changed, self.changed),
            (Outcome::Blocked, self.blocked),
            (Outcome::Approved, self.approved),
            (Outcome::Denied, self.denied),
            (Outcome::Failed, self.failed),
        ]
    }
}

/// One plugin's part.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Part {
    pub(crate) events: u64,
    pub(crate) outcomes: Outcomes,
    /// Answers that are missing because the plugin failed, whatever that did to the event.
    pub(crate) failures: u64,
    /// Answers that would have done something, of a plugin that only observes.
    pub(crate) observed: u64,
    pub(crate) cpu: Duration,
    pub(crate) wall: Duration,
    pub(crate) peak_heap: usize,
}

/// The whole.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) events: u64,
    pub(crate) outcomes: Outcomes,
    /// Events that Mimir does not know, which were not emitted.
    pub(crate) unknown: u64,
    pub(crate) parts: IndexMap<PluginId, Part>,
    pub(crate) elapsed: Duration,
    pub(crate) is_interrupted: bool,
}

impl Tally {
    /// Every plugin that is loaded has its line, also if no event concerned it.
    pub(crate) fn new(plugins: impl IntoIterator<Item = PluginId>) -> Self {
        Self { parts: plugins.into_iter().map(|plugin| (plugin, Part::default())).collect(), ..Self::default() }
    }

    pub(crate) fn count(&mut self, traced: &Traced) {
        self.events += 1;
        self.outcomes.add(traced.emission.outcome);
        for answer in &traced.emission.answers {
            let part = self.parts.entry(answer.plugin.clone()).or_default();
            part.events += 1;
            part.outcomes.add(answer.outcome);
            part.observed += u64::from(answer.would.is_some());
            part.cpu += answer.cpu;
            part.wall += answer.elapsed;
            part.peak_heap = part.peak_heap.max(answer.heap_peak);
        }
        for plugin in &traced.failed {
            self.parts.entry(plugin.clone()).or_default().failures += 1;
        }
    }
}

/// Milliseconds with the precision that a person or a benchmark can use.
pub(crate) fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}
