//! What a repository may not do, whatever it writes: checked on configurations put together at random.

use mimir_shared_config::{
    Candidate, Capabilities, Config, ConfigSources, ConfigText, Failure, Isolation, PluginId, PluginManifest,
    PluginMode, PluginSource, widened,
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
        Just("plugins.quarantineAfter: 100".to_owned()),
        Just("budget: { enabled: false, maxCost: 1000 }".to_owned()),
        Just("sandbox.require: [landlock, seccomp]".to_owned()),
        Just("hooks.PreCompact: [{ command: evil }]".to_owned()),
        Just("teams.plugins.capabilities: { exec: { enabled: true, allowlist: ['*'] } }".to_owned()),
        Just("teams.plugins.limits: { cpu: 400ms }".to_owned()),
    ];
    prop::collection::vec(line, 0..8)
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

/// What counts for the user's guard, and for what it stands behind.
fn stance(
    project: Option<&str>,
    trusted: bool,
    users: &str,
) -> Result<(bool, PluginMode, Failure, Isolation, Config), String> {
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
    let manifest = PluginManifest::parse("plugin.yml", "name: guard\nversion: 1.0.0\nfailure: closed\n").unwrap();
    let mode = config.mode_of(&name, &decision, false);
    Ok((decision.runs(), mode, config.failure_of(&manifest), config.plugins.isolation, config))
}

proptest! {
    /// Before it is trusted, nothing that a repository writes changes whether the user's guard runs, what its answers do,
    /// that it fails closed, or where it runs.
    #[test]
    fn an_untrusted_repository_leaves_the_users_guards_alone(project in lines(), users in lines()) {
        let users = text(&users);
        let Ok(before) = stance(None, false, &users) else { return Ok(()) };
        let Ok(after) = stance(Some(&text(&project)), false, &users) else { return Ok(()) };
        prop_assert_eq!((after.0, after.1), (before.0, before.1));
        prop_assert!(after.2 == before.2 || after.2 == Failure::Closed);
        prop_assert!(after.3 == before.3 || after.3 == Isolation::Process);
        let (before, after) = (before.4, after.4);
        prop_assert_eq!(&after.plugins.options, &before.plugins.options);
        prop_assert_eq!(after.hooks.pre_compact.len(), before.hooks.pre_compact.len());
        prop_assert_eq!(&after.required_layers, &before.required_layers);
        prop_assert!(after.plugins.quarantine_after <= before.plugins.quarantine_after);
        prop_assert!(after.budget.enabled || !before.budget.enabled);
        // Its ceiling is one, too: nothing becomes wider by it
        let ceiling = |config: &Config| config.teams.capabilities.clone();
        if let Some(before) = ceiling(&before) {
            let after = ceiling(&after).unwrap_or_default();
            prop_assert!(widened(&after, &before).is_empty(), "{after:?}");
        }
    }

    /// Trusted, it still makes no observer of what is not its own, and opens nothing.
    #[test]
    fn a_trusted_repository_makes_no_observer_of_the_users(project in lines(), users in lines()) {
        let users = text(&users);
        let Ok(before) = stance(None, true, &users) else { return Ok(()) };
        let Ok(after) = stance(Some(&text(&project)), true, &users) else { return Ok(()) };
        prop_assert_eq!(after.1, before.1);
        prop_assert!(after.2 == before.2 || after.2 == Failure::Closed);
        prop_assert_eq!(&after.4.required_layers, &before.4.required_layers);
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
            prop_assert!(widened(&mimir_shared_config::effective(&manifest.capabilities, &none, None), &none).is_empty());
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
