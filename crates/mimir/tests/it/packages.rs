//! The recorded tests of the plugins that ship: `packages/NAME/tests/CASE.ndjson`, what must come of it in
//! `CASE.expected.json`, and where they need it a configuration and variables.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;

use crate::place::{Place, Ran, files_in, repository};

/// Replays one recording with one plugin, in a home and a project that have nothing else.
fn check(package: &str, recording: &std::path::Path) {
    let beside = |ending: &str| fs::read_to_string(recording.to_string_lossy().replace(".ndjson", ending)).ok();
    let place = Place::new();
    if let Some(config) = beside(".config.yml") {
        // The project's would need trust; the user's own counts at once
        place.write("home/config.yml", config);
    }
    let mut command = place.mimir();
    let variables = beside(".env.json").map(|text| serde_json::from_str::<BTreeMap<String, String>>(&text).unwrap());
    command.envs(variables.unwrap_or_default());
    command
        .args(["replay", "--json", "--yes", "--plugins"])
        .arg(repository().join("packages").join(package))
        .arg(recording);
    let ran = Ran::of(&mut command).done();

    let name = recording.display();
    let expected: Vec<Value> =
        serde_json::from_str(&beside(".expected.json").expect("every recording says what comes of it")).unwrap();
    let lines = ran.json();
    let (summary, events) = lines.split_last().unwrap();
    assert_eq!(summary["summary"]["plugins"][0]["plugin"], package, "{name}: {}", ran.err);
    assert_eq!(events.len(), expected.len(), "{name}: {}", ran.err);
    for (index, (event, expected)) in events.iter().zip(&expected).enumerate() {
        for (key, value) in expected.as_object().unwrap() {
            let found = if key == "payload" { &part_of(&event["payload"], value) } else { &event[key] };
            // A reason also says where it was thrown
            let is_as_expected = match (key.as_str(), found, value) {
                ("reason", Value::String(found), Value::String(expected)) => found.contains(expected.as_str()),
                _ => found == value,
            };
            assert!(is_as_expected, "{name}: `{key}` of event {index} is not {value}: {event}\n{}", ran.err);
        }
    }
}

/// The fields of a payload that are expected.
fn part_of(payload: &Value, expected: &Value) -> Value {
    let keys = expected.as_object().unwrap().keys();
    keys.map(|key| (key.clone(), payload[key].clone())).collect()
}

macro_rules! packages {
    ($($test:ident = $package:literal),+ $(,)?) => {
        $(
            #[test]
            fn $test() {
                for recording in files_in(&repository().join("packages").join($package).join("tests"), ".ndjson") {
                    check($package, &recording);
                }
            }
        )+

        #[test]
        fn every_package_with_recordings_is_tested() {
            let tested = [$($package),+];
            for entry in fs::read_dir(repository().join("packages")).unwrap() {
                let package = entry.unwrap().path();
                let has_recordings = fs::read_dir(package.join("tests"))
                    .is_ok_and(|mut tests| tests.any(|test| test.unwrap().path().extension().is_some_and(|end| end == "ndjson")));
                let name = package.file_name().unwrap().to_string_lossy().into_owned();
                assert!(!has_recordings || tested.contains(&name.as_str()), "add `{name}` to this list");
            }
        }
    };
}

packages! {
    budget_alert = "budget-alert",
    formatter = "formatter",
    github_pr_comment = "github-pr-comment",
    precompact = "precompact",
    security_audit = "security-audit",
}
