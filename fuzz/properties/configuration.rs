//! Three files, with a zero byte between them: the user's, the repository's, the company's.

use mimir_shared_config::{
    Candidate, Config, ConfigError, ConfigSources, ConfigText, LimitSettings, Limits, PluginId, PluginManifest,
    PluginSource,
};

/// A repository that nobody trusts changes nothing about others' plugins and only narrows its own; and what is not read says where it is wrong.
pub(crate) fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut parts = text.splitn(3, '\0').map(|part| (!part.is_empty()).then_some(part));
    let (user, project, policy) = (parts.next().flatten(), parts.next().flatten(), parts.next().flatten());
    let load = |project: Option<&str>, project_trusted| {
        let file = |path: &str, text: Option<&str>| text.map(|text| ConfigText::new(path, text));
        let loaded = Config::load(&ConfigSources {
            user: file("/home/u/.mimir/config.yml", user),
            project: file("/code/p/.mimir/config.yml", project),
            project_trusted,
            policy: file("/etc/mimir/policy.yml", policy),
            current_dir: "/code/p".into(),
            ..ConfigSources::default()
        });
        if let Err(ConfigError::Invalid { files }) = &loaded {
            for file in files {
                let one = ConfigError::Invalid { files: vec![file.clone()] };
                super::manifest::is_placed(&one, &file.text);
            }
        }
        loaded
    };
    let _ = load(project, true);
    let (Ok(with), Ok(without)) = (load(project, false), load(None, false)) else { return };
    for name in ["p", "q", "mimir-plugin-x", "@u/mimir-y"] {
        let Ok(id) = PluginId::new(name) else { continue };
        for source in [
            PluginSource::Builtin,
            PluginSource::Folder("/home/u/.mimir/plugins/p".to_owned()),
            PluginSource::Folder("/code/p/tools/q".to_owned()),
            PluginSource::Registry("https://registry.example.com".to_owned()),
        ] {
            for enabled_by_place in [false, true] {
                let candidate = Candidate { name: &id, source: &source, enabled_by_place };
                let (now, before) = (with.decide(&candidate), without.decide(&candidate));
                assert!(!now.runs() || before.runs(), "{name} from {source}: {now:?}, and without it {before:?}");
            }
        }
        let manifest = format!("name: '{name}'\nversion: 1.0.0\nlimits: {{ memory: 128MB, cpu: 300ms, time: 9s }}\n");
        let Ok(manifest) = PluginManifest::parse("plugin.yml", &manifest) else { continue };
        let none = LimitSettings::default();
        is_narrower(&with.rules_in_repository.limits_of(&manifest, &none), &without.rules.limits_of(&manifest, &none));
    }
    assert_eq!(with.rules, without.rules);
    if let Some(most) = without.budget.max_cost.filter(|_| without.budget.enabled) {
        assert!(with.budget.enabled && with.budget.max_cost.is_some_and(|cost| cost <= most), "{:?}", with.budget);
    }
    for required in &without.teams.required {
        assert!(with.teams.required.iter().any(|entry| entry.spec == required.spec), "{required:?} is not required");
    }
}

fn is_narrower(ours: &Limits, theirs: &Limits) {
    let times = |limits: &Limits| [limits.cpu, limits.event, limits.tool, limits.init];
    let sizes = |limits: &Limits| [limits.heap, limits.off_heap, limits.timers, limits.pending, limits.output];
    let is_so = times(ours).iter().zip(times(theirs)).all(|(one, other)| *one <= other)
        && sizes(ours).iter().zip(sizes(theirs)).all(|(one, other)| *one <= other);
    assert!(is_so, "{ours:?}, and without it {theirs:?}");
}
