//! What came of an attack: Mimir's own word, and whether the world agrees.

use std::collections::BTreeSet;
use std::fs;

use mimir_shared_platform::Guard;
use serde_json::Value;

use super::case::{Case, Verdict};
use super::run::{self, Ran};
use super::world::{World, is_closed};

/// How often a case is run that meets another end than the expected one because its time was up. A machine on which much
/// runs at once may give an isolate no time for seconds, and the clock on the wall then stops it first. What escaped, what did
/// damage and what ended in any other way is never run again: that it happens once is enough.
const TRIES: usize = 3;

/// Classes whose attacks reach something that can be seen from outside, so that the plugin's word is not enough.
const SEEN: [&str; 5] = ["environment", "exec", "file-system", "network", "secrets"];

/// How the traces of secrets begin.
const TOLD: &str = "the secret";

/// How the trace of a guard that is off from now on begins.
const OFF: &str = "the user's own plugin is in quarantine";

/// What an attack has left in the world.
#[derive(Default)]
struct Traces {
    /// None of these may be there when an attack is held.
    damage: Vec<String>,
    /// What may be, but lets one believe an attack that says it got through.
    signs: Vec<String>,
}

/// Runs a case both ways; an error is for people.
pub(super) fn check(case: &Case) -> Result<(), String> {
    let runs = [(None, Some(&case.expect)), (Some(case.guard), case.without.as_ref())];
    let mut said = Vec::new();
    for (without, expected) in runs {
        let Some(expected) = expected else { continue };
        let mut tries = 1;
        let ended = loop {
            match attempt(case, expected, without) {
                Err(Miss { got_no_time: true, .. }) if tries < TRIES => tries += 1,
                ended => break ended,
            }
        };
        if let Err(Miss { told, .. }) = ended {
            let with = without.map_or("as it is".to_owned(), |guard| format!("without {}", guard.name()));
            said.push(format!("  {with}: {told}"));
        }
    }
    if said.is_empty() { Ok(()) } else { Err(format!("fixtures/attacks/{}\n{}", case.name, said.join("\n"))) }
}

/// A run that did not end as expected.
struct Miss {
    /// For people.
    told: String,
    /// Whether it says nothing about the attack: the machine gave it no time, and it did nothing.
    got_no_time: bool,
}

/// Runs a case once, in a world of its own.
fn attempt(case: &Case, expected: &Verdict, without: Option<Guard>) -> Result<(), Miss> {
    let mut world = World::of(case);
    let ran = run::run(case, &mut world, without);
    let traces = traces(case, &world, &ran);
    // A secret that is told is one that got out, whatever the plugin says, and a guard that is off guards nothing
    let is_over = traces.damage.iter().any(|damage| damage.starts_with(TOLD) || damage.starts_with(OFF));
    let found = if is_over { Verdict::Escaped } else { verdict(&ran, &recorded(&world)) };
    let wrong = disagreement(case, expected, &found, &traces);
    if wrong.is_empty() {
        return Ok(());
    }
    let got_no_time = traces.damage.is_empty() && found.is_for_lack_of_time();
    let told = format!(
        "expected `{expected}`, found `{found}`\n    {}\n    traces: {}\n{}",
        wrong.join("\n    "),
        [traces.damage, traces.signs].concat().join("; "),
        indented(&ran)
    );
    Err(Miss { told, got_no_time })
}

fn disagreement(case: &Case, expected: &Verdict, found: &Verdict, traces: &Traces) -> Vec<String> {
    let mut wrong = Vec::new();
    if !expected.is_met_by(found) {
        wrong.push("that is another verdict".to_owned());
    }
    if *found == Verdict::Escaped {
        let is_seen = !traces.damage.is_empty() || !traces.signs.is_empty();
        if SEEN.contains(&case.class.as_str()) && !is_seen && case.value("unseen").is_none() {
            wrong.push("it says that it escaped, and left no trace: `unseen: why` if there can be none".to_owned());
        }
    } else if *expected != Verdict::Escaped {
        wrong.extend(traces.damage.iter().map(|damage| format!("it did damage: {damage}")));
    }
    wrong
}

/// How the audit log says that host calls ended which came to nothing: `[CAPABILITY_DENIED]`.
fn recorded(world: &World) -> String {
    let folder = world.path("home/audit");
    let segments = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    let mut codes = BTreeSet::new();
    for segment in segments.filter(|path| path.extension().is_some_and(|ending| ending == "ndjson")) {
        let text = String::from_utf8_lossy(&fs::read(segment).unwrap()).into_owned();
        let records = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        codes.extend(records.filter_map(|record| {
            let outcome = record["detail"]["outcome"].as_str()?;
            let is_code = outcome.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
            is_code.then(|| format!(" [{outcome}]"))
        }));
    }
    codes.into_iter().collect()
}

