use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use mimir_shared_config::PluginId;
use serde::Serialize;

use crate::Verdict;

/// What became of an event, or of one plugin's part in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Nobody had anything to say.
    Passed,
    /// The payload was changed.
    Changed,
    /// What the event announced must not happen.
    Blocked,
    /// The request is allowed.
    Approved,
    /// The request is refused.
    Denied,
    /// A plugin failed, and nobody else decided.
    Failed,
}

impl Outcome {
    /// The word for reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Changed => "changed",
            Self::Blocked => "blocked",
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Failed => "failed",
        }
    }

    /// Blocked or denied if anyone said so, else changed or approved, else failed, else passed.
    const fn weight(self) -> u8 {
        match self {
            Self::Passed => 0,
            Self::Failed => 1,
            Self::Changed | Self::Approved => 2,
            Self::Blocked | Self::Denied => 3,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One plugin's part in an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerRecord {
    /// Who answered.
    pub plugin: PluginId,
    /// What its answer, or its failure, came to. `Passed` for one that only observes.
    pub outcome: Outcome,
    /// What its answer, or its failure, would have come to, if it only observes and that is anything but `Passed`.
    pub would: Option<Outcome>,
    /// Why: the plugin's own reason, the failure, or why an answer was not obeyed.
    pub reason: Option<String>,
    /// Wall time, host calls included.
    pub elapsed: Duration,
    /// CPU time of its own code.
    pub cpu: Duration,
    /// The highest use of its heap so far, in bytes; 0 if that is not measured.
    pub heap_peak: usize,
}

impl AnswerRecord {
    /// The same of one that only observes: nothing came of it.
    pub(crate) fn observed(self) -> Self {
        let would = (self.outcome != Outcome::Passed).then_some(self.outcome);
        Self { outcome: Outcome::Passed, would, ..self }
    }
}

/// What became of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Emission {
    /// The decision.
    pub outcome: Outcome,
    /// The first plugin, in order, whose answer came to `outcome`; `None` if it passed.
    pub by: Option<PluginId>,
    /// That plugin's reason.
    pub reason: Option<String>,
    /// The payload as it came out, JSON text.
    pub payload: Arc<str>,
    /// Who was asked, in order. Whoever comes after a block in a sequential event was not asked, and is not here.
    pub answers: Vec<AnswerRecord>,
}

impl Emission {
    pub(crate) fn fold(payload: Arc<str>, answers: Vec<AnswerRecord>) -> Self {
        let mut decisive: Option<&AnswerRecord> = None;
        for answer in &answers {
            if answer.outcome.weight() > decisive.map_or(0, |record| record.outcome.weight()) {
                decisive = Some(answer);
            }
        }
        let (outcome, by, reason) = match decisive {
            Some(record) => (record.outcome, Some(record.plugin.clone()), record.reason.clone()),
            None => (Outcome::Passed, None, None),
        };
        Self { outcome, by, reason, payload, answers }
    }
}

impl Verdict {
    pub(crate) fn outcome(&self) -> Outcome {
        match self {
            Self::Passed => Outcome::Passed,
            Self::Changed { .. } => Outcome::Changed,
            Self::Blocked { .. } => Outcome::Blocked,
            Self::Approved { .. } => Outcome::Approved,
            Self::Denied { .. } => Outcome::Denied,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::id;

    #[test]
    fn the_strongest_answer_decides_and_the_first_of_them_is_named() {
        use Outcome::{Approved, Blocked, Changed, Denied, Failed, Passed};
        let cases: &[(&[Outcome], Outcome, Option<&str>)] = &[
            (&[], Passed, None),
            (&[Passed, Passed], Passed, None),
            (&[Passed, Failed], Failed, Some("p1")),
            (&[Failed, Changed], Changed, Some("p1")),
            (&[Changed, Changed], Changed, Some("p0")),
            (&[Changed, Blocked, Blocked], Blocked, Some("p1")),
            (&[Approved, Denied], Denied, Some("p1")),
            (&[Failed, Approved, Passed], Approved, Some("p1")),
        ];
        for (said, outcome, by) in cases {
            let answers = said.iter().enumerate().map(|(i, &outcome)| AnswerRecord {
                plugin: id(&format!("p{i}")),
                outcome,
                would: None,
                reason: Some(format!("r{i}")),
                elapsed: Duration::ZERO,
                cpu: Duration::ZERO,
                heap_peak: 0,
            });
            let emission = Emission::fold("{}".into(), answers.collect());
            assert_eq!((emission.outcome, emission.by.as_ref().map(PluginId::as_str)), (*outcome, *by), "{said:?}");
            assert_eq!(emission.reason, by.map(|by| by.replace('p', "r")), "{said:?}");
        }
    }
}
