//! What a run leaves behind when a signal ends it: nothing.

use std::fs::read_to_string;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use serde_json::{Value, json};

use super::{bash, of_type, session};
use crate::place::{Place, Ran};

/// The tool tells that it runs through one pipe, and holds the other one open for as long as it lives.
const TOOL: &str = "exec 3> alive; echo runs > ready; sleep 60; echo late >&3";

fn check(signal: &str, code: i32, ended: &str) {
    let place = Place::new();
    let pipes = ["ready", "alive"].map(|name| place.project().join(name));
    assert!(Command::new("mkfifo").args(&pipes).status().unwrap().success());
    place.write("scenario.yml", json!({ "turns": [{ "calls": [bash(TOOL)] }] }).to_string());
    let child = place.start("run go --yes --json --scenario @/scenario.yml");
    let [ready, alive] = pipes;
    let alive = std::thread::spawn(move || read_to_string(alive).unwrap());
    assert_eq!(read_to_string(ready).unwrap(), "runs\n");

    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-s", signal, &id]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.status.signal()), (Some(code), None), "{signal}");
    assert_eq!(alive.join().unwrap(), "", "{signal}: the tool lived on");
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let last = lines.last().unwrap();
    assert_eq!((&last["type"], &last["ended"]), (&json!("end"), &json!(ended)), "{signal}");

    let mut command = place.mimir();
    let ran = Ran::of(command.args(["run", "--json", "--resume", &session(&lines)])).done();
    let is_told = !of_type(&ran.json(), "outcomeUnknown").is_empty();
    // Who interrupts is told at once, who is ended from outside by the next run
    assert_eq!(is_told, code != 130, "{signal}: {}", ran.out);
}

/// The plugin is asked about the call, says so, and never answers.
const ASKED: &str = "export default async (ctx) => ({ on: { 'tool.execute.before': async () => {
    await ctx.notify('asked');
    await new Promise(() => {});
} } });";

fn check_not_run(signal: &str) {
    let place = Place::new();
    place.plugin("home/plugins/slow", "events: [tool.execute.before]\nlimits: { time: 20s }\n", ASKED);
    place.run("plugin grant slow --yes").done();
    place.write("scenario.yml", json!({ "turns": [{ "calls": [bash("touch ran")] }] }).to_string());
    let mut child = place.start("run go --yes --json --scenario @/scenario.yml");
    let mut told = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut lines: Vec<Value> = Vec::new();
    while !lines.last().is_some_and(|line| line["kind"] == "notified") {
        lines.push(serde_json::from_str(&told.next().unwrap().unwrap()).unwrap());
    }
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-s", signal, &id]).status().unwrap().success());
    lines.extend(told.map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap()));
    child.wait().unwrap();

    let mut command = place.mimir();
    let ran = Ran::of(command.args(["run", "--json", "--no-plugins", "--resume", &session(&lines)])).done();
    lines.extend(ran.json());
    let told = |kind| of_type(&lines, kind).len();
    assert_eq!((told("notRun"), told("outcomeUnknown")), (1, 0), "{signal}: {lines:#?}");
    assert!(!place.project().join("ran").exists());
}

#[test]
fn a_call_that_nobody_allowed_yet_has_not_run() {
    check_not_run("KILL");
    check_not_run("TERM");
    check_not_run("INT");
}

/// Nobody is left to end what a killed run had started: it ends by itself, with all that it started.
#[test]
#[cfg(target_os = "linux")]
fn what_a_killed_run_started_ends_as_well() {
    const PROGRAM: &str = "exec 3> alive; echo runs > ready; sleep 60 & wait; echo late >&3";
    let check = |config: Value, turns: Value| {
        let place = Place::new();
        let pipes = ["ready", "alive"].map(|name| place.project().join(name));
        assert!(Command::new("mkfifo").args(&pipes).status().unwrap().success());
        place.write("home/config.yml", config.to_string());
        place.write("scenario.yml", json!({ "turns": turns }).to_string());
        let mut child = place.start("run go --yes --json --scenario @/scenario.yml");
        let [ready, alive] = pipes;
        let alive = std::thread::spawn(move || read_to_string(alive).unwrap());
        assert_eq!(read_to_string(ready).unwrap(), "runs\n");
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(alive.join().unwrap(), "", "it lived on: {config}");
    };
    check(json!({}), json!([{ "calls": [bash(PROGRAM)] }]));
    // A server that answers nothing is still waited for
    let server = json!({ "command": "sh", "args": ["-c", PROGRAM] });
    check(json!({ "mcp": { "servers": { "silent": server } } }), json!([{ "calls": [bash("sleep 60")] }]));
    let config = json!({
        "compaction": { "contextTokens": 1_000, "keepMessages": 1 },
        "hooks": { "PreCompact": [{ "matcher": "auto", "command": PROGRAM }] },
    });
    let long = json!({ "usage": { "input": 5_000, "output": 10 }, "calls": [bash("ls")] });
    check(config, json!([{ "repeat": 6, "turns": [long] }]));
}

#[test]
fn what_a_run_started_ends_with_it() {
    check("TERM", 143, "ended from outside");
    check("HUP", 129, "ended from outside");
    check("INT", 130, "interrupted");
}
