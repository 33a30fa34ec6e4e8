//! Plugins that do not end by themselves, through the whole program: who is named, which limit, and what comes of it.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};

use crate::place::{Place, event, files_in, is_by_the_clock, repository};

fn idle() -> String {
    event("session.idle", &json!({"reason": "waiting", "session": {"id": "ses_1"}}))
}

#[test]
fn failures_outside_of_events_quarantine_too() {
    let place = Place::new();
    // Every event is answered; what fails is what it leaves behind
    let module = "\
export default async () => ({
  on: { 'session.idle': () => { setTimeout(() => { for (;;) {} }, 0); } },
});
";
    place.plugin("home/plugins/restless", "events: [session.idle]\n", module);
    place.write("x.ndjson", idle().repeat(3_000));
    let ran = place.run("replay @/x.ndjson --json --live").done();
    let failed = "restless: failed outside of any event: it took more than 100 ms of CPU time";
    let err = ran.err.replace("\n  ", " ");
    // The event that came in the middle of the third one was answered by a fourth isolate
    assert!((3..=4).contains(&err.matches(failed).count()), "{}", ran.err);
    assert!(err.contains("is in quarantine (3 failures outside of any event, the last: it took more than"), "{err}");
    let lines = ran.json();
    assert_eq!(lines[0]["answers"][0]["outcome"], "passed");
    assert_eq!(lines[2_999]["answers"], json!([]), "not asked any more");

    let state = || place.run("plugin list --json").done().json()[0][0]["state"].clone();
    assert_eq!(state(), "quarantined");
    place.run("plugin enable restless").done();
    assert_eq!(state(), "ready");
}

#[test]
fn a_start_that_fails_is_one_failure() {
    let place = Place::new();
    let module = "for (;;) {}\nexport default async () => ({ on: { 'session.idle': () => {} } });\n";
    place.plugin("plugins/stuck", "events: [session.idle]\nlimits: { init: 100ms }\n", module);
    place.write("x.ndjson", idle().repeat(5));
    let ran = place.run("replay @/x.ndjson --json --plugins @/plugins").done();
    let lines = ran.json();
    let asked = |line: &&Value| line["answers"] != json!([]);
    assert_eq!(lines[..5].iter().filter(asked).count(), 3, "{}", ran.err);
    assert_eq!(lines[0]["reason"], "it did not start within 100 ms");
    assert!(!ran.err.contains("outside of any event"), "{}", ran.err);
}

#[test]
fn plugins_that_do_not_end_are_ended() {
    let place = Place::new();
    let module = "\
export default async () => ({ on: { 'session.idle': () => {} }, dispose() { for (;;) {} } });
";
    for number in 0..8 {
        // Each in a process of its own
        let manifest = format!("events: [session.idle]\ncapabilities: {{ env: [NAME_{number}] }}\n");
        place.plugin(&format!("plugins/p{number}"), &manifest, module);
    }
    place.write("x.ndjson", idle());
    let ran = place.run("replay @/x.ndjson --json --yes --plugins @/plugins").done();
    let summary = &ran.json()[1]["summary"];
    assert_eq!(summary["outcomes"]["passed"], 1, "{}", ran.out);
}

/// What a report may say, by the words of the programs' headers. They have two seconds for an event, and 16 MB.
fn is_said(expected: &str, reason: &str) -> bool {
    let words: &[&str] = match expected {
        "cpu" => &["it took more than 100 ms of CPU time"],
        "time" => &["it did not answer within 2000 ms"],
        "init" => &["it did not start within 500 ms", "it could not start: "],
        "memory" => &["it used more than 16 MiB of heap", "it used more than 16 MiB of memory outside the heap"],
        "crashed" => {
            &["its sandbox process had to be killed: it was past its 100 ms of CPU time and could not be stopped"]
        }
        "invalid" => &["gave no valid answer: ", "answered with more than 8 MiB", "it takes no answer"],
        // What V8 or the prelude throws where it has a limit of its own
        "threw" => &["it threw: RangeError: "],
        _ => &[],
    };
    words.iter().any(|words| reason.contains(words))
}

