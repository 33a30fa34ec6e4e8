//! `mimir run` and `mimir demo`: the agent as people and scripts use it, with the scripted model and everything else real.

mod demo;
mod events;
mod kills;
mod run;
mod signals;
mod starts;

use serde_json::Value;

use crate::place::{Place, Ran};

/// A scenario in the project, and a run that plays it.
pub(super) fn play(place: &Place, scenario: &Value, args: &[&str]) -> Ran {
    let file = place.write("scenario.yml", scenario.to_string());
    let mut command = place.mimir();
    command.arg("run").args(args).arg("--scenario").arg(file).arg("--json");
    Ran::of(&mut command)
}

/// The lines of a type.
pub(super) fn of_type<'a>(lines: &'a [Value], kind: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["type"] == kind).collect()
}

/// The session's id.
pub(super) fn session(lines: &[Value]) -> String {
    of_type(lines, "session")[0]["session"]["id"].as_str().unwrap().to_owned()
}

/// A call of `bash`.
pub(super) fn bash(command: &str) -> Value {
    serde_json::json!({ "tool": "bash", "args": { "command": command } })
}
