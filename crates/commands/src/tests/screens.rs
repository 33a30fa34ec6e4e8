use miette::Diagnostic;
use mimir_shared_config::{Capabilities, PluginMode};

use super::{capabilities, check, nobody, summary};
use crate::ports::MockPluginStore;
use crate::{
    Exit, GrantState, PluginInfo, PluginState, PluginSummary, Problem, Registered, RegisteredCommand, RegisteredTool,
    Severity, StoreError, Switched, Validation, display_width,
};

fn everything() -> Vec<PluginSummary> {
    let mut granted = summary("formatter", PluginState::Ready);
    (granted.needs, granted.granted) = (capabilities(), GrantState::Granted);
    granted.shadows = vec!["/home/ada/.mimir/plugins/formatter".into()];
    let mut missing = summary("@acme/mimir-security-audit", PluginState::NotGranted);
    (missing.needs, missing.granted) = (capabilities(), GrantState::Missing);
    missing.why = "it asks for more than was granted".into();
    missing.hint = Some("mimir plugin grant @acme/mimir-security-audit".into());
    let mut disabled = summary("telemetry", PluginState::Disabled);
    disabled.why = "disabled in ~/.mimir/config.yml".into();
    let mut broken = summary("\u{1b}[31mevil\u{202e}", PluginState::Broken);
    (broken.version, broken.events) = (None, Vec::new());
    broken.why = "plugin.yml: line 3: unknown key `capabilites`\u{1b}]0;title\u{7}".into();
    broken.hint = Some("mimir plugin validate .mimir/plugins/evil".into());
    let mut observer = summary("new-guard", PluginState::Ready);
    observer.mode = PluginMode::Observe;
    vec![granted, missing, disabled, broken, observer]
}

fn listing(plugins: Vec<PluginSummary>) -> MockPluginStore {
    let mut store = MockPluginStore::new();
    store.expect_list().return_once(move || Ok(plugins));
    store
}

#[tokio::test]
async fn list_fits_narrow_and_wide_windows() {
    for width in [60, 80, 140] {
        let (out, exit) = check("list", width, listing(everything()), nobody()).await;
        assert_eq!(exit.unwrap(), Exit::Done);
        for line in out.lines().take_while(|line| !line.is_empty()) {
            assert!(display_width(line) <= width, "{line}");
        }
        assert!(out.chars().all(|c| c == '\n' || !c.is_control()), "{out:?}");
        insta::assert_snapshot!(format!("list_{width}"), out);
    }
}

#[tokio::test]
async fn list_as_json() {
    let (out, _) = check("list --json", 80, listing(everything()), nobody()).await;
    assert!(out.trim_end().chars().all(|c| !c.is_control() && c != '\u{202e}'), "{out:?}");
    insta::assert_json_snapshot!(serde_json::from_str::<serde_json::Value>(&out).unwrap());
}

#[tokio::test]
async fn list_of_nothing() {
    let (out, _) = check("list", 80, listing(Vec::new()), nobody()).await;
    insta::assert_snapshot!(out);
}

fn wrong() -> Problem {
    let text = "name: formatter\nversion: 1.0.0\ncapabilites:\n  wasm: true\n";
    Problem::new(Severity::Error, "/project/.mimir/plugins/formatter/plugin.yml", "unknown key `capabilites`")
        .with_source(text, 31..42)
        .with_hint(Some("did you mean `capabilities`?".into()))
}

fn info() -> PluginInfo {
    let mut summary = summary("formatter", PluginState::Ready);
    (summary.needs, summary.granted) = (capabilities(), GrantState::Granted);
    PluginInfo {
        summary,
        description: Some("Formats what the agent wrote".into()),
        author: Some("ada@example.com".into()),
        license: Some("MIT".into()),
        hash: Some("4f1c2b7a9d3e5f60".into()),
        effective: Capabilities::default(),
        failure: "open".into(),
        limits: vec![("CPU time of an event".into(), "100 ms".into()), ("heap".into(), "64 MiB".into())],
        registered: None,
        problems: vec![wrong()],
    }
}

#[tokio::test]
async fn info_shows_everything() {
    let mut store = MockPluginStore::new();
    store.expect_info().withf(|name, start| name == "formatter" && !start).return_once(|_, _| Ok(info()));
    let (out, exit) = check("info formatter", 80, store, nobody()).await;
    assert_eq!(exit.unwrap(), Exit::Done);
    insta::assert_snapshot!(out);
}

