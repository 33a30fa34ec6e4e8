//! The keys, their bounds, and how the result is told.

use serde_json::json;

use super::median;
use crate::terminal::Paint;

/// What a figure must hold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Bound {
    /// At most so many times the reference.
    Times(f64),
    /// At most so much more than the reference.
    Adds(f64),
    /// At least so much, whatever the machine.
    AtLeast(f64),
}

/// Something to measure. The unit is the end of the name.
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    /// The program under `xtask/reference` that measures the reference, or [`SAME`].
    pub(super) reference: Option<&'static str>,
    pub(super) bound: Bound,
}

/// The reference is the same of ours without what is measured, from the same run of the same program.
pub(super) const SAME: &str = "the same without it";

/// The reference is the binary itself without plugins.
pub(super) const SAME_AGENT: &str = "the same without plugins";

pub(super) const KEYS: &[Key] = &[
    Key {
        name: "load_first_answer_us",
        what: "a 2 KB plugin from snapshot and code cache to its first answer",
        reference: Some("bare-v8"),
        bound: Bound::Times(1.5),
    },
    Key {
        name: "dispatch_us",
        what: "one event of 100 bytes, on the isolate's own thread",
        reference: Some("bare-v8"),
        bound: Bound::Times(2.5),
    },
    Key {
        name: "pss_per_plugin_kib",
        what: "memory that a plugin which has answered adds",
        reference: Some("bare-v8"),
        bound: Bound::Times(1.1),
    },
    Key {
        name: "echo_us",
        what: "one event through the sandbox process, back to back",
        reference: Some("echo"),
        bound: Bound::Times(1.3),
    },
    Key {
        name: "echo_gap_us",
        what: "one event through the sandbox process, after 1 ms of rest",
        reference: Some("echo"),
        bound: Bound::Times(1.3),
    },
    Key {
        name: "check_us",
        // Two checks: of what was asked, and of what was opened. One has 1 µs
        what: "a host call (`fs.exists`) with its two checks of capabilities",
        reference: Some(SAME),
        bound: Bound::Adds(2.0),
    },
    Key {
        name: "audit_us",
        what: "the same host call with its line in the audit log",
        reference: Some(SAME),
        bound: Bound::Adds(5.0),
    },
    Key {
        name: "version_ms",
        what: "`mimir --version` from start to end",
        reference: Some("empty"),
        bound: Bound::Times(3.0),
    },
    Key {
        name: "tool_call_ms",
        what: "a tool call of the agent, with the five plugins that ship",
        reference: Some(SAME_AGENT),
        bound: Bound::Adds(1.0),
    },
    Key {
        name: "run_start_ms",
        what: "`mimir run` of one turn, with 50 plugins that listen to nothing that happens",
        reference: Some(SAME_AGENT),
        bound: Bound::Times(1.1),
    },
    Key {
        name: "plugin_list_ms",
        what: "`mimir plugin list` with 50 plugins",
        reference: Some(SAME_AGENT),
        bound: Bound::Times(3.0),
    },
    Key {
        name: "replay_answers_per_s",
        what: "plugin answers in a replay of 10,000 events with 5 plugins",
        reference: None,
        bound: Bound::AtLeast(10_000.0),
    },
];

/// What the rounds of one key gave.
pub(super) struct Figure {
    pub(super) key: &'static Key,
    pub(super) reference: Vec<f64>,
    pub(super) ours: Vec<f64>,
    /// Why a round could not be measured.
    pub(super) failure: Option<String>,
}

impl Figure {
    pub(super) fn new(key: &'static Key) -> Self {
        Self { key, reference: Vec::new(), ours: Vec::new(), failure: None }
    }

    fn ratio(&self) -> Option<f64> {
        Some(median(&self.ours)? / median(&self.reference)?)
    }

    fn added(&self) -> Option<f64> {
        Some(median(&self.ours)? - median(&self.reference)?)
    }

    /// Whether every round was measured and the bound is kept.
    pub(super) fn holds(&self) -> bool {
        self.failure.is_none()
            && match self.key.bound {
                Bound::Times(most) => self.ratio().is_some_and(|ratio| ratio <= most),
                Bound::Adds(most) => self.added().is_some_and(|added| added <= most),
                Bound::AtLeast(least) => median(&self.ours).is_some_and(|ours| ours >= least),
            }
    }

