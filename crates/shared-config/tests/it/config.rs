use mimir_shared_config::{
    Config, ConfigError, ConfigSources, ConfigText, Failure, Isolation, Layer, Limits, PluginManifest,
};
use serde_json::{Value, json};

#[derive(Default)]
struct Said {
    user: &'static str,
    project: &'static str,
    untrusted: bool,
    environment: &'static [(&'static str, &'static str)],
    flags: &'static [(&'static str, &'static str)],
    policy: &'static str,
}

fn try_load(said: &Said) -> Result<Config, ConfigError> {
    let file = |path: &str, text: &str| (!text.is_empty()).then(|| ConfigText::new(path, text));
    Config::load(&ConfigSources {
        user: file("/home/u/.mimir/config.yml", said.user),
        project: file("/code/p/.mimir/config.yml", said.project),
        project_trusted: !said.untrusted,
        environment: said.environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        flags: said
            .flags
            .iter()
            .map(|(key, value)| ((*key).to_owned(), serde_json::from_str(value).unwrap()))
            .collect(),
        policy: file("/etc/mimir/policy.yml", said.policy),
        current_dir: "/code/p/sub".into(),
    })
}

fn load(said: &Said) -> Config {
    try_load(said).unwrap()
}

fn manifest() -> PluginManifest {
    PluginManifest::parse("plugin.yml", "name: p\nversion: 1.0.0\nlimits: { memory: 128MB, cpu: 50ms }\n").unwrap()
}

#[test]
fn without_any_layer_there_are_defaults() {
    let config = load(&Said::default());
    assert_eq!(config, Config::default());
    assert_eq!(config.plugins.quarantine_after, 3);
    assert_eq!(config.plugins.isolation, Isolation::Process);
}