#[tokio::test]
async fn info_shows_what_a_part_comes_to() {
    let mut info = info();
    (info.summary.granted, info.summary.mode) = (GrantState::Partly, PluginMode::Observe);
    info.effective = Capabilities { exec: Default::default(), network: Default::default(), ..capabilities() };
    info.problems.clear();
    let mut store = MockPluginStore::new();
    store.expect_info().return_once(|_, _| Ok(info));
    let (out, exit) = check("info formatter", 80, store, nobody()).await;
    assert_eq!(exit.unwrap(), Exit::Done);
    insta::assert_snapshot!(out);
}

#[tokio::test]
async fn info_shows_what_a_plugin_adds() {
    let tool = |name: &str, description: &str| RegisteredTool {
        name: name.into(),
        description: description.into(),
        schema: serde_json::json!({"type": "object"}),
    };
    let registered = Registered {
        tools: vec![
            tool(
                "format-file",
                "Formats one file with the formatter that the project uses, and tells what has changed",
            ),
            tool("format-all", "Formats \u{1b}[31meverything"),
        ],
        commands: vec![
            RegisteredCommand { name: "format".into(), description: "Formats what was changed".into() },
            RegisteredCommand { name: "bare".into(), description: String::new() },
        ],
        auth_providers: vec!["custom-sso".into()],
    };
    let mut screens = String::new();
    for (registered, expected) in
        [(Some(registered), Exit::Done), (Some(Registered::default()), Exit::Done), (None, Exit::Failed)]
    {
        let mut store = MockPluginStore::new();
        let info = PluginInfo { registered, problems: Vec::new(), ..info() };
        store.expect_info().withf(|_, start| *start).return_once(|_, _| Ok(info));
        let (out, exit) = check("info formatter --start", 80, store, nobody()).await;
        assert_eq!(exit.unwrap(), expected);
        let rows = out.lines().skip_while(|line| !line.starts_with("on failure")).skip(1);
        screens.extend(rows.take_while(|line| !line.is_empty()).flat_map(|line| [line, "\n"]).chain(["\n"]));
    }
    insta::assert_snapshot!(screens);
}

#[tokio::test]
async fn an_unknown_name_suggests_the_nearest() {
    let cases = [("formater", "did you mean `formatter`?"), ("zzz", "`mimir plugin list` shows those that there are")];
    for (name, hint) in cases {
        let mut store = MockPluginStore::new();
        store.expect_info().return_once(|name, _| {
            Err(StoreError::NotFound { name: name.into(), known: vec!["formatter".into(), "budget-alert".into()] })
        });
        let (_, exit) = check(&format!("info {name}"), 80, store, nobody()).await;
        let error = exit.unwrap_err();
        assert_eq!(error.exit(), Exit::Failed);
        assert_eq!(error.help().unwrap().to_string(), hint);
    }
}

#[tokio::test]
async fn validate_shows_the_place() {
    let mut store = MockPluginStore::new();
    store.expect_validate().return_once(|_| {
        let ok = Validation { id: "audit".into(), path: "/p/audit".into(), valid: true, problems: Vec::new() };
        let bad =
            Validation { id: "formatter".into(), path: "/p/formatter".into(), valid: false, problems: vec![wrong()] };
        Ok(vec![ok, bad])
    });
    let (out, exit) = check("validate ./plugins", 80, store, nobody()).await;
    assert_eq!(exit.unwrap(), Exit::Failed);
    insta::assert_snapshot!(out);
}

#[tokio::test]
async fn switching_says_what_counts() {
    let cases = [
        ("enable telemetry", true, Exit::Done),
        ("disable telemetry --global", false, Exit::Done),
        // Somebody who is trusted more keeps it disabled.
        ("enable telemetry", false, Exit::Refused),
    ];
    let mut screens = String::new();
    for (line, enabled, expected) in cases {
        let mut store = MockPluginStore::new();
        let (enable, global) = (line.starts_with("enable"), line.ends_with("--global"));
        store.expect_switch().withf(move |_, e, g| (*e, *g) == (enable, global)).return_once(move |name, _, _| {
            let file = Some("/project/.mimir/config.yml".into());
            Ok(Switched { id: name.into(), enabled, file, notes: vec!["it still needs a grant".into()] })
        });
        let (out, exit) = check(line, 80, store, nobody()).await;
        assert_eq!(exit.unwrap(), expected);
        screens.push_str(&format!("$ {line}\n{out}"));
    }
    insta::assert_snapshot!(screens);
}

#[tokio::test]
async fn what_policy_refuses_ends_with_three() {
    let mut store = MockPluginStore::new();
    store.expect_switch().return_once(|_, _, _| {
        Err(StoreError::Refused { message: "the company blocks `telemetry`".into(), hint: None })
    });
    let (_, exit) = check("enable telemetry", 80, store, nobody()).await;
    assert_eq!(exit.unwrap_err().exit(), Exit::Refused);
}