    /// How ours compares with the reference, as the bound has it.
    fn comparison(&self) -> String {
        let compared = match self.key.bound {
            Bound::Adds(_) => self.added().map(|added| format!("{added:+.2}")),
            Bound::Times(_) | Bound::AtLeast(_) => self.ratio().map(|ratio| format!("{ratio:.2}")),
        };
        compared.unwrap_or_else(|| "–".to_owned())
    }

    pub(super) fn json(&self) -> serde_json::Value {
        let (bound, kind) = match self.key.bound {
            Bound::Times(times) => (times, "times"),
            Bound::Adds(more) => (more, "adds"),
            Bound::AtLeast(least) => (least, "at least"),
        };
        json!({
            "key": self.key.name,
            "reference": median(&self.reference),
            "ours": median(&self.ours),
            "ratio": self.ratio(),
            "added": self.added(),
            "bound": {kind: bound},
            "holds": self.holds(),
            "rounds": {"reference": self.reference, "ours": self.ours},
            "failure": self.failure,
        })
    }
}

/// The figures as a table, each with what it means.
pub(super) fn table(paint: Paint, figures: &[Figure]) -> String {
    let mut text = paint.bold(format!(
        "{:<22} {:>12} {:>12} {:>8} {:>12}  {:<6}",
        "median of the rounds", "reference", "ours", "× or +", "bound", ""
    ));
    text.push('\n');
    for figure in figures {
        let number = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), short);
        let bound = match figure.key.bound {
            Bound::Times(times) => format!("≤ {times:.1} ×"),
            Bound::Adds(more) => format!("≤ {} more", short(more)),
            Bound::AtLeast(least) => format!("≥ {}", short(least)),
        };
        let verdict = if figure.holds() { paint.good("holds ") } else { paint.bad("MISSED") };
        text += &format!(
            "{:<22} {:>12} {:>12} {:>8} {bound:>12}  {verdict}  {}\n",
            figure.key.name,
            number(median(&figure.reference)),
            number(median(&figure.ours)),
            figure.comparison(),
            paint.faint(figure.key.what),
        );
        if let Some(failure) = &figure.failure {
            text += &format!("    {}\n", paint.bad(failure));
        }
    }
    text
}

/// Three digits that mean something.
fn short(value: f64) -> String {
    let digits = match value {
        _ if value < 10.0 => 2,
        _ if value < 100.0 => 1,
        _ => 0,
    };
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(name: &str, reference: &[f64], ours: &[f64]) -> Option<Figure> {
        let key = KEYS.iter().find(|key| key.name == name)?;
        Some(Figure { key, reference: reference.to_vec(), ours: ours.to_vec(), failure: None })
    }

    #[test]
    fn a_bound_holds_by_medians_and_never_without_figures() {
        let cases: &[(&str, &[f64], &[f64], bool)] = &[
            ("dispatch_us", &[1.0, 1.0, 9.0], &[2.4, 2.5, 2.6], true),
            ("dispatch_us", &[1.0, 1.0, 9.0], &[2.4, 2.6, 2.6], false),
            ("dispatch_us", &[], &[2.4], false),
            ("dispatch_us", &[1.0], &[], false),
            ("audit_us", &[20.0, 21.0, 50.0], &[25.0, 26.0, 27.0], true),
            ("audit_us", &[20.0, 21.0, 50.0], &[26.1, 26.2, 27.0], false),
            ("audit_us", &[20.0], &[], false),
            ("audit_us", &[], &[4.0], false),
            // It can't be faster with it, and noise may say so
            ("audit_us", &[20.0], &[19.9], true),
            ("replay_answers_per_s", &[], &[9_000.0, 11_000.0], true),
            ("replay_answers_per_s", &[], &[9_000.0, 10_500.0], false),
            ("replay_answers_per_s", &[], &[], false),
        ];
        for (name, reference, ours, expected) in cases {
            let holds = figure(name, reference, ours).map(|figure| figure.holds());
            assert_eq!(holds, Some(*expected), "{name} {reference:?} {ours:?}");
        }
    }

    #[test]
    fn a_key_that_failed_is_missed_and_says_why() {
        let failed = figure("dispatch_us", &[1.0], &[1.0]).map(|mut figure| {
            figure.failure = Some("no such program".to_owned());
            (figure.holds(), table(Paint::new(), &[figure]))
        });
        assert!(
            failed.is_some_and(|(holds, told)| !holds && told.contains("MISSED") && told.contains("no such program"))
        );
    }
}
