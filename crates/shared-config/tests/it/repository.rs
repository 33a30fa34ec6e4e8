//! What a repository may not do, whatever it writes: checked on configurations put together at random.

use mimir_shared_config::{
    Candidate, Capabilities, Config, ConfigSources, ConfigText, Decision, Failure, Isolation, LimitSettings, Limits,
    PluginId, PluginManifest, PluginMode, PluginSource, effective, widened,
};
use proptest::prelude::*;

/// Lines of a configuration: each a path of keys and a value, as many values as make sense and some that do not.
fn lines() -> impl Strategy<Value = Vec<String>> {
    let names = prop_oneof![
        Just("guard"),
        Just("'*'"),
        Just("~/plugins/guard"),
        Just("/u/guard"),
        Just("evil"),
        Just("&a guard")
    ];
    let list = prop::collection::vec(names, 0..3).prop_map(|names| format!("[{}]", names.join(", ")));
    let mode = prop_oneof![Just("observe"), Just("enforce")];
    let failure = prop_oneof![Just("open"), Just("closed")];
    let line = prop_oneof![
        list.clone().prop_map(|list| format!("plugins.enabled: {list}")),
        list.clone().prop_map(|list| format!("plugins.disabled: {list}")),
        list.clone().prop_map(|list| format!("teams.plugins.allowlist: {list}")),
        list.clone().prop_map(|list| format!("teams.plugins.blocklist: {list}")),
        list.prop_map(|list| format!("teams.plugins.required: {list}")),
        mode.prop_map(|mode| format!("plugins.overrides.guard.mode: {mode}")),
        failure.clone().prop_map(|failure| format!("plugins.overrides.guard.failure: {failure}")),
        failure.prop_map(|failure| format!("teams.plugins.failure: {failure}")),
        Just("plugins.isolation: in-process".to_owned()),
        Just("plugins.options.guard: { level: none }".to_owned()),
        prop_oneof![Just(1), Just(2), Just(100)].prop_map(|count| format!("plugins.quarantineAfter: {count}")),
        Just("budget: { enabled: false, maxCost: 1000 }".to_owned()),
        Just("sandbox.require: [landlock, seccomp]".to_owned()),
        Just("hooks.PreCompact: [{ command: evil }]".to_owned()),
        Just("teams.plugins.capabilities: { exec: { enabled: true, allowlist: ['*'] } }".to_owned()),
        Just("teams.plugins.capabilities: {}".to_owned()),
        limits().prop_map(|limits| format!("teams.plugins.limits: {limits}")),
        limits().prop_map(|limits| format!("plugins.overrides.guard.limits: {limits}")),
    ];
    prop::collection::vec(line, 0..8)
}

fn limits() -> impl Strategy<Value = String> {
    (1..400u32, 1..9000u32, 1..200u32).prop_map(|(cpu, time, memory)| {
        format!("{{ cpu: {cpu}ms, init: {cpu}ms, time: {time}ms, memory: {memory}MB }}")
    })
}

/// The lines as one YAML text; of two for the same key the first stands, since twice is an error.
fn text(lines: &[String]) -> String {
    let mut tree = serde_json::Map::new();
    for line in lines {
        let (path, value) = line.split_once(": ").unwrap();
        let keys: Vec<&str> = path.split('.').collect();
        let mut at = &mut tree;
        for key in &keys[..keys.len() - 1] {
            let below = at.entry(*key).or_insert_with(|| serde_json::Value::Object(serde_json::Map::new()));
            at = below.as_object_mut().unwrap();
        }
        at.entry(keys[keys.len() - 1]).or_insert_with(|| value.into());
    }
    fn write(tree: &serde_json::Map<String, serde_json::Value>, depth: usize, out: &mut String) {
        for (key, value) in tree {
            out.push_str(&" ".repeat(depth));
            match value {
                serde_json::Value::Object(below) => {
                    out.push_str(&format!("{key}:\n"));
                    write(below, depth + 2, out);
                }
                value => out.push_str(&format!("{key}: {}\n", value.as_str().unwrap())),
            }
        }
    }
    let mut out = String::new();
    write(&tree, 0, &mut out);
    out
}

/// What counts for a plugin called `guard`.
#[derive(Debug, Clone, PartialEq)]
struct Stance {
    mode: PluginMode,
    failure: Failure,
    limits: Limits,
    capabilities: Capabilities,
    quarantine_after: u32,
}

/// Whether the user's guard runs, what counts for it and for one that the repository brings, and all else.
fn stances(project: Option<&str>, trusted: bool, users: &str) -> Result<(Decision, [Stance; 2], Config), String> {
    let file = |path: &str, text: &str| Some(ConfigText::new(path, text));
    let sources = ConfigSources {
        user: file("/u/config.yml", users),
        project: project.and_then(|text| file("/p/.mimir/config.yml", text)),
        project_trusted: trusted,
        ..ConfigSources::default()
    };
    let config = Config::load(&sources).map_err(|error| error.to_string())?;
    let (name, source) = (PluginId::new("guard").unwrap(), PluginSource::Folder("/u/plugins/guard".to_owned()));
    let decision = config.decide(&Candidate { name: &name, source: &source, enabled_by_place: true });
    let manifest = "name: guard\nversion: 1.0.0\nlimits: { memory: 128MB, cpu: 300ms }\n\
                    capabilities: { filesystem: { read: true }, exec: { enabled: true, allowlist: ['git *'] } }\n";
    let manifest = PluginManifest::parse("plugin.yml", manifest).unwrap();
    let stances = [false, true].map(|is_repositorys| {
        let rules = config.rules_for(&decision, is_repositorys);
        Stance {
            mode: config.mode_of(&name, &decision, is_repositorys),
            failure: rules.failure_of(&manifest),
            limits: rules.limits_of(&manifest, &LimitSettings::default()),
            capabilities: effective(&manifest.capabilities, &manifest.capabilities, rules.capabilities.as_ref()),
            quarantine_after: rules.quarantine_after,
        }
    });
    Ok((decision, stances, config))
}

