//! Where isolates live makes no difference to what comes of an event.

use serde_json::Value;

use crate::place::{Place, Ran, repository};

/// Each event's outcome and reason, and what came out of it.
fn decisions(isolation: &str) -> Vec<Value> {
    let place = Place::new();
    place.write("home/config.yml", format!("plugins:\n  isolation: {isolation}\n"));
    let mut command = place.mimir();
    command.args(["replay", "--yes", "--json", "--plugins"]).arg(repository().join("packages"));
    let ran = Ran::of(command.arg(repository().join("fixtures/sessions/dangerous.ndjson"))).done();
    let mut lines = ran.json();
    assert!(lines.pop().unwrap().get("summary").is_some());
    lines
        .iter()
        .map(|line| serde_json::json!([line["event"], line["outcome"], line["reason"], line["payload"]]))
        .collect()
}

#[test]
fn threads_decide_as_the_sandbox_process_does() {
    let in_process = decisions("in-process");
    assert!(in_process.len() > 40);
    assert_eq!(in_process, decisions("process"));
}
