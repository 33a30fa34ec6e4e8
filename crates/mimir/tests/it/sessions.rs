//! The recorded sessions in `fixtures/sessions`, with all plugins that ship.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::place::{Place, Ran, files_in, repository};

fn replay(session: &Path, arguments: &[&str]) -> Ran {
    let mut command = Place::new().mimir();
    let place = Place::new();
    command.current_dir(place.project()).env("MIMIR_HOME", place.home());
    command.args(["replay", "--yes", "--plugins"]).arg(repository().join("packages")).args(arguments).arg(session);
    Ran::of(&mut command).done()
}

fn known_events() -> Vec<String> {
    let place = Place::new();
    let listed = place.run("events --json").done().json();
    let names = listed[0].as_array().unwrap().iter().map(|event| event["name"].as_str().unwrap().to_owned());
    names.collect()
}

/// The names of the events of a recording, as far as its lines are whole.
fn recorded(session: &Path) -> Vec<String> {
    let text = String::from_utf8_lossy(&fs::read(session).unwrap()).into_owned();
    let names = text.lines().filter_map(|line| {
        // Half characters are no text to this parser, but an event all the same
        let rest = line.split_once("\"event\"")?.1.split_once('"')?.1;
        line.trim_end().ends_with('}').then(|| rest.split_once('"').unwrap().0.to_owned())
    });
    names.collect()
}

#[test]
fn every_session_comes_out_as_json() {
    let known = known_events();
    assert_eq!(known.len(), 24);
    let mut seen = BTreeSet::new();
    for session in files_in(&repository().join("fixtures/sessions"), ".ndjson") {
        let ran = replay(&session, &["--json"]);
        let name = session.display();
        let mut events = Vec::new();
        let lines: Vec<&str> = ran.out.lines().collect();
        for line in &lines[..lines.len() - 1] {
            let line = line.split_once("\"event\":\"").unwrap().1;
            events.push(line.split_once('"').unwrap().0.to_owned());
        }
        let expected: Vec<_> = recorded(&session).into_iter().filter(|event| known.contains(event)).collect();
        assert_eq!(events, expected, "{name}");
        let summary: Value = serde_json::from_str(lines.last().unwrap()).unwrap();
        assert_eq!(summary["summary"]["events"], expected.len(), "{name}");
        assert_eq!(summary["summary"]["plugins"].as_array().unwrap().len(), 5, "{name}: {}", ran.err);
        let failures: u64 = summary["summary"]["plugins"]
            .as_array()
            .unwrap()
            .iter()
            .map(|part| part["failures"].as_u64().unwrap())
            .sum();
        assert_eq!(failures, 0, "{name}: {}", ran.out);
        seen.extend(events);
    }
    let missing: Vec<_> = known.iter().filter(|event| !seen.contains(*event)).collect();
    assert!(missing.is_empty(), "no session has {missing:?}");
}

#[test]
fn every_session_fits_the_window() {
    for session in files_in(&repository().join("fixtures/sessions"), ".ndjson") {
        let ran = replay(&session, &[]);
        for line in ran.out.lines() {
            assert!(mimir_commands::display_width(line) <= 100, "{}: {line}", session.display());
            assert!(!line.chars().any(char::is_control), "{}: {line:?}", session.display());
        }
    }
}

#[test]
fn a_dangerous_session_is_stopped() {
    let ran = replay(&repository().join("fixtures/sessions/dangerous.ndjson"), &["--json"]);
    let lines = ran.json();
    let outcomes = &lines.last().unwrap()["summary"]["outcomes"];
    for outcome in ["blocked", "denied", "changed"] {
        assert!(outcomes[outcome].as_u64().unwrap() > 0, "{outcome}: {outcomes}");
    }
}

#[test]
fn unusual_data_becomes_notices() {
    let ran = replay(&repository().join("fixtures/sessions/unusual.ndjson"), &["--json"]);
    assert!(ran.err.contains("there is no event `tool.execute.during`; it was left out"), "{}", ran.err);
    assert!(ran.err.contains("is cut off and was left out"), "{}", ran.err);
}
