//! Every one of the 24 events is raised by what really happens, and reaches a plugin.

use std::collections::BTreeSet;

use mimir_plugins::EventName;
use serde_json::{Value, json};

use super::{bash, of_type, play, session};
use crate::place::Place;

/// Told of everything, it says so.
const LISTENER: &str = "
const NAMES = [%NAMES%];
export default async (ctx: any) => ({
  on: Object.fromEntries(NAMES.map((name) => [name, async () => { await ctx.notify(`heard ${name}`); }])),
});
";

fn heard(lines: &[Value], all: &mut BTreeSet<String>) {
    let words =
        of_type(lines, "report").into_iter().filter_map(|line| line["message"].as_str()?.strip_prefix("heard "));
    all.extend(words.map(str::to_owned));
}

#[test]
fn every_event_is_raised_by_what_really_happens() {
    let place = Place::new();
    let names: Vec<_> = EventName::ALL.iter().map(|name| name.as_str()).collect();
    let quoted: Vec<_> = names.iter().map(|name| format!("'{name}'")).collect();
    place.plugin(
        "home/plugins/listener",
        &format!("events: [{}]\ncapabilities: {{}}\n", names.join(", ")),
        &LISTENER.replace("%NAMES%", &quoted.join(", ")),
    );
    place.write("home/config.yml", "budget: { maxCost: 0.5 }\ncompaction: { keepMessages: 1 }\n");
    place.run("plugin grant listener --yes").done();
    let scenario = json!({
        "turns": [
            { "say": "I begin.", "calls": [bash("touch made.txt")] },
            { "calls": [{ "tool": "write", "args": { "path": "a.txt", "content": "one\n" } }] },
            { "calls": [{ "tool": "delete", "args": { "path": "a.txt" } }] },
            { "calls": [{ "tool": "task", "args": { "role": "explore", "description": "look", "prompt": "Look around." } }] },
            { "calls": [{ "tool": "task", "args": { "role": "general", "description": "fail", "prompt": "Fail." } }] },
            { "say": "That was dear.", "cost": 0.6, "calls": [{ "tool": "glob", "args": { "pattern": "*" } }] },
            { "say": "Not reached before the budget is raised." },
        ],
        "agents": {
            "explore": [{ "say": "There is nothing." }],
            "general": [{ "error": { "kind": "rejected", "message": "no", "times": 99 } }],
        },
    });
    let mut all = BTreeSet::new();

    let first = play(&place, &scenario, &["do it", "--yes"]);
    assert_eq!(first.code, Some(3), "the budget stops it\n{}\n{}", first.out, first.err);
    let lines = first.json();
    heard(&lines, &mut all);
    let id = session(&lines);

    heard(&play(&place, &scenario, &["/edit do it again", "--resume", &id]).json(), &mut all);

    let talk = json!({ "turns": [{ "say": "One." }, { "say": "Two." }] });
    let other = session(&play(&place, &talk, &["talk"]).done().json());
    heard(&play(&place, &talk, &["/compact", "--resume", &other]).json(), &mut all);
    let failing = json!({ "turns": [{ "error": { "kind": "rejected", "message": "no", "times": 99 } }] });
    let failed = play(&place, &failing, &["fail"]);
    assert_eq!(failed.code, Some(1), "{}", failed.out);
    heard(&failed.json(), &mut all);

    let missing: Vec<_> = names.iter().filter(|name| !all.contains(**name)).collect();
    assert!(missing.is_empty(), "never heard: {missing:?}\n{}", first.out);
}
