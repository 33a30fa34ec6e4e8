//! A start reads no plugin whose files are as they were. Nobody notices, and nothing runs that was not granted.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{of_type, play};
use crate::place::{Place, Ran};

const MANIFEST: &str = "events: [tool.execute.before]\ncapabilities: { filesystem: { read: true } }\n";

/// Blocks every call with this word.
fn says(word: &str) -> String {
    format!(
        "export default () => ({{ on: {{ 'tool.execute.before': () => ({{ block: true, reason: '{word}' }}) }} }});\n"
    )
}

fn place() -> Place {
    let place = Place::new();
    place.write("project/a.txt", "one\n");
    place.plugin("home/plugins/guard", MANIFEST, &says("the first word"));
    place.run("plugin grant guard --yes").done();
    place
}

/// Lets the agent read a file, which the plugin is asked about.
fn run(place: &Place) -> Ran {
    let scenario =
        json!({ "turns": [{ "calls": [{ "tool": "read", "args": { "path": "a.txt" } }] }, { "say": "done" }] });
    play(place, &scenario, &["go"]).done()
}

fn index(place: &Place) -> Option<PathBuf> {
    Some(fs::read_dir(place.home().join("cache/indexes")).ok()?.next()?.unwrap().path())
}

/// What the index says of the plugin.
fn remembered(place: &Place) -> Option<Value> {
    let text = fs::read_to_string(index(place)?).unwrap();
    let index: Value = serde_json::from_str(text.split_once('\n')?.1).unwrap();
    let plugin = index["plugins"].as_object()?.values().next()?.clone();
    Some(plugin)
}

/// Runs until the plugin's files have been as they are long enough to be relied upon. Gives the last run.
fn run_until_remembered(place: &Place, is_as_wanted: impl Fn(&Value) -> bool) -> Ran {
    for _ in 0..1000 {
        let ran = run(place);
        if remembered(place).is_some_and(|plugin| is_as_wanted(&plugin)) {
            return ran;
        }
    }
    panic!("it is never remembered");
}

/// What the person was told about the plugin.
#[track_caller]
fn told(ran: &Ran, expected: &str) {
    let lines = ran.json();
    let reports = of_type(&lines, "report");
    let is_told = reports.iter().any(|line| line["message"].as_str().is_some_and(|text| text.contains(expected)));
    assert!(is_told, "{expected}\n{}", ran.out);
}

#[test]
fn what_changed_between_two_runs_is_seen_at_once() {
    let place = place();
    assert!(run_until_remembered(&place, |_| true).out.contains("the first word"));
    // From the index, and from its files when it is asked
    assert!(run(&place).out.contains("the first word"));
    place.write("home/plugins/guard/index.ts", says("the other word"));
    let changed = run(&place);
    assert!(!changed.out.contains("the first word") && !changed.out.contains("the other word"), "{}", changed.out);
    told(&changed, "its content has changed since it was granted");
    assert!(place.run("plugin info guard").out.contains("it has changed since it was granted"));
    place.run("plugin grant guard --yes").done();
    assert!(run(&place).out.contains("the other word"));
    place.write("home/plugins/guard/plugin.yml", "name: guard\nversion: 2.0.0\nevents: [file.deleted]\n");
    assert!(place.run("plugin list").done().out.contains("2.0.0"));
    assert!(!run(&place).out.contains("the other word"));
    fs::remove_dir_all(place.home().join("plugins/guard")).unwrap();
    assert!(!place.run("plugin list").done().out.contains("guard"));
    run(&place);
}

/// An index that says of other code that it is what was granted. (Whoever can write it has the user's rights.)
#[test]
fn a_forged_index_lets_nothing_run_that_was_not_granted() {
    let place = place();
    run_until_remembered(&place, |_| true);
    let granted = remembered(&place).unwrap()["hash"].as_str().unwrap().to_owned();
    place.write("home/plugins/guard/index.ts", says("the evil word"));
    run_until_remembered(&place, |plugin| plugin["hash"] != *granted);
    let evil = remembered(&place).unwrap()["hash"].as_str().unwrap().to_owned();
    let file = index(&place).unwrap();
    let text = fs::read_to_string(&file).unwrap();
    let forged = text.split_once('\n').unwrap().1.replace(&evil, &granted);
    let seal: String = Sha256::digest(forged.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    fs::write(&file, format!("{seal}\n{forged}")).unwrap();

    let ran = run(&place);
    assert!(!ran.out.contains("the evil word"), "{}", ran.out);
    told(&ran, "are others than those that were checked when this run began");
    assert!(place.run("plugin info guard").out.contains("it has changed since it was granted"));
    let log = place.run("plugin audit --json").done().out;
    assert!(log.lines().any(|line| line.contains("refused") && line.contains("are others than those")), "{log}");
}
