use mimir_shared_config::{Candidate, Config, ConfigSources, ConfigText, Decision, PluginId, PluginSource};

#[derive(Clone, Copy)]
enum Place {
    /// A folder in the repository's `.mimir/plugins/`.
    Folder,
    /// A package in `node_modules/`.
    Package,
}
use Place::{Folder, Package};

/// The four files, then the plugin `p` from a place, then what is decided.
fn check(user: &str, project: &str, flags: &str, policy: &str, place: Place, expected: &str) {
    let file =
        |path: &str, text: &str| (!text.is_empty()).then(|| ConfigText::new(path, format!("plugins: {{ {text} }}")));
    let teams = |path: &str, text: &str| {
        (!text.is_empty()).then(|| ConfigText::new(path, format!("teams: {{ plugins: {{ {text} }} }}")))
    };
    let flag = flags.split_once(' ').map(|(key, name)| (format!("plugins.{key}"), serde_json::json!([name])));
    let sources = ConfigSources {
        user: file("/home/u/.mimir/config.yml", user),
        project: file("/p/.mimir/config.yml", project),
        project_trusted: true,
        flags: flag.into_iter().collect(),
        policy: teams("/etc/policy.yml", policy),
        ..ConfigSources::default()
    };
    let config = Config::load(&sources).unwrap();
    let name = PluginId::new("p").unwrap();
    let (source, enabled_by_place) = match place {
        Folder => (PluginSource::Folder("/p/.mimir/plugins/p".to_owned()), true),
        Package => (PluginSource::Registry("https://registry.npmjs.org".to_owned()), false),
    };
    let decision = config.decide(&Candidate { name: &name, source: &source, enabled_by_place });
    let shown = match &decision {
        Decision::Required(origin) => format!("required by {:?}", origin.layer),
        Decision::Enabled(origin) => format!("enabled by {:?}", origin.layer),
        Decision::EnabledByPlace => "enabled by place".to_owned(),
        Decision::Disabled(origin) => format!("disabled by {:?}", origin.layer),
        Decision::Blocked(origin) => format!("blocked by {:?}", origin.layer),
        Decision::NotAllowed(origin) => format!("not allowed by {:?}", origin.layer),
        Decision::NotListed => "not listed".to_owned(),
    };
    assert_eq!(shown, expected, "user {user}, project {project}, flags {flags}, policy {policy}");
    let runs = ["required", "enabled"].iter().any(|start| shown.starts_with(start));
    assert_eq!(decision.runs(), runs);
}

#[test]
fn decides() {
    check("", "", "", "", Folder, "enabled by place");
    check("", "", "", "", Package, "not listed");
    check("enabled: [p]", "", "", "", Package, "enabled by User");
    check("enabled: [p@^1.0.0]", "", "", "", Package, "enabled by User");
    check("disabled: [p]", "", "", "", Folder, "disabled by User");
    check("", "disabled: [./plugins/p]", "", "", Folder, "disabled by Project");
    check("", "enabled: [./plugins/p]", "", "", Folder, "enabled by Project");
    // What the user disabled, a repository cannot enable; but the user on the command line can
    check("disabled: [p]", "enabled: [p]", "", "", Package, "disabled by User");
    check("disabled: [p]", "", "enabled p", "", Package, "enabled by Flags");
    check("enabled: [p]", "disabled: [p]", "", "", Package, "disabled by Project");
    check("", "disabled: [p]", "enabled p", "", Package, "enabled by Flags");
    check("enabled: [p]", "", "disabled p", "", Package, "disabled by Flags");
    check("enabled: [p], disabled: [p]", "", "", "", Package, "disabled by User");
    // The company
    check("enabled: [p]", "", "", "blocklist: [p]", Package, "blocked by Policy");
    check("", "", "", "blocklist: ['*']", Folder, "blocked by Policy");
    check("enabled: [p]", "", "", "allowlist: ['@company/*']", Package, "not allowed by Policy");
    check("enabled: [p]", "", "", "allowlist: [p]", Package, "enabled by User");
    check("enabled: [p]", "", "", "allowlist: []", Package, "not allowed by Policy");
    check("disabled: [p]", "", "", "required: [p]", Package, "required by Policy");
    check("", "disabled: [p]", "", "required: [p], allowlist: []", Package, "required by Policy");
    // A folder that calls itself so is neither the allowed nor the required package, but it is the blocked one
    check("", "", "", "allowlist: [p]", Folder, "not allowed by Policy");
    check("", "", "", "required: [p]", Folder, "enabled by place");
    check("", "", "", "blocklist: [p]", Folder, "blocked by Policy");
    check("", "", "", "allowlist: [/p/.mimir/plugins]", Folder, "enabled by place");
    check("", "", "", "blocklist: [/p/.mimir/plugins]", Folder, "blocked by Policy");
}