#[test]
fn lists_add_up_and_remember_where_they_come_from() {
    let config = load(&Said {
        user: "plugins:\n  enabled:\n    - ./mine\n    - @u/a # unquoted\n    - ~/b\n",
        project: "plugins:\n  enabled: [\n    ../tools/x,\n    @p/y@^1.2\n  ]\n",
        environment: &[("MIMIR_PLUGINS_ENABLED", "./here, @e/z"), ("HOME", "/home/u"), ("MIMIR_HOME", "/x")],
        flags: &[("plugins.enabled", r#"["f"]"#), ("plugins.enabled", r#"["g"]"#)],
        policy: "plugins:\n  enabled: [c]\n",
        ..Said::default()
    });
    let shown = config.plugins.enabled.iter().map(|entry| format!("{} from {}", entry.spec, entry.origin));
    assert_eq!(
        shown.collect::<Vec<_>>(),
        [
            "/home/u/.mimir/mine from /home/u/.mimir/config.yml:3",
            "@u/a from /home/u/.mimir/config.yml:4",
            "~/b from /home/u/.mimir/config.yml:5",
            "/code/p/tools/x from /code/p/.mimir/config.yml:3",
            "@p/y@^1.2 from /code/p/.mimir/config.yml:4",
            "/code/p/sub/here from MIMIR_PLUGINS_ENABLED",
            "@e/z from MIMIR_PLUGINS_ENABLED",
            "f from command line",
            "g from command line",
            "c from /etc/mimir/policy.yml:2",
        ]
    );
}

#[test]
fn the_stronger_layer_counts() {
    let check = |said: Said, key: fn(&Config) -> Value, expected: Value| assert_eq!(key(&load(&said)), expected);
    let cost = |config: &Config| json!([config.budget.enabled, config.budget.max_cost]);
    let user = "budget: { maxCost: 5 }";
    check(Said { user, ..Said::default() }, cost, json!([true, 5.0]));
    check(Said { user, environment: &[("MIMIR_BUDGET_MAX_COST", "20")], ..Said::default() }, cost, json!([true, 20.0]));
    check(
        Said { user, environment: &[("MIMIR_BUDGET_ENABLED", "false")], ..Said::default() },
        cost,
        json!([false, 5.0]),
    );
    check(Said { user, flags: &[("budget.maxCost", "7.5")], ..Said::default() }, cost, json!([true, 7.5]));
    check(Said { user, policy: "budget: { maxCost: 3 }", ..Said::default() }, cost, json!([true, 3.0]));
    check(Said { user, policy: "budget: { maxCost: 30 }", ..Said::default() }, cost, json!([true, 5.0]));

    let options = |config: &Config| serde_json::to_value(&config.plugins.options).unwrap();
    let user = "plugins: { options: { p: { a: 1, list: [1], deep: { x: 1, y: null } } } }";
    let project = "plugins: { options: { p: { b: 2, list: [2], deep: { x: 2 } }, @u/q: { c: 3 } } }";
    let merged = json!({ "p": { "a": 1, "b": 2, "list": [2], "deep": { "x": 2, "y": null } }, "@u/q": { "c": 3 } });
    check(Said { user, project, ..Said::default() }, options, merged);
    let own = json!({ "p": { "a": 1, "list": [1], "deep": { "x": 1, "y": null } } });
    check(Said { user, project, untrusted: true, ..Said::default() }, options, own);
}

#[test]
fn a_repository_only_narrows_isolation_and_budget() {
    let check = |user: &'static str, project: &'static str, expected: (Isolation, Option<f64>, u32)| {
        for untrusted in [false, true] {
            let config = load(&Said { user, project, untrusted, ..Said::default() });
            let found = (config.plugins.isolation, config.budget.max_cost, config.plugins.quarantine_after);
            assert_eq!(found, expected, "{user} then {project}, untrusted: {untrusted}");
        }
    };
    use Isolation::{InProcess, Process};
    check("", "plugins: { isolation: in-process }", (Process, None, 3));
    check("plugins: { isolation: in-process }", "plugins: { isolation: process }", (Process, None, 3));
    check("plugins: { isolation: in-process }", "budget: { maxCost: 4 }", (InProcess, Some(4.0), 3));
    check("budget: { maxCost: 5 }", "budget: { maxCost: 10, enabled: false }", (Process, Some(5.0), 3));
    check("budget: { maxCost: 5 }", "budget: { maxCost: 1 }", (Process, Some(1.0), 3));
    check("plugins: { quarantineAfter: 2 }", "plugins: { quarantineAfter: 9 }", (Process, None, 2));
    check("", "plugins: { quarantineAfter: 1 }", (Process, None, 1));
}

#[test]
fn an_untrusted_repository_is_left_out_with_a_notice() {
    let project = "plugins: { enabled: [./x], disabled: [y], isolation: in-process, options: { x: {} } }\n\
                   hooks: { PreCompact: [{ command: evil }] }\nteams: { plugins: { required: [./x], blocklist: [z] } }\n";
    let config = load(&Said { project, untrusted: true, ..Said::default() });
    assert!(
        config.plugins.enabled.is_empty() && config.hooks.pre_compact.is_empty() && config.teams.required.is_empty()
    );
    assert_eq!((config.plugins.disabled.len(), config.teams.blocklist.len()), (1, 1));
    insta::assert_snapshot!(config.notices.join("\n"));
    let config = load(&Said { project, ..Said::default() });
    assert_eq!((config.plugins.enabled.len(), config.hooks.pre_compact.len(), config.teams.required.len()), (1, 1, 1));
    assert_eq!(config.hooks.pre_compact[0].origin.to_string(), "/code/p/.mimir/config.yml:2");
}

#[test]
fn limits_come_from_all() {
    let check = |said: Said, granted: &str, memory_mb: usize, cpu_ms: u128| {
        let granted = serde_json::from_str(granted).unwrap();
        let limits = load(&said).limits_of(&manifest(), &granted);
        assert_eq!((limits.heap >> 20, limits.cpu.as_millis()), (memory_mb, cpu_ms));
    };
    // The manifest asks for 128 MB, which has to be granted, and for less CPU time, which has not
    check(Said::default(), "{}", 64, 50);
    check(Said::default(), r#"{ "memory": "128MB" }"#, 128, 50);
    check(Said::default(), r#"{ "memory": "100MB" }"#, 100, 50);
    let user = "plugins: { overrides: { p: { limits: { memory: 256MB, cpu: 400ms } } } }";
    check(Said { user, ..Said::default() }, "{}", 256, 400);
    let project = "plugins: { overrides: { p: { limits: { memory: 32MB, cpu: 400ms } } } }";
    check(Said { project, ..Said::default() }, "{}", 32, 50);
    check(Said { user, project, ..Said::default() }, "{}", 32, 400);
    let policy = "teams: { plugins: { limits: { memory: 96 } } }";
    check(Said { user, policy, ..Said::default() }, "{}", 96, 400);
    let limits = load(&Said::default()).limits_of(&manifest(), &Default::default());
    assert_eq!(limits.tool, Limits::default().tool);
}

#[test]
fn failure_can_be_overridden() {
    let check = |said: Said, expected: Failure| assert_eq!(load(&said).failure_of(&manifest()), expected);
    let closed = "plugins: { overrides: { p: { failure: closed } } }";
    let open = "plugins: { overrides: { p: { failure: open } } }";
    check(Said::default(), Failure::Open);
    check(Said { user: closed, ..Said::default() }, Failure::Closed);
    check(Said { user: closed, project: open, ..Said::default() }, Failure::Closed);
    check(Said { user: open, project: closed, ..Said::default() }, Failure::Closed);
    check(Said { user: open, policy: "teams: { plugins: { failure: closed } }", ..Said::default() }, Failure::Closed);
    check(Said { user: closed, policy: "teams: { plugins: { failure: open } }", ..Said::default() }, Failure::Open);
    check(
        Said { project: "teams: { plugins: { failure: closed } }", untrusted: true, ..Said::default() },
        Failure::Closed,
    );
    check(Said { project: "teams: { plugins: { failure: open } }", user: closed, ..Said::default() }, Failure::Closed);
}

#[test]
fn wrong_variables_and_flags_are_named() {
    let messages = [
        Said { environment: &[("MIMIR_PLUGINS_ISOLATION", "thread")], ..Said::default() },
        Said { environment: &[("MIMIR_BUDGET_MAX_COST", "a lot")], ..Said::default() },
        Said { environment: &[("MIMIR_PLUGINS_DISABLED", "Not A Plugin")], ..Said::default() },
        Said { environment: &[("MIMIR_PLUGINS_ENABLED", "[a")], ..Said::default() },
        Said { flags: &[("plugins.isolaton", "\"process\"")], ..Said::default() },
        Said { flags: &[("plugins.enabled", "\"x\"")], ..Said::default() },
    ]
    .map(|said| {
        let error = try_load(&said).unwrap_err();
        format!("{error}\n  {}", error.help().unwrap_or("-"))
    });
    let notices = load(&Said { environment: &[("MIMIR_PLUGIN_DISABLED", "x")], ..Said::default() }).notices;
    insta::assert_snapshot!(messages.into_iter().chain(notices).collect::<Vec<_>>().join("\n"));
}

#[test]
fn all_files_are_reported_at_once() {
    let said = Said { user: "plugin: {}", project: "budget: 5", policy: "a: [", ..Said::default() };
    insta::assert_snapshot!(try_load(&said).unwrap_err().to_string());
}

#[test]
fn a_variable_can_hold_a_list_in_brackets() {
    let said = Said { environment: &[("MIMIR_PLUGINS_DISABLED", "[@a/b, 'c']")], ..Said::default() };
    let config = load(&said);
    assert_eq!(config.plugins.disabled.iter().map(|entry| entry.text.as_str()).collect::<Vec<_>>(), ["@a/b", "c"]);
    assert_eq!(config.plugins.disabled[0].origin.layer, Layer::Environment);
}
