//! A session of 200 turns, killed at any moment and resumed, loses no message and runs no call twice.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::bash;
use crate::place::{Place, Ran};

const TURNS: u64 = 200;
const KILLS: usize = 20;
const PLUGINS: usize = 10;

fn scenario() -> Value {
    json!({
        "turns": [
            { "repeat": TURNS, "turns": [{ "say": "turn ${i}", "calls": [bash("echo ${i} >> log.txt")] }] },
            { "calls": [
                { "tool": "task", "args": { "role": "explore", "description": "a", "prompt": "Look." } },
                { "tool": "task", "args": { "role": "explore", "description": "b", "prompt": "Look." } },
            ] },
            { "say": "finished" },
        ],
        "agents": { "explore": [{ "calls": [bash("echo agent >> agents.txt")] }, { "say": "Looked." }] },
    })
}

/// A plugin that listens to what happens all the time.
fn plugins(place: &Place) {
    for number in 0..PLUGINS {
        let name = format!("p{number}");
        place.plugin(
            &format!("home/plugins/{name}"),
            "events: [tool.execute.before, tool.execute.after, message.added]\ncapabilities: {}\n",
            "export default async () => ({ on: {
                'tool.execute.before': () => {}, 'tool.execute.after': () => {}, 'message.added': () => {},
            } });",
        );
        place.run(&format!("plugin grant {name} --yes")).done();
    }
}

fn start(place: &Place, args: &[&str]) -> std::process::Child {
    Command::new(env!("CARGO_BIN_EXE_mimir"))
        .arg("run")
        .args(args)
        .args(["--yes", "--json", "--scenario"])
        .arg(place.project().join("../scenario.yml"))
        .current_dir(place.project())
        .env("MIMIR_HOME", place.home())
        .env("HOME", place.project().join(".."))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn killed_at_any_moment_a_session_loses_nothing_and_repeats_nothing() {
    let place = Place::new();
    plugins(&place);
    place.write("scenario.yml", scenario().to_string());
    place.write(
        "home/config.yml",
        "compaction: { contextTokens: 6000, keepMessages: 6 }\npermissions: { allow: ['bash(echo **)', bash] }\n",
    );

    let mut id: Option<String> = None;
    let mut acknowledged: BTreeSet<String> = BTreeSet::new();
    let (mut unknown, mut is_finished, mut kills) = (0, false, 0);
    // Not random: each run is killed after another number of lines, which falls on another moment each time
    for round in 0.. {
        let mut child = match &id {
            None => start(&place, &["count to two hundred"]),
            Some(id) => start(&place, &["--resume", id]),
        };
        let limit = if round < KILLS { 7 + (round * 37) % 61 } else { usize::MAX };
        for (number, line) in BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok).enumerate() {
            let Ok(line) = serde_json::from_str::<Value>(&line) else { break };
            match line["type"].as_str() {
                Some("session") => id = line["session"]["id"].as_str().map(str::to_owned),
                Some("answer") if line["agentId"].is_null() => {
                    acknowledged.insert(line["text"].as_str().unwrap().to_owned());
                }
                Some("outcomeUnknown") => unknown += 1,
                Some("end") => is_finished = line["ended"] == "done",
                _ => {}
            }
            if number == limit {
                kills += 1;
                child.kill().unwrap();
                break;
            }
        }
        child.wait().unwrap();
        if is_finished {
            break;
        }
        assert!(round < KILLS + 20, "it does not come to an end");
    }
    assert!(kills >= KILLS.min(15), "only {kills} kills");

    let mut export = place.mimir();
    export.args(["sessions", "export", id.as_deref().unwrap()]);
    let exported: Value = serde_json::from_str(&Ran::of(&mut export).done().out).unwrap();
    let stored = exported["messages"].as_array().unwrap();
    let text = |message: &Value| match &message["message"]["content"] {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
        _ => String::new(),
    };
    let said: Vec<String> = stored.iter().filter(|it| it["message"]["role"] == "assistant").map(text).collect();
    for answer in &acknowledged {
        assert!(said.iter().any(|text| text == answer), "`{answer}` was shown and is not stored");
    }
    // Each turn once: none was lost, and none was played again
    let turns: Vec<&String> = said.iter().filter(|text| text.starts_with("turn ")).collect();
    let distinct: BTreeSet<&String> = turns.iter().copied().collect();
    assert_eq!((turns.len() as u64, distinct.len() as u64), (TURNS, TURNS));

    // Each call has one result, and what it did was done at most once
    let mut results: BTreeMap<String, usize> = BTreeMap::new();
    for part in stored.iter().filter_map(|it| it["message"]["content"].as_array()).flatten() {
        let key = if part["type"] == "toolCall" { part["id"].as_str() } else { part["callId"].as_str() };
        if let Some(key) = key {
            *results.entry(key.to_owned()).or_default() += 1;
        }
    }
    for (call, count) in &results {
        assert_eq!(*count, 2, "{call} has not exactly one result");
    }
    let log = place.read("project/log.txt");
    let ran: Vec<&str> = log.lines().collect();
    let once: BTreeSet<&str> = ran.iter().copied().collect();
    assert_eq!(ran.len(), once.len(), "a call ran twice: {log}");
    let silent = TURNS as usize - ran.len();
    assert!(silent <= kills, "{silent} calls never ran, and there were {kills} kills ({unknown} of unknown outcome)");
}

#[test]
fn a_second_process_on_a_session_is_told_so() {
    let place = Place::new();
    place.write("scenario.yml", json!({ "turns": [{ "calls": [bash("echo begun; sleep 30")] }] }).to_string());
    place.write("home/config.yml", "permissions: { allow: [bash] }\n");
    let mut first = start(&place, &["wait"]);
    let mut lines = BufReader::new(first.stdout.take().unwrap()).lines().map_while(Result::ok);
    let session: Value =
        serde_json::from_str(&lines.find(|line| line.contains(r#""type":"session""#)).unwrap()).unwrap();
    let id = session["session"]["id"].as_str().unwrap();
    let second = place.run(&format!("run --resume {id} --json"));
    assert_eq!(second.code, Some(1), "{}{}", second.out, second.err);
    assert!(second.err.contains("open in another process"), "{}", second.err);
    first.kill().unwrap();
    first.wait().unwrap();
}
