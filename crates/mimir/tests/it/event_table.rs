//! `fixtures/event-table`: every form of answer to every event, through real isolates in sandbox processes.
//!
//! One replay a file. Each place in a case's list of plugins is a plugin that holds the handlers of all cases with the
//! same manifest, and picks by a field that is added to the payload.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::place::{Place, Ran, files_in, repository};

#[derive(Deserialize)]
struct Case {
    name: String,
    event: String,
    payload: Box<RawValue>,
    #[serde(flatten)]
    plugins: Plugins,
    expect: Expected,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Plugins {
    Several { plugins: Vec<Plugin> },
    One(Plugin),
}

#[derive(Deserialize)]
struct Plugin {
    #[serde(default)]
    name: Option<String>,
    handler: String,
    #[serde(flatten)]
    manifest: Manifest,
}

/// What makes two plugins different before any event.
#[derive(Deserialize, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Manifest {
    #[serde(default)]
    approve: Option<String>,
    #[serde(default)]
    failure: Option<String>,
    #[serde(default)]
    on: Option<String>,
    #[serde(default)]
    events: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    outcome: String,
    by: Option<String>,
    reason: Option<String>,
    #[serde(default)]
    payload: BTreeMap<String, Box<RawValue>>,
    #[serde(default)]
    answers: BTreeMap<String, String>,
}

impl Case {
    fn plugins(&self) -> Vec<&Plugin> {
        match &self.plugins {
            Plugins::Several { plugins } => plugins.iter().collect(),
            Plugins::One(plugin) => vec![plugin],
        }
    }
}

/// The field that says which case an event belongs to.
const CASE: &str = "__case";

/// The event of case `index`; `None` is an event to which every plugin is silent, which ends a row of failures.
fn line(case: &Case, index: Option<usize>) -> String {
    let payload = case.payload.get().trim_end().strip_suffix('}').unwrap();
    let index = index.map_or(-1, |index| i64::try_from(index).unwrap());
    let payload = payload.replace('\n', " ");
    format!("{{\"event\":\"{}\",\"payload\":{payload},\"{CASE}\":{index}}}}}\n", case.event)
}

fn check(file: &Path) {
    let text = std::fs::read_to_string(file).unwrap();
    let cases: Vec<Case> = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let place = Place::new();

    // By the place in the list, then by what the manifest says
    let mut handlers: BTreeMap<(usize, Manifest), String> = BTreeMap::new();
    let mut recording = String::new();
    for (index, case) in cases.iter().enumerate() {
        for (slot, plugin) in case.plugins().into_iter().enumerate() {
            let mut manifest = plugin.manifest.clone();
            manifest.on.get_or_insert_with(|| case.event.clone());
            let code = handlers.entry((slot, manifest)).or_default();
            writeln!(code, "  {index}: async (event, ctx) => {{\n{}\n  }},", plugin.handler).unwrap();
        }
        recording.push_str(&line(case, Some(index)));
        recording.push_str(&line(case, None));
    }
    let mut names = BTreeMap::new();
    for (number, ((slot, manifest), code)) in handlers.into_iter().enumerate() {
        let name = format!("slot-{slot}-{number:02}");
        let on = manifest.on.clone().unwrap();
        let mut yml = format!("events: {:?}\n", manifest.events.clone().unwrap_or_else(|| vec![on.clone()]));
        if let Some(failure) = &manifest.failure {
            writeln!(yml, "failure: {failure}").unwrap();
        }
        if let Some(risk) = &manifest.approve {
            writeln!(yml, "capabilities: {{ permissions: {{ approve: {risk} }} }}").unwrap();
        }
        let module = format!(
            "const handlers: any = {{\n{code}}};\nexport default async () => ({{\n  on: {{ '{on}': (event: any, ctx: any) => \
             handlers[event.{CASE}]?.(event, ctx) }},\n}});\n"
        );
        place.plugin(&format!("plugins/{name}"), &yml, &module);
        names.insert((slot, manifest), name);
    }
    place.write("recording.ndjson", recording);
    let ran: Ran = place.run("replay @/recording.ndjson --json --yes --plugins @/plugins").done();
    let lines: Vec<&str> = ran.out.lines().collect();
    assert_eq!(lines.len(), cases.len() * 2 + 1, "{}: {}", file.display(), ran.err);
    for (index, case) in cases.iter().enumerate() {
        let named: BTreeMap<String, String> = case
            .plugins()
            .into_iter()
            .enumerate()
            .map(|(slot, plugin)| {
                let mut manifest = plugin.manifest.clone();
                manifest.on.get_or_insert_with(|| case.event.clone());
                (plugin.name.clone().unwrap_or_else(|| "it".to_owned()), names[&(slot, manifest)].clone())
            })
            .collect();
        compare(file, case, &named, lines[index * 2], &ran.err);
    }
}

#[derive(Deserialize)]
struct Line {
    outcome: String,
    by: Option<String>,
    reason: Option<String>,
    payload: BTreeMap<String, Box<RawValue>>,
    answers: Vec<Value>,
}

fn compare(file: &Path, case: &Case, named: &BTreeMap<String, String>, line: &str, notices: &str) {
    let about = format!("{}: {}\n{line}\n{notices}", file.display(), case.name);
    let found: Line = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {about}"));
    let Expected { outcome, by, reason, payload, answers } = &case.expect;
    assert_eq!(&found.outcome, outcome, "{about}");
    if let Some(by) = by {
        let by = named.get(by).or_else(|| named.get("it"));
        assert_eq!(found.by.as_ref(), by, "{about}");
    }
    if let Some(reason) = reason {
        let found = found.reason.unwrap_or_default();
        assert!(found.contains(reason.as_str()), "`{found}` does not say `{reason}`: {about}");
    }
    for (field, expected) in payload {
        let found = found.payload.get(field).map_or("", |found| found.get());
        let value = |text: &str| serde_json::from_str::<Value>(text).ok();
        assert_eq!(value(found), value(expected.get()), "`{field}`: {about}");
        if expected.get().parse::<f64>().is_ok() {
            assert_eq!(found, expected.get(), "the digits of `{field}`: {about}");
        }
    }
    for (plugin, outcome) in answers {
        let answer = found.answers.iter().find(|answer| answer["plugin"] == named[plugin].as_str());
        let found = answer.map_or("not asked", |answer| answer["outcome"].as_str().unwrap());
        assert_eq!(found, outcome, "`{plugin}`: {about}");
    }
}

#[test]
fn every_event_has_a_table() {
    let place = Place::new();
    let listed = place.run("events --json").done().json();
    let mut events: Vec<_> =
        listed[0].as_array().unwrap().iter().map(|event| event["name"].as_str().unwrap().to_owned()).collect();
    events.sort();
    let files = files_in(&repository().join("fixtures/event-table"), ".json");
    let mut tables: Vec<_> =
        files.iter().map(|file| file.file_stem().unwrap().to_string_lossy().into_owned()).collect();
    tables.sort();
    assert_eq!(tables, events);
}

#[test]
fn every_answer_does_what_the_table_says() {
    // Two at a time: each has processes of its own.
    let files = files_in(&repository().join("fixtures/event-table"), ".json");
    std::thread::scope(|scope| {
        for half in files.chunks(files.len().div_ceil(2)) {
            scope.spawn(move || half.iter().for_each(|file| check(file)));
        }
    });
}