/// What a repository writes under `teams` narrows, but takes away nothing that the company requires.
#[test]
fn a_repository_cannot_block_what_is_required() {
    let name = PluginId::new("p").unwrap();
    let source = PluginSource::Registry("https://registry.npmjs.org".to_owned());
    let candidate = Candidate { name: &name, source: &source, enabled_by_place: false };
    let project =
        Some(ConfigText::new("/p/.mimir/config.yml", "teams: { plugins: { blocklist: [p], allowlist: [] } }"));
    let policy = Some(ConfigText::new("/etc/policy.yml", "teams: { plugins: { required: [p] } }"));
    let decide = |policy: Option<ConfigText>, project_trusted: bool| {
        let project = project.clone();
        let sources = ConfigSources { project, policy, project_trusted, ..ConfigSources::default() };
        Config::load(&sources).unwrap().decide(&candidate)
    };
    assert!(matches!(decide(None, true), Decision::Blocked(_)));
    assert!(matches!(decide(policy, true), Decision::Required(_)));
    // Before it is trusted it blocks nothing at all: what it could mean is the user's
    assert_eq!(decide(None, false), Decision::NotListed);
}

#[test]
fn orders_required_first_then_as_listed() {
    let user = Some(ConfigText::new("/u/config.yml", "plugins: { enabled: [a, b] }"));
    let policy = Some(ConfigText::new("/etc/policy.yml", "teams: { plugins: { required: [z, b] } }"));
    let config = Config::load(&ConfigSources { user, policy, ..ConfigSources::default() }).unwrap();
    let source = PluginSource::Registry("https://registry.npmjs.org".to_owned());
    let position = |name: &str| config.position(&PluginId::new(name).unwrap(), &source);
    assert_eq!([position("z"), position("b"), position("a"), position("other")], [Some(0), Some(1), Some(2), None]);
}

/// A link to a folder is that folder, in every list.
#[test]
fn takes_folders_for_what_they_are() {
    let check = |plugins: &str, teams: &str, expected: fn(&Decision) -> bool| {
        let text = format!("plugins: {{ {plugins} }}\nteams: {{ plugins: {{ {teams} }} }}\n");
        let policy = Some(ConfigText::new("/etc/policy.yml", text));
        let config = Config::load(&ConfigSources { policy, ..ConfigSources::default() }).unwrap();
        let config = config.with_folders(|folder| match folder.strip_prefix("/link") {
            Ok(rest) => std::path::Path::new("/real").join(rest),
            Err(_) => folder.to_owned(),
        });
        let (name, source) = (PluginId::new("p").unwrap(), PluginSource::Folder("/real/p".to_owned()));
        let decision = config.decide(&Candidate { name: &name, source: &source, enabled_by_place: false });
        assert!(expected(&decision), "{plugins} {teams}: {decision:?}");
    };
    check("enabled: [/link/p]", "", |decision| matches!(decision, Decision::Enabled(_)));
    check("enabled: [p], disabled: [/link/p]", "", |decision| matches!(decision, Decision::Disabled(_)));
    check("enabled: [p]", "blocklist: [/link]", |decision| matches!(decision, Decision::Blocked(_)));
    check("enabled: [p]", "allowlist: [/link]", |decision| matches!(decision, Decision::Enabled(_)));
    check("enabled: [p]", "allowlist: [/other]", |decision| matches!(decision, Decision::NotAllowed(_)));
    check("", "required: [/link/p]", |decision| matches!(decision, Decision::Required(_)));
}
