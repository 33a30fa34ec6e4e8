//! What people see when something is wrong: what, where, and what to do.

use serde_json::json;

use crate::place::{Place, event};

#[test]
fn what_is_wrong_with_a_recording() {
    let good = event("session.idle", &json!({"reason": "completed", "session": {"id": "ses_1"}}));
    let cases = [
        ("nonsense", format!("{good}nonsense\n{good}"), "line 2 of the recording is not JSON"),
        (
            "no payload",
            format!("{good}{{\"event\":\"a\"}}\n{good}"),
            "line 2 of the recording is neither an event nor a host call: `payload` is missing",
        ),
    ];
    for (name, recording, message) in cases {
        let place = Place::new();
        place.write("bad.ndjson", recording);
        let ran = place.run("replay @/bad.ndjson --json");
        assert_eq!(ran.code, Some(1), "{name}");
        assert!(ran.err.replace("\n  │ ", " ").contains(message), "{name}: {}", ran.err);
        // What came before still counts
        assert_eq!(ran.json().last().unwrap()["summary"]["events"], 1, "{name}");
    }
    let ran = Place::new().run("replay @/missing.ndjson");
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains("could not read the recording"), "{}", ran.err);
}

#[test]
fn wrong_usage_ends_with_two() {
    let place = Place::new();
    for line in ["", "nonsense", "replay", "replay x --fail-on nonsense", "plugin grant x --yes --revoke"] {
        assert_eq!(place.run(line).code, Some(2), "{line}");
    }
}

#[test]
fn a_wrong_configuration_shows_the_place() {
    let place = Place::new();
    place.write("home/config.yml", "plugins:\n  enabeld:\n    - x\nbudget:\n  maxCost: lots\n");
    for line in ["plugin list", "replay @/x.ndjson"] {
        place.write("x.ndjson", "");
        let ran = place.run(line);
        assert_eq!(ran.code, Some(1), "{line}");
        insta::assert_snapshot!("wrong_configuration", place.anonymous(&ran.err));
    }
}

#[test]
fn a_broken_plugin_is_reported_and_the_others_load() {
    let place = Place::new();
    let good = "export default async () => ({ on: { 'session.idle': async () => {} } });\n";
    place.plugin("plugins/good", "events: [session.idle]\n", good);
    place.plugin("plugins/typo", "capabilites: {}\nevents: [session.idle]\n", good);
    place.plugin("plugins/unknown-event", "events: [session.idel]\n", good);
    place.plugin("plugins/syntax", "events: [session.idle]\n", "export default async () => ({\n  on: {,\n});\n");
    place.plugin(
        "plugins/throws",
        "events: [session.idle]\n",
        "export default async () => { throw new TypeError('no luck'); };\n",
    );
    place.write("x.ndjson", event("session.idle", &json!({"reason": "completed", "session": {"id": "ses_1"}})));
    let ran = place.run("replay @/x.ndjson --json --plugins @/plugins").done();
    let lines = ran.json();
    let answers = lines[0]["answers"].as_array().unwrap();
    let outcome =
        |name: &str| answers.iter().find(|answer| answer["plugin"] == name).map(|answer| answer["outcome"].clone());
    assert_eq!(outcome("good"), Some(json!("passed")), "{}", ran.err);
    assert_eq!(outcome("throws"), Some(json!("failed")), "{}", ran.err);
    let reason = answers.iter().find(|answer| answer["plugin"] == "throws").unwrap()["reason"].as_str().unwrap();
    assert!(reason.contains("TypeError: no luck") && reason.contains("index.ts:1"), "{reason}");
    for (plugin, said) in [("typo", "capabilities"), ("unknown-event", "session.idle"), ("syntax", "index.ts:2")] {
        let about: Vec<_> = ran.err.split("✗ ").filter(|notice| notice.starts_with(plugin)).collect();
        assert_eq!(about.len(), 1, "{plugin}: {}", ran.err);
        assert!(about[0].contains(said), "{plugin}: {}", about[0]);
    }
}

#[test]
fn a_plugin_is_validated_with_the_place() {
    let place = Place::new();
    place.plugin("plugins/typo", "capabilites: {}\n", "export default async () => ({});\n");
    place.plugin("plugins/syntax", "", "export default async () => ({\n  on: {,\n});\n");
    place.plugin(
        "plugins/fine",
        "description: Does nothing\nauthor: a@example.com\nlicense: MIT\n",
        "export default async () => ({});\n",
    );
    let ran = place.run("plugin validate @/plugins");
    assert_eq!(ran.code, Some(1));
    insta::assert_snapshot!("validate", place.anonymous(&ran.out));
    let json = place.run("plugin validate @/plugins/typo --json").json();
    assert_eq!(json[0][0]["problems"][0]["line"], 3, "{json:?}");
}