/// Six events for a program of `fixtures/runaways` and a plugin beside it.
fn check(class: &str, name: &str) {
    let code = fs::read_to_string(repository().join(format!("fixtures/runaways/{name}.js"))).unwrap();
    let header = |key: &str| code.lines().find_map(|line| line.strip_prefix(&format!("// {key}: "))).unwrap();
    assert_eq!(header("class"), class, "{name}");
    let expected: Vec<_> = header("expect").split('|').collect();

    let place = Place::new();
    // In an event in which a throw means nothing, so that each is a failure
    let module = code.replace("'tool.execute.before'", "'session.idle'");
    let manifest = "main: index.js\nevents: [session.idle]\nlimits: { time: 2s, init: 500ms, memory: 16MB }\ncapabilities: { wasm: true }\n";
    place.plugin("plugins/runaway", manifest, "");
    place.write("plugins/runaway/index.js", &module);
    let witness = "export default async () => ({ on: { 'session.idle': () => {} } });\n";
    place.plugin("plugins/witness", "events: [session.idle]\ncapabilities: { wasm: true }\n", witness);
    place.write("x.ndjson", idle().repeat(6));
    let ran = place.run("replay @/x.ndjson --json --yes --plugins @/plugins").done();
    let lines = ran.json();
    assert_eq!(lines.len(), 7, "{name}: {}", ran.err);
    let answer = |line: &Value, plugin: &str| {
        let answers = line["answers"].as_array().unwrap();
        answers.iter().find(|answer| answer["plugin"] == plugin).cloned()
    };
    if answer(&lines[0], "runaway").is_none() {
        assert!(
            expected.contains(&"rejected") && ran.err.contains("✗ runaway: could not be loaded"),
            "{name}: {}",
            ran.err
        );
    } else {
        let failed: Vec<_> = lines[..6].iter().map_while(|line| answer(line, "runaway")).collect();
        for answer in &failed {
            let reason = answer["reason"].as_str().unwrap_or_default();
            assert_eq!(answer["outcome"], "failed", "{name}: {answer}");
            let is_expected = expected.iter().any(|expected| is_said(expected, reason));
            // Where the machine gives it no time to get to its own end
            assert!(is_expected || is_by_the_clock(reason), "{name}: {expected:?}: {answer}");
        }
        // Three failures in a row are a quarantine, and so is the first one that takes the process down. Which limit a program
        // meets is a race, each time anew
        let crashed = failed.iter().position(|answer| answer["reason"].as_str().unwrap().contains("had to be killed"));
        assert_eq!(failed.len(), crashed.map_or(3, |at| at + 1), "{name}: {}", ran.out);
        assert!(ran.err.contains("is in quarantine") && ran.err.contains("mimir plugin enable runaway"), "{}", ran.err);
    }
    for (index, line) in lines[..6].iter().enumerate() {
        let beside = answer(line, "witness").unwrap_or_else(|| panic!("{name}: {line}"));
        // Only who takes the process down takes the other's answer with it
        let is_lost =
            answer(line, "runaway").is_some_and(|answer| answer["reason"].as_str().unwrap().contains("killed"));
        assert!(beside["outcome"] == "passed" || is_lost, "{name}: event {index}: {line}");
    }
}

macro_rules! runaways {
    ($($test:ident = $class:literal: $program:literal),+ $(,)?) => {
        $(
            #[test]
            fn $test() {
                check($class, $program);
            }
        )+

        #[test]
        fn every_class_is_tried() {
            let classes: BTreeSet<String> = files_in(&repository().join("fixtures/runaways"), ".js")
                .iter()
                .map(|path| fs::read_to_string(path).unwrap().lines().next().unwrap().replace("// class: ", ""))
                .collect();
            assert_eq!(classes, BTreeSet::from([$($class.to_owned()),+]));
        }
    };
}

runaways! {
    abort = "abort": "abort-array-fill",
    answer = "answer": "answer-cyclic",
    async_functions = "async": "async-promise-bomb",
    bigint = "bigint": "bigint-factorial",
    builtin = "builtin": "builtin-json-parse",
    heap = "heap": "heap-array",
    init = "init": "init-top-level-loop",
    log = "log": "log-flood",
    loops = "loop": "loop-while",
    microtask = "microtask": "microtask-flood",
    off_heap = "off-heap": "off-heap-many",
    parse = "parse": "parse-parentheses",
    promise = "promise": "promise-never",
    recursion = "recursion": "recursion-plain",
    regexp = "regexp": "regexp-nested-quantifier",
    timer = "timer": "timer-loop",
    wasm = "wasm": "wasm-loop",
}