proptest! {
    /// Before it is trusted, nothing that a repository writes changes whether the user's guard runs, when its turn comes,
    /// with what settings, or where: what it is asked and what comes of its answer is what would be elsewhere.
    #[test]
    fn an_untrusted_repository_leaves_the_users_guards_alone(project in lines(), users in lines()) {
        let users = text(&users);
        let Ok((decided_before, [users_before, _], before)) = stances(None, false, &users) else { return Ok(()) };
        let Ok((decided, [users, _], after)) = stances(Some(&text(&project)), false, &users) else { return Ok(()) };
        prop_assert_eq!(decided, decided_before);
        prop_assert_eq!(users, users_before);
        prop_assert_eq!(&after.rules, &before.rules);
        prop_assert_eq!(&after.teams, &before.teams);
        prop_assert_eq!(&after.plugins.enabled, &before.plugins.enabled);
        prop_assert_eq!(&after.plugins.disabled, &before.plugins.disabled);
        prop_assert_eq!(&after.plugins.options, &before.plugins.options);
        prop_assert_eq!(after.hooks.pre_compact.len(), before.hooks.pre_compact.len());
        prop_assert_eq!(&after.required_layers, &before.required_layers);
        let isolation = after.plugins.isolation;
        prop_assert!(isolation == before.plugins.isolation || isolation == Isolation::Process);
        prop_assert!(after.budget.enabled || !before.budget.enabled);
    }

    /// Trusted, its lists count, and still none of its limits, ceilings and the like touches the user's guard. Of its own
    /// plugins it only takes away.
    #[test]
    fn a_repository_only_narrows_its_own_plugins(project in lines(), users in lines()) {
        let users = text(&users);
        let Ok((_, [users_before, _], before)) = stances(None, true, &users) else { return Ok(()) };
        let Ok((_, [users, own], after)) = stances(Some(&text(&project)), true, &users) else { return Ok(()) };
        prop_assert_eq!(&users, &users_before);
        prop_assert_eq!(&after.rules, &before.rules);
        prop_assert_eq!(&after.required_layers, &before.required_layers);
        prop_assert!(own.mode == users.mode || own.mode == PluginMode::Observe);
        prop_assert!(own.failure == users.failure || own.failure == Failure::Closed);
        prop_assert!(own.quarantine_after <= users.quarantine_after);
        prop_assert!(widened(&own.capabilities, &users.capabilities).is_empty(), "{own:?}");
        let sizes = |limits: &Limits| (limits.cpu, limits.event, limits.init, limits.heap, limits.off_heap);
        let (own, users) = (sizes(&own.limits), sizes(&users.limits));
        prop_assert!(own.0 <= users.0 && own.1 <= users.1 && own.2 <= users.2 && own.3 <= users.3 && own.4 <= users.4);
    }

    /// Any text at all: an error has its place in the text, and nothing panics.
    #[test]
    fn any_text_is_read_or_refused_with_a_place(parts in prop::collection::vec(piece(), 0..40)) {
        let text = parts.concat();
        let errors = [
            PluginManifest::parse("plugin.yml", &text).err(),
            mimir_shared_config::ConfigFile::parse("config.yml", &text).err(),
        ];
        for error in errors.into_iter().flatten() {
            for problem in error.files().iter().flat_map(|file| &file.problems) {
                prop_assert!(text.get(problem.span.clone()).is_some(), "{:?} in {text:?}", problem.span);
                prop_assert!(problem.line >= 1 && problem.column >= 1);
            }
        }
        if let Ok(manifest) = PluginManifest::parse("plugin.yml", &text) {
            let none = Capabilities::default();
            prop_assert!(widened(&effective(&manifest.capabilities, &none, None), &none).is_empty());
        }
    }
}

/// Pieces of YAML that confuse parsers, and of what manifests and configurations consist of.
fn piece() -> impl Strategy<Value = String> {
    let words: Vec<&'static str> = vec![
        "name: p\n",
        "version: 1.0.0\n",
        "capabilities:\n",
        "  exec: { enabled: true, allowlist: ['*'] }\n",
        "plugins:\n",
        "  enabled: [",
        "@a/b",
        "]\n",
        "&a ",
        "*a",
        "<<: ",
        "- ",
        "? ",
        ": ",
        "!!str ",
        "!x ",
        "|\n",
        ">\n  ",
        "\"",
        "'",
        "{",
        "}",
        "[",
        ",",
        "#",
        "---\n",
        "...\n",
        "%YAML 1.1\n",
        "\t",
        "\r\n",
        "\0",
        "\u{feff}",
        "\u{85}",
        "\u{2028}",
        "é",
        "🦀",
        "0x1f",
        "1e999",
        ".inf",
        "~",
        "null",
        "on",
        "  ",
        "\n",
        "a: &x [*x]\n",
        "mode: observe\n",
    ];
    prop_oneof![8 => prop::sample::select(words).prop_map(str::to_owned), 1 => any::<String>()]
}
