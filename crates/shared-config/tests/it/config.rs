use mimir_shared_config::{
    Candidate, Config, ConfigError, ConfigSources, ConfigText, Failure, Isolation, Layer, Limits, PluginId,
    PluginManifest, PluginMode, PluginSource, SandboxLayer,
};
use serde_json::{Value, json};

#[derive(Debug, Default)]
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
                   hooks: { PreCompact: [{ command: evil }] }\n\
                   teams: { plugins: { required: [./x], blocklist: [z], allowlist: [] } }\n\
                   sandbox: { require: [seccomp] }\n";
    let config = load(&Said { project, untrusted: true, ..Said::default() });
    assert!(
        config.plugins.enabled.is_empty() && config.hooks.pre_compact.is_empty() && config.teams.required.is_empty()
    );
    // All that these could mean are the user's own plugins, and one of those may be a guard
    assert!(config.plugins.disabled.is_empty());
    assert!(config.teams.blocklist.is_empty() && config.teams.allowlists.is_empty());
    assert!(config.required_layers.is_empty());
    insta::assert_snapshot!(config.notices.join("\n"));
    let config = load(&Said { project, ..Said::default() });
    assert_eq!((config.plugins.enabled.len(), config.hooks.pre_compact.len(), config.teams.required.len()), (1, 1, 1));
    let lists = (config.plugins.disabled.len(), config.teams.blocklist.len(), config.teams.allowlists.len());
    assert_eq!((lists, config.required_layers.len()), ((1, 1, 1), 0));
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

/// To observe takes away a guard's effect, to enforce gives an effect that somebody did not want: both widen something.
#[test]
fn who_can_make_a_plugin_an_observer() {
    let observe = "plugins: { overrides: { p: { mode: observe } } }";
    let enforce = "plugins: { overrides: { p: { mode: enforce } } }";
    let required = "teams: { plugins: { required: [/p] } }";
    let check = |said: Said, is_repositorys: bool, expected: PluginMode| {
        let config = load(&said);
        let (name, source) = (PluginId::new("p").unwrap(), PluginSource::Folder("/p".to_owned()));
        let decision = config.decide(&Candidate { name: &name, source: &source, enabled_by_place: true });
        assert_eq!(config.mode_of(&name, &decision, is_repositorys), expected, "{decision:?} {said:?}");
    };
    use PluginMode::{Enforce, Observe};
    check(Said::default(), false, Enforce);
    check(Said { user: observe, ..Said::default() }, false, Observe);
    check(Said { user: observe, policy: enforce, ..Said::default() }, false, Enforce);
    check(Said { user: enforce, policy: observe, ..Said::default() }, false, Observe);
    // A repository: about what it brings itself, and even that not against the user
    check(Said { project: observe, ..Said::default() }, false, Enforce);
    check(Said { project: observe, ..Said::default() }, true, Observe);
    check(Said { project: observe, user: enforce, ..Said::default() }, true, Enforce);
    check(Said { project: enforce, user: observe, ..Said::default() }, false, Observe);
    check(Said { project: enforce, user: observe, ..Said::default() }, true, Observe);
    // What the company requires is not for the user to switch off
    check(Said { user: observe, policy: required, ..Said::default() }, false, Enforce);
    check(Said { project: observe, policy: required, ..Said::default() }, true, Enforce);
    check(Said { user: observe, project: required, ..Said::default() }, true, Observe);
    let both = "teams: { plugins: { required: [/p] } }\nplugins: { overrides: { p: { mode: observe } } }";
    check(Said { policy: both, ..Said::default() }, false, Observe);
}

#[test]
fn layers_of_the_sandbox_can_be_required() {
    let config = load(&Said {
        user: "sandbox: { require: [process] }",
        project: "sandbox: { require: [landlock] }",
        policy: "sandbox:\n  require: [landlock,\n    seccomp]\n",
        ..Said::default()
    });
    let required = config.required_layers.iter().map(|(layer, origin)| format!("{} by {origin}", layer.name()));
    assert_eq!(
        required.collect::<Vec<_>>(),
        [
            "process by /home/u/.mimir/config.yml:1",
            "landlock by /etc/mimir/policy.yml:2",
            "seccomp by /etc/mimir/policy.yml:3"
        ]
    );
    let wrong = try_load(&Said { policy: "sandbox: { require: [selinux] }", ..Said::default() }).unwrap_err();
    insta::assert_snapshot!(wrong.to_string());
    for layer in SandboxLayer::ALL {
        assert_eq!(serde_json::to_value(layer).unwrap(), layer.name());
    }
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