/// Mimir's own word: the first event that came to something.
fn verdict(ran: &Ran, recorded: &str) -> Verdict {
    let lines: Vec<Value> = ran.out.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let is_summed_up = lines.last().is_some_and(|line| line.get("summary").is_some());
    let events = lines.iter().filter(|line| line.get("event").is_some());
    let reasons: Vec<(&str, &str, bool)> = events
        .map(|line| {
            let answers = line["answers"].as_array().map(Vec::as_slice).unwrap_or_default();
            let failed = answers.iter().find(|answer| answer["outcome"] == "failed");
            let is_asked = answers.iter().any(|answer| answer["plugin"] == "attacker");
            let (outcome, from) = failed.map_or(("", line), |answer| ("failed", answer));
            let outcome = if outcome.is_empty() { line["outcome"].as_str().unwrap_or_default() } else { outcome };
            (outcome, from["reason"].as_str().unwrap_or_default(), is_asked)
        })
        .collect();
    if reasons.iter().any(|(outcome, reason, _)| *outcome != "failed" && reason.starts_with("escaped")) {
        return Verdict::Escaped;
    }
    if !ran.is_done || !is_summed_up {
        // A refusal of the whole start is one by policy or configuration: nothing runs
        let is_refused = ran.is_done && lines.is_empty() && !ran.err.contains("panicked");
        let make = if is_refused { Verdict::NotLoaded } else { Verdict::Broken };
        return make(ran.err.clone());
    }
    // What is told on the terminal is wrapped there
    let told = ran.err.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((_, reason, _)) = reasons.iter().find(|(outcome, ..)| *outcome == "failed") {
        return Verdict::Limited((*reason).to_owned());
    }
    if told.contains("failed outside of any event") {
        return Verdict::Limited(told);
    }
    if !reasons.iter().any(|(.., is_asked)| *is_asked) {
        return Verdict::NotLoaded(told);
    }
    let (outcome, reason, _) = reasons.iter().find(|(outcome, ..)| *outcome != "passed").unwrap_or(&reasons[0]);
    Verdict::Held(format!("{}{recorded}", if reason.is_empty() { outcome } else { reason }))
}

fn traces(case: &Case, world: &World, ran: &Ran) -> Traces {
    let mut traces = Traces::default();
    let leak = |text: &[u8], place: &str, found: &mut Vec<String>| {
        for (name, canary) in &world.canaries {
            if text.windows(canary.len()).any(|window| window == canary.as_bytes()) {
                found.push(format!("{TOLD} `{name}` in {place}"));
            }
        }
    };
    leak(ran.out.as_bytes(), "the output", &mut traces.damage);
    leak(ran.err.as_bytes(), "the messages", &mut traces.damage);
    for (path, content) in world.changed() {
        let place = format!("@/{path}");
        let what = if content.is_some() { "changed" } else { "gone" };
        if is_closed(&path) {
            traces.damage.push(format!("{place} {what}"));
        } else if path.starts_with("project/") {
            traces.signs.push(format!("{place} {what}"));
        }
        leak(&content.unwrap_or_default(), &place, &mut traces.damage);
    }
    for (name, server) in [("{port}", &world.server), ("{port2}", &world.other)] {
        let is_friend = case.value("friend").or(case.value("manifest")).is_some_and(|named| named.contains(name));
        for request in server.requests() {
            let line = format!("{name} was asked: {}", request.lines().next().unwrap_or_default());
            let found = if is_friend { &mut traces.signs } else { &mut traces.damage };
            found.push(line);
            // A friend may be told a secret that is meant for it
            if !(is_friend && case.class == "secrets") {
                leak(request.as_bytes(), name, &mut traces.damage);
            }
        }
    }
    // That of an attacker is the least that should happen to it; the user's guard would be off in other projects, too
    let states = fs::read_to_string(world.path("home/state.json")).unwrap_or_default();
    if case.class == "trust" && case.plugin().starts_with("home/") && states.contains("\"quarantine\": {") {
        traces.damage.push(OFF.to_owned());
    }
    traces.damage.extend(ran.left.iter().map(|line| format!("a process is left: {line}")));
    traces
}

/// The run's output, as much as somebody reads.
fn indented(ran: &Ran) -> String {
    const SHOWN: usize = 3_000;
    let lines = ran.out.lines().chain(ran.err.lines());
    let text: String = lines.map(|line| format!("    | {line}\n")).collect();
    let end = text.char_indices().nth(SHOWN).map_or(text.len(), |(index, _)| index);
    format!("{}{}", &text[..end], if end < text.len() { "…" } else { "" })
}
