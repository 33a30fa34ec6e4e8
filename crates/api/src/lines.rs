//! How many lines of the audit log one plugin may fill with calls that change nothing: a flood of them would push out
//! what was recorded before. Calls that act have a line each, always.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use mimir_shared_config::PluginId;
use mimir_shared_platform::AuditRecord;
use serde_json::{Value, json};

/// Lines of one plugin in a minute for calls that were refused; what comes beyond is counted.
const REFUSED: usize = 100;
/// The same for calls that were allowed and changed nothing outside of the plugin.
const CHEAP: usize = 1_000;
/// So many calls are counted together at most: whoever is killed loses this count.
const TOGETHER: u64 = 1_000;

const MINUTE: Duration = Duration::from_secs(60);

/// Of one plugin.
#[derive(Default)]
pub(crate) struct Lines(Mutex<State>);

#[derive(Default)]
struct State {
    since: Duration,
    refused: usize,
    cheap: usize,
    counted: HashMap<(&'static str, &'static str), Counted>,
}

struct Counted {
    count: u64,
    first: Value,
    last: Value,
}

/// A line that stands for several calls.
pub(crate) struct Line {
    op: &'static str,
    outcome: &'static str,
    counted: Counted,
}

impl Lines {
    /// Takes note of a call that ended `now`: false if it needs a line of its own. Gives the lines of earlier ones that are
    /// to be written.
    pub(crate) fn count(
        &self,
        (op, outcome, is_refused): (&str, &'static str, bool),
        now: Duration,
        what: impl FnOnce() -> Value,
    ) -> (bool, Vec<Line>) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut written = Vec::new();
        if now.saturating_sub(state.since) >= MINUTE {
            written = state.take();
            (state.since, state.refused, state.cheap) = (now, 0, 0);
        }
        let Some(op) = counted_as(op, is_refused) else { return (false, written) };
        let (lines, most) = if is_refused { (&mut state.refused, REFUSED) } else { (&mut state.cheap, CHEAP) };
        if *lines < most {
            *lines += 1;
            return (false, written);
        }
        let what = what();
        let key = (op, outcome);
        let counted =
            state.counted.entry(key).or_insert_with(|| Counted { count: 0, first: what.clone(), last: Value::Null });
        counted.count += 1;
        counted.last = what;
        if counted.count == TOGETHER
            && let Some(counted) = state.counted.remove(&key)
        {
            written.push(Line { op, outcome, counted });
        }
        (true, written)
    }

    /// What was counted and is not yet written.
    pub(crate) fn rest(&self) -> Vec<Line> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl State {
    fn take(&mut self) -> Vec<Line> {
        let counted = self.counted.drain();
        counted.map(|((op, outcome), counted)| Line { op, outcome, counted }).collect()
    }
}

impl Line {
    pub(crate) fn record(self, plugin: &PluginId) -> AuditRecord {
        let Self { op, outcome, counted: Counted { count, first, last } } = self;
        let detail = json!({ "op": op, "outcome": outcome, "count": count, "first": first, "last": last });
        AuditRecord::new(plugin.as_str(), "calls", detail)
    }
}

/// Under which name a call is counted; none if it has a line of its own whatever comes.
fn counted_as(op: &str, is_refused: bool) -> Option<&'static str> {
    const ACTING: [&str; 9] = [
        "fs.writeFile",
        "fs.appendFile",
        "fs.mkdir",
        "fs.remove",
        "exec",
        "fetch",
        "docker.run",
        "llm.chat",
        "llm.stream",
    ];
    const OTHERS: [&str; 17] = [
        "notify",
        "fs.readFile",
        "fs.exists",
        "fs.stat",
        "fs.readdir",
        "secret.handle",
        "llm.countTokens",
        "llm.calculateCost",
        "llm.budget",
        "storage.get",
        "storage.set",
        "storage.delete",
        "storage.keys",
        "storage.clear",
        "session.get",
        "session.messages",
        "log",
    ];
    let known = |names: &[&'static str]| names.iter().copied().find(|name| *name == op);
    match known(&ACTING) {
        Some(acting) => is_refused.then_some(acting),
        None => Some(known(&OTHERS).unwrap_or("unknown")),
    }
}
