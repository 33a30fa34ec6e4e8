use mimir_shared_config::{
    Candidate, Config, ConfigError, ConfigSources, ConfigText, Decision, Failure, Isolation, Layer, Limits, PluginId,
    PluginManifest, PluginMode, PluginSource, Rules, SandboxLayer,
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
    assert_eq!((config.rules.quarantine_after, config.rules_in_repository.quarantine_after), (3, 3));
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
    let check = |user: &'static str, project: &'static str, expected: (Isolation, Option<f64>)| {
        for untrusted in [false, true] {
            let config = load(&Said { user, project, untrusted, ..Said::default() });
            let found = (config.plugins.isolation, config.budget.max_cost);
            assert_eq!(found, expected, "{user} then {project}, untrusted: {untrusted}");
        }
    };
    use Isolation::{InProcess, Process};
    check("", "plugins: { isolation: in-process }", (Process, None));
    check("plugins: { isolation: in-process }", "plugins: { isolation: process }", (Process, None));
    check("plugins: { isolation: in-process }", "budget: { maxCost: 4 }", (InProcess, Some(4.0)));
    check("budget: { maxCost: 5 }", "budget: { maxCost: 10, enabled: false }", (Process, Some(5.0)));
    check("budget: { maxCost: 5 }", "budget: { maxCost: 1 }", (Process, Some(1.0)));
}

/// The rules for the user's `p`, and those for the repository's.
fn both(said: &Said) -> [Rules; 2] {
    let config = load(said);
    [false, true].map(|is_repositorys| config.rules_for(&Decision::EnabledByPlace, is_repositorys).clone())
}

#[test]
fn a_repository_says_for_its_own_plugins_alone_after_how_many_failures() {
    let check = |said: Said, expected: [u32; 2]| {
        assert_eq!(both(&said).map(|rules| rules.quarantine_after), expected, "{said:?}");
    };
    let [one, two, nine] =
        ["plugins: { quarantineAfter: 1 }", "plugins: { quarantineAfter: 2 }", "plugins: { quarantineAfter: 9 }"];
    for untrusted in [false, true] {
        check(Said { project: one, untrusted, ..Said::default() }, [3, 1]);
        check(Said { project: nine, untrusted, ..Said::default() }, [3, 3]);
        check(Said { user: two, project: nine, untrusted, ..Said::default() }, [2, 2]);
        check(Said { user: nine, project: two, untrusted, ..Said::default() }, [9, 2]);
        check(Said { project: one, policy: nine, untrusted, ..Said::default() }, [3, 1]);
        check(Said { user: nine, project: two, policy: one, untrusted, ..Said::default() }, [1, 1]);
        let environment: &[_] = &[("MIMIR_PLUGINS_QUARANTINE_AFTER", "5")];
        check(Said { project: one, environment, untrusted, ..Said::default() }, [5, 5]);
    }
}

/// A guard that may read nothing is off.
#[test]
fn a_repositorys_ceiling_is_over_its_own_plugins_alone() {
    let check = |said: Said, expected: [&str; 2]| {
        let found = both(&said).map(|rules| match rules.capabilities {
            None => "all",
            Some(ceiling) if ceiling.filesystem.read => "read",
            Some(_) => "none",
        });
        assert_eq!(found, expected, "{said:?}");
    };
    let none = "teams: { plugins: { capabilities: {} } }";
    let read = "teams: { plugins: { capabilities: { filesystem: { read: true } } } }";
    for untrusted in [false, true] {
        check(Said { untrusted, ..Said::default() }, ["all", "all"]);
        check(Said { project: none, untrusted, ..Said::default() }, ["all", "none"]);
        check(Said { user: read, project: none, untrusted, ..Said::default() }, ["read", "none"]);
        check(Said { project: read, policy: none, untrusted, ..Said::default() }, ["none", "none"]);
        check(Said { project: none, policy: read, untrusted, ..Said::default() }, ["read", "none"]);
    }
}

