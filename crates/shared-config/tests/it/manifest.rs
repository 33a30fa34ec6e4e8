use mimir_shared_config::{Bytes, EventName, Failure, LimitSettings, Millis, PluginManifest, Risk};
use serde_json::json;

fn parse(more: &str) -> PluginManifest {
    PluginManifest::parse("plugin.yml", &format!("name: my-plugin\nversion: 1.0.0\n{more}")).unwrap()
}

#[test]
fn reads_every_key() {
    let manifest = parse(
        "engines: { mimir: '>=0.1 <2' }
main: ./src/index.ts
capabilities:
  docker: { enabled: true, images: ['node:22'] }
  env: [HOME, CI]
  permissions: { approve: medium }
  wasm: true
limits: { memory: 128MB, cpu: 200, time: 10s, init: 2 s }
failure: closed
before: [mimir-plugin-z]
after: [@scope/mimir-a]
options:
  type: object
  properties: { width: { type: integer, default: null } }
  required: [width]
",
    );
    assert_eq!(manifest.capabilities.permissions.approve, Some(Risk::Medium));
    assert_eq!(manifest.capabilities.env, ["HOME", "CI"]);
    let limits = LimitSettings {
        memory: Some(Bytes(128 << 20)),
        cpu: Some(Millis(200)),
        time: Some(Millis(10_000)),
        init: Some(Millis(2_000)),
    };
    assert_eq!(manifest.limits, limits);
    assert_eq!(manifest.failure, Failure::Closed);
    assert_eq!(manifest.after[0].as_str(), "@scope/mimir-a");
    assert_eq!(manifest.check_options(&json!({ "width": 3 })), Vec::<String>::new());
    assert_eq!(manifest.check_options(&json!({ "width": "3" })).len(), 1);
    assert_eq!(manifest.check_options(&json!({})).len(), 1);
    // What was read can be written and read again
    let again: PluginManifest = serde_json::from_value(serde_json::to_value(&manifest).unwrap()).unwrap();
    assert_eq!(again, manifest);
}

#[test]
fn takes_a_key_without_a_value_for_absent() {
    let manifest = parse("author:\ncapabilities:\n  exec:\nevents:\n");
    assert_eq!(manifest, parse(""));
}

#[test]
fn takes_scoped_names_without_quotes() {
    let check = |text: &str, expected: &str| {
        assert_eq!(PluginManifest::parse("plugin.yml", text).unwrap().name.as_str(), expected, "{text}");
    };
    check("name: @user/mimir-x\nversion: 1.0.0", "@user/mimir-x");
    check("name: '@user/mimir-x'\nversion: 1.0.0", "@user/mimir-x");
    check("{ name: @user/mimir-x, version: 1.0.0 }", "@user/mimir-x");
    check("\u{feff}name: @user/mimir-x\r\nversion: 1.0.0\r\n", "@user/mimir-x");
}

#[test]
fn selects_deliveries() {
    let check = |events: &str, event: EventName, reason: Option<&str>, expected: bool| {
        assert_eq!(parse(events).selects(event, reason), expected, "{events}: {event} {reason:?}");
    };
    let idle = EventName::SessionIdle;
    check("events: [session.completed]", idle, Some("completed"), true);
    check("events: [session.completed]", idle, Some("waiting"), false);
    check("events: [session.completed]", idle, None, false);
    check("events: [session.idle]", idle, Some("waiting"), true);
    check("events: [session.completed, session.idle]", idle, Some("waiting"), true);
    check("events: [tool.execute.before]", EventName::ToolExecuteBefore, None, true);
    check("events: [tool.execute.before]", EventName::ToolExecuteAfter, None, false);
    check("events: []", idle, None, false);
}

#[test]
fn knows_the_versions_it_works_with() {
    let check = |range: &str, version: &str, expected: bool| {
        let manifest = parse(&format!("engines: {{ mimir: '{range}' }}"));
        assert_eq!(manifest.works_with(version), expected, "{version} in {range}");
    };
    check("^0.1.0", "0.1.5", true);
    check("^0.1.0", "0.2.0", false);
    check(">=0.1 <2", "1.9.9", true);
    check("*", "0.1.0", true);
    check(">=0.1.0", "0.2.0-beta.1", true);
    check("1.x || 2.x", "2.3.4", true);
    check("*", "no version", false);
    assert!(parse("").works_with("0.1.0"));
}

/// Hostile texts end in an error, in time.
#[test]
fn survives_hostile_texts() {
    let bomb = format!(
        "name: my-plugin\nversion: 1.0.0\noptions:\n  a: &a [x, x, x, x, x, x, x, x, x]\n{}",
        (b'b'..=b'k')
            .map(|c| format!("  {0}: &{0} [{1}]\n", c as char, vec![format!("*{}", (c - 1) as char); 9].join(", ")))
            .collect::<String>()
    );
    let texts = [
        "[".repeat(100_000),
        "[".repeat(2_000),
        "{a: ".repeat(2_000),
        "- ".repeat(100_000),
        "a: &a [*a]".to_owned(),
        bomb,
        "x".repeat(300 << 10),
        "- @a/b\n".repeat(30_000),
        "--- \n---\n".to_owned(),
        "!!binary aGk=".to_owned(),
        "? [a]\n: b".to_owned(),
        "1: 2".to_owned(),
        "name: !tag x\nversion: 1.0.0".to_owned(),
        "\0".to_owned(),
        "name: \"\\ud800\"".to_owned(),
    ];
    for text in texts {
        assert!(PluginManifest::parse("plugin.yml", &text).is_err(), "{}", &text[..text.len().min(40)]);
    }
}
