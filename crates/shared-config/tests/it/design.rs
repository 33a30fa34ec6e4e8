//! The examples that are promised to people load as they stand.

use mimir_shared_config::{
    Config, ConfigSources, ConfigText, EventName, HostPattern, Isolation, Layer, PluginManifest, PluginSpec,
};

const MANIFEST: &str = "    name: my-plugin
    version: 1.0.0
    author: user@example.com
    description: Custom Mimir plugin
    license: MIT
    capabilities:
      filesystem: { read: true, write: false, delete: false, restricted: ['.env', '.ssh/*'] }
      network: { enabled: true, allowlist: ['api.example.com'] }
      exec: { enabled: false, allowlist: [] }
      llm: { enabled: true, budget: 5.0 }       # US dollars a session
    events: [tool.execute.before, session.compacting, cost.updated]
";

const CONFIG: &str = "    plugins:
      enabled: [./plugins/my-local-plugin, mimir-plugin-formatter, @user/mimir-custom]
      disabled: [mimir-plugin-telemetry]
    teams:
      plugins: { allowlist: [...], blocklist: [...], required: [...] }
    hooks:
      PreCompact: [{ matcher: auto, command: ./cleanup.sh, input: {…} }]
    budget: { enabled: true, maxCost: 10 }
";

#[test]
fn the_manifest_loads() {
    let manifest = PluginManifest::parse("plugin.yml", MANIFEST).unwrap();
    assert_eq!(manifest.name.as_str(), "my-plugin");
    assert_eq!(manifest.author.as_deref(), Some("user@example.com"));
    assert!(manifest.capabilities.filesystem.read && !manifest.capabilities.filesystem.write);
    assert_eq!(manifest.capabilities.filesystem.restricted, [".env", ".ssh/*"]);
    assert!(manifest.capabilities.network.allowlist[0].parse::<HostPattern>().is_ok());
    assert_eq!(manifest.capabilities.llm.budget, Some(5.0));
    let events = manifest.events.iter().map(|event| event.name).collect::<Vec<_>>();
    assert_eq!(events, [EventName::ToolExecuteBefore, EventName::SessionCompacting, EventName::CostUpdated]);
}

#[test]
fn the_configuration_loads() {
    // The ellipses stand for what people put there
    let text = CONFIG.replace("[...]", "[]").replace("{…}", "{}");
    let project = Some(ConfigText::new("/code/project/.mimir/config.yml", text));
    let config = Config::load(&ConfigSources { project, project_trusted: true, ..ConfigSources::default() }).unwrap();
    let specs = config.plugins.enabled.iter().map(|entry| entry.spec.to_string()).collect::<Vec<_>>();
    assert_eq!(specs, ["/code/project/.mimir/plugins/my-local-plugin", "mimir-plugin-formatter", "@user/mimir-custom"]);
    assert!(matches!(&config.plugins.enabled[2].spec, PluginSpec::Package { version: None, .. }));
    assert_eq!(config.plugins.enabled[2].origin.layer, Layer::Project);
    assert_eq!(config.plugins.enabled[2].origin.to_string(), "/code/project/.mimir/config.yml:2");
    assert_eq!(config.plugins.disabled[0].origin.line, Some(3));
    assert_eq!(config.plugins.isolation, Isolation::Process);
    assert_eq!(config.hooks.pre_compact[0].entry.command, "./cleanup.sh");
    assert!(config.budget.enabled);
    assert_eq!(config.budget.max_cost, Some(10.0));
    assert_eq!(config.teams.allowlists.len(), 1);
    assert_eq!(config.notices, Vec::<String>::new());
}

/// With the ellipses as they are printed, only the three places with no plugin's name are wrong.
#[test]
fn the_printed_ellipses_are_reported_where_they_stand() {
    let project = Some(ConfigText::new("config.yml", CONFIG));
    let sources = ConfigSources { project, project_trusted: true, ..ConfigSources::default() };
    let error = Config::load(&sources).unwrap_err();
    let problems = &error.files()[0].problems;
    assert_eq!(problems.iter().map(|problem| problem.line).collect::<Vec<_>>(), [5]);
    assert_eq!(problems[0].path, "teams.plugins.required[0]");
}