/// What lies in the repository and is required by somebody more trusted is not the repository's to narrow.
#[test]
fn what_is_required_is_not_the_repositorys() {
    let project = "plugins: { quarantineAfter: 1 }\nteams: { plugins: { required: [p], limits: { cpu: 1ms } } }";
    let quarantine_after = |policy| {
        let config = load(&Said { project, policy, ..Said::default() });
        let (name, source) = (PluginId::new("p").unwrap(), PluginSource::Registry("r".to_owned()));
        let decision = config.decide(&Candidate { name: &name, source: &source, enabled_by_place: true });
        assert!(matches!(decision, Decision::Required(_)));
        config.rules_for(&decision, true).quarantine_after
    };
    assert_eq!(quarantine_after("teams: { plugins: { required: [p] } }"), 3);
    assert_eq!(quarantine_after(""), 1);
}

#[test]
fn an_untrusted_repository_is_left_out_with_a_notice() {
    let project = "plugins: { enabled: [./x], disabled: [y], isolation: in-process, options: { x: {} },\n\
                   \x20 quarantineAfter: 1, overrides: { y: { limits: { cpu: 1ms } } } }\n\
                   hooks: { PreCompact: [{ command: evil }] }\n\
                   teams: { plugins: { required: [./x], blocklist: [z], allowlist: [], capabilities: {},\n\
                   \x20 limits: { cpu: 1ms }, failure: closed } }\n\
                   sandbox: { require: [seccomp] }\n";
    let config = load(&Said { project, untrusted: true, ..Said::default() });
    assert!(
        config.plugins.enabled.is_empty() && config.hooks.pre_compact.is_empty() && config.teams.required.is_empty()
    );
    // All that these could mean are the user's own plugins, and one of those may be a guard
    assert!(config.plugins.disabled.is_empty());
    assert!(config.teams.blocklist.is_empty() && config.teams.allowlists.is_empty());
    assert!(config.required_layers.is_empty());
    assert_eq!(config.rules, Rules::default());
    insta::assert_snapshot!(config.notices.join("\n"));
    let config = load(&Said { project, ..Said::default() });
    assert_eq!((config.plugins.enabled.len(), config.hooks.pre_compact.len(), config.teams.required.len()), (1, 1, 1));
    let lists = (config.plugins.disabled.len(), config.teams.blocklist.len(), config.teams.allowlists.len());
    assert_eq!((lists, config.required_layers.len()), ((1, 1, 1), 0));
    assert_eq!(config.hooks.pre_compact[0].origin.to_string(), "/code/p/.mimir/config.yml:3");
    assert_eq!(config.rules, Rules::default());
}

/// Whoever looks into a strange repository works there as if it said nothing; who trusts it sees all that is wrong.
#[test]
fn a_wrong_file_of_an_untrusted_repository_stops_nobody() {
    let user = "model: own/model\nbudget: { maxCost: 9 }\n";
    for (project, expected) in [
        ("budget:\n  maxCots: 1\n", ":2: unknown key `maxCots`; did you mean `maxCost`?"),
        ("budget: { maxCost: 1 }\nmodel: 7\nplugins: 8\n", ":2: "),
        ("budget: { maxCost: 1\n", ":"),
        ("- a\n", ":1: "),
    ] {
        let config = load(&Said { user, project, untrusted: true, ..Said::default() });
        assert_eq!((config.model(), config.budget.max_cost), ("own/model", Some(9.0)), "{project}");
        let [notice] = config.notices.as_slice() else { panic!("{project}: {:?}", config.notices) };
        let begin = "this repository's configuration is left out, since it is wrong: /code/p/.mimir/config.yml";
        assert!(notice.strip_prefix(begin).is_some_and(|rest| rest.starts_with(expected)), "{project}: {notice}");
        assert!(!notice.contains('\n') && notice.len() < 400, "{notice}");
        let error = try_load(&Said { user, project, ..Said::default() }).unwrap_err();
        assert_eq!(error.files()[0].file, "/code/p/.mimir/config.yml", "{project}");
    }
    // The user's and the company's own are as wrong as before
    for said in [Said { user: "x: 1", ..Said::default() }, Said { policy: "x: 1", ..Said::default() }] {
        assert!(try_load(&Said { untrusted: true, project: "y: 1", ..said }).is_err());
    }
}

/// A trusted repository's words about a plugin that is not its own are no secret.
#[test]
fn what_a_repository_says_about_others_plugins_is_told() {
    let check = |said: Said, is_repositorys: bool, expected: Option<&str>| {
        let left_out = load(&said).left_out_of(&PluginId::new("p").unwrap(), &Decision::EnabledByPlace, is_repositorys);
        assert_eq!(left_out.as_deref(), expected, "{said:?}");
    };
    let own = "plugins:\n  overrides:\n    p: { limits: { cpu: 1ms } }\n";
    let told =
        "`plugins.overrides.p` in /code/p/.mimir/config.yml:3 has no effect: the plugin is not this repository's own";
    check(Said { project: own, ..Said::default() }, false, Some(told));
    check(Said { project: own, ..Said::default() }, true, None);
    check(Said { user: own, policy: own, ..Said::default() }, false, None);
    check(Said { project: "plugins: { overrides: { q: {} } }", ..Said::default() }, false, None);
    // Before that all of it is left out, which is told once
    check(Said { project: own, untrusted: true, ..Said::default() }, false, None);
    let wider =
        "plugins: { overrides: { p: { failure: open, mode: enforce } } }\nteams: { plugins: { failure: open } }";
    insta::assert_snapshot!(load(&Said { project: wider, ..Said::default() }).notices.join("\n"));
}

/// `expected` is for the user's `p` and for the repository's.
#[test]
fn limits_come_from_all() {
    let check = |said: Said, granted: &str, expected: [(usize, u128); 2]| {
        let granted = serde_json::from_str(granted).unwrap();
        let found = both(&said).map(|rules| {
            let limits = rules.limits_of(&manifest(), &granted);
            (limits.heap >> 20, limits.cpu.as_millis())
        });
        assert_eq!(found, expected, "{said:?}");
    };
    // The manifest asks for 128 MB, which has to be granted, and for less CPU time, which has not
    check(Said::default(), "{}", [(64, 50); 2]);
    check(Said::default(), r#"{ "memory": "128MB" }"#, [(128, 50); 2]);
    check(Said::default(), r#"{ "memory": "100MB" }"#, [(100, 50); 2]);
    let user = "plugins: { overrides: { p: { limits: { memory: 256MB, cpu: 400ms } } } }";
    check(Said { user, ..Said::default() }, "{}", [(256, 400); 2]);
    let policy = "teams: { plugins: { limits: { memory: 96 } } }";
    check(Said { user, policy, ..Said::default() }, "{}", [(96, 400); 2]);
    for untrusted in [false, true] {
        let project = "plugins: { overrides: { p: { limits: { memory: 32MB, cpu: 400ms } } } }";
        check(Said { project, untrusted, ..Said::default() }, "{}", [(64, 50), (32, 50)]);
        check(Said { user, project, untrusted, ..Said::default() }, "{}", [(256, 400), (32, 400)]);
        let project = "teams: { plugins: { limits: { memory: 16, cpu: 1ms } } }";
        check(Said { user, project, untrusted, ..Said::default() }, "{}", [(256, 400), (16, 1)]);
        check(Said { user, project, policy, untrusted, ..Said::default() }, "{}", [(96, 400), (16, 1)]);
    }
    let limits = both(&Said::default())[0].limits_of(&manifest(), &Default::default());
    assert_eq!(limits.tool, Limits::default().tool);
}

#[test]
fn failure_can_be_overridden() {
    use Failure::{Closed, Open};
    let check = |said: Said, expected: [Failure; 2]| {
        assert_eq!(both(&said).map(|rules| rules.failure_of(&manifest())), expected, "{said:?}");
    };
    let closed = "plugins: { overrides: { p: { failure: closed } } }";
    let open = "plugins: { overrides: { p: { failure: open } } }";
    let all_closed = "teams: { plugins: { failure: closed } }";
    let all_open = "teams: { plugins: { failure: open } }";
    check(Said::default(), [Open, Open]);
    check(Said { user: closed, ..Said::default() }, [Closed, Closed]);
    check(Said { user: open, policy: all_closed, ..Said::default() }, [Closed, Closed]);
    check(Said { user: closed, policy: all_open, ..Said::default() }, [Open, Open]);
    for untrusted in [false, true] {
        check(Said { user: closed, project: open, untrusted, ..Said::default() }, [Closed, Closed]);
        check(Said { user: open, project: closed, untrusted, ..Said::default() }, [Open, Closed]);
        check(Said { project: all_closed, untrusted, ..Said::default() }, [Open, Closed]);
        check(Said { project: all_open, user: closed, untrusted, ..Said::default() }, [Closed, Closed]);
        check(Said { project: closed, policy: all_open, untrusted, ..Said::default() }, [Open, Open]);
    }
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
