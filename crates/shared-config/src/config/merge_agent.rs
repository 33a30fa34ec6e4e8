//! What the layers say about the agent itself, taken together.
//!
//! A repository is the attacker here. Whatever it says, and whether it is trusted or not: where conversations and keys go
//! is the user's; a block rule or a disabled tool of somebody else stays; a role or a server that somebody else names is
//! theirs, and the repository at most bounds it.

use std::path::{Path, PathBuf};

use indexmap::IndexMap;

use super::agent::LEAST_TOKENS;
use super::read::ReadLayer;
use super::{
    AgentFile, AgentSettings, ContextTokens, KeySource, Layer, McpReach, McpServer, McpServerFile, Origin,
    PermissionRules, ProviderFile, ProviderKind, ProviderSettings, SaidRule, ToolSettings,
};
use crate::Risk;

/// What a server's tools are taken for where nobody says it.
const RISK_OF_SERVERS: Risk = Risk::Medium;

/// What the layers say so far, from the weakest to the strongest.
#[derive(Default)]
pub(super) struct MergeAgent {
    providers: IndexMap<String, (ProviderFile, Origin)>,
    permissions: PermissionRules,
    agents: IndexMap<String, AgentSettings>,
    servers: IndexMap<String, Server>,
    tools: ToolSettings,
}

/// All that is said about one MCP server.
#[derive(Default)]
struct Server {
    /// What it is: the word of one layer as a whole, so that no secret of one goes to the program or address of another.
    named: Option<Named>,
    enabled: Option<bool>,
    risk: Option<Risk>,
    allow: Option<Vec<String>>,
    /// The strongest that says anything, for notices.
    origin: Option<Origin>,
}

struct Named {
    said: McpServerFile,
    base: PathBuf,
    origin: Origin,
}

/// What came of it.
pub(super) struct MergedAgent {
    pub(super) providers: IndexMap<String, ProviderSettings>,
    pub(super) permissions: PermissionRules,
    pub(super) agents: IndexMap<String, AgentSettings>,
    pub(super) mcp_servers: IndexMap<String, McpServer>,
    pub(super) tools: ToolSettings,
}

/// Whether a layer is the repository's, and what may be told of it.
struct Speaker<'a> {
    layer: &'a ReadLayer,
    is_projects: bool,
    trusted: bool,
    notices: &'a mut Vec<String>,
}

impl Speaker<'_> {
    fn say(&mut self, key: &str, why: &str) {
        let place = self.layer.place();
        self.notices.push(format!("`{key}` in {place} has no effect{why}"));
    }

    /// Whether more than narrowing counts; says so if it does not, and something is there.
    fn may_say(&mut self, key: &str, is_there: bool) -> bool {
        let may = self.trusted || !self.is_projects;
        if !may && is_there {
            self.say(key, " until you trust this repository (`mimir plugin trust`)");
        }
        may
    }
}

impl MergeAgent {
    pub(super) fn add(&mut self, layer: &ReadLayer, trusted: bool, notices: &mut Vec<String>) {
        let is_projects = layer.layer == Layer::Project;
        let mut speaker = Speaker { layer, is_projects, trusted, notices };
        self.providers(&mut speaker);
        self.permissions(&mut speaker);
        self.agents(&mut speaker);
        self.servers(&mut speaker);
        self.tools(&mut speaker);
    }

    /// Where conversations and keys go is never a repository's word: it would name its own server and the user's key.
    fn providers(&mut self, speaker: &mut Speaker<'_>) {
        let said = &speaker.layer.file.providers;
        if speaker.is_projects {
            if !said.is_empty() {
                speaker.say("providers", ": only the user and the company can say it");
            }
            return;
        }
        for (name, more) in said {
            let origin = speaker.layer.origin(&["providers", name], None);
            let (held, by) =
                self.providers.entry(name.clone()).or_insert_with(|| (ProviderFile::default(), origin.clone()));
            *by = origin;
            held.kind = more.kind.or(held.kind);
            held.base_url = more.base_url.clone().or(held.base_url.take());
            // The key is one word, however it is said
            if more.api_key_env.is_some() || more.secret.is_some() || more.auth.is_some() {
                (held.api_key_env, held.secret) = (more.api_key_env.clone(), more.secret.clone());
                held.auth = more.auth.clone();
            }
            held.headers.extend(more.headers.clone());
        }
    }

    /// To block narrows; to allow does not, and a repository knows its user's habits less well than the user does: its
    /// rules are marked by their origin, and count up to low risk.
    fn permissions(&mut self, speaker: &mut Speaker<'_>) {
        let said = &speaker.layer.file.permissions;
        let layer = speaker.layer;
        let rules = |key: &str, texts: &[String]| {
            let keys = ["permissions", key];
            let read = texts.iter().enumerate().filter_map(|(index, text)| {
                Some(SaidRule { rule: text.parse().ok()?, origin: layer.origin(&keys, Some(index)) })
            });
            read.collect::<Vec<_>>()
        };
        self.permissions.block.extend(rules("block", &said.block));
        if speaker.may_say("permissions.allow", !said.allow.is_empty()) {
            self.permissions.allow.extend(rules("allow", &said.allow));
        }
    }

    fn agents(&mut self, speaker: &mut Speaker<'_>) {
        let said = &speaker.layer.file.agents;
        if !speaker.may_say("agents", !said.is_empty()) {
            return;
        }
        for (role, more) in said {
            let AgentFile { description, model, prompt, tools, max_turns } = more.clone();
            let origin = speaker.layer.origin(&["agents", role], None);
            let Some(held) = self.agents.get_mut(role) else {
                let own = AgentSettings { description, model, prompt, tools, max_turns, origin };
                self.agents.insert(role.clone(), own);
                continue;
            };
            if speaker.is_projects {
                // What the user means by a role is not for a repository to change: it might get other tools so
                let whose = held.origin.place.clone();
                speaker.say(&format!("agents.{role}"), &format!(": {whose} says what it is"));
                continue;
            }
            held.description = description.or(held.description.take());
            held.model = model.or(held.model.take());
            held.prompt = prompt.or(held.prompt.take());
            held.tools = tools.or(held.tools.take());
            held.max_turns = max_turns.or(held.max_turns);
            held.origin = origin;
        }
    }

    fn servers(&mut self, speaker: &mut Speaker<'_>) {
        let said = &speaker.layer.file.mcp.servers;
        if !speaker.may_say("mcp.servers", !said.is_empty()) {
            return;
        }
        for (name, more) in said {
            let origin = speaker.layer.origin(&["mcp", "servers", name], None);
            let held = self.servers.entry(name.clone()).or_default();
            held.origin = Some(origin.clone());
            let key = |part: &str| format!("mcp.servers.{name}.{part}");
            match (more.command.as_ref().map(|_| "command").or(more.url.as_ref().map(|_| "url")), &held.named) {
                (None, _) => {}
                (Some(part), Some(named)) if speaker.is_projects => {
                    let whose = named.origin.place.clone();
                    speaker.say(&key(part), &format!(": {whose} says what it is"));
                }
                (Some(_), _) => {
                    let mut said = more.clone();
                    if speaker.is_projects && !said.secrets.is_empty() {
                        said.secrets.clear();
                        speaker.say(&key("secrets"), ": only the user and the company can say it");
                    }
                    let base = speaker.layer.base().to_path_buf();
                    held.named = Some(Named { said, base, origin });
                }
            }
            if !speaker.is_projects {
                // The company's word about the least risk and the tools is a bound, like its other numbers
                let is_bound = speaker.layer.layer == Layer::Policy;
                held.enabled = more.enabled.or(held.enabled);
                held.risk = match is_bound {
                    true => more.risk_level.max(held.risk),
                    false => more.risk_level.or(held.risk),
                };
                held.allow = match is_bound {
                    true => both(held.allow.take(), more.allow.as_deref()),
                    false => more.allow.clone().or(held.allow.take()),
                };
                continue;
            }
            if more.enabled == Some(true) && held.enabled == Some(false) {
                speaker.say(&key("enabled"), ": a repository can only say `false`");
            }
            held.enabled = more.enabled.filter(|enabled| !enabled).or(held.enabled);
            let least = held.risk.unwrap_or(RISK_OF_SERVERS);
            if more.risk_level.is_some_and(|risk| risk < least) {
                speaker.say(&key("riskLevel"), &format!(": a repository can't say less than `{least}`"));
            }
            held.risk = more.risk_level.filter(|risk| *risk > least).or(held.risk);
            held.allow = both(held.allow.take(), more.allow.as_deref());
        }
    }

    fn tools(&mut self, speaker: &mut Speaker<'_>) {
        let said = &speaker.layer.file.tools;
        for name in &said.disabled {
            if !self.tools.disabled.contains(name) {
                self.tools.disabled.push(name.clone());
            }
        }
        let Some(said) = said.bash.timeout_ms else { return };
        let held = self.tools.bash_timeout_ms;
        self.tools.bash_timeout_ms = match speaker.layer.layer {
            Layer::Project => match held {
                Some(held) => Some(said.min(held)),
                None => Some(said).filter(|_| speaker.may_say("tools.bash.timeoutMs", true)),
            },
            Layer::Policy => Some(said.min(held.unwrap_or(u64::MAX))),
            _ => Some(said),
        };
    }

    /// What the layers come to, with what is of no use left out and told.
    pub(super) fn finish(self, notices: &mut Vec<String>) -> MergedAgent {
        let mut providers = IndexMap::new();
        for (name, (said, origin)) in self.providers {
            match provider(&name, said) {
                Some(provider) => {
                    providers.insert(name, provider);
                }
                None => notices.push(format!(
                    "`providers.{name}` in {origin} has no `baseUrl`, so none of its models can be used"
                )),
            }
        }
        let mut mcp_servers = IndexMap::new();
        for (name, Server { named, enabled, risk, allow, origin }) in self.servers {
            if enabled == Some(false) {
                continue;
            }
            let Some(Named { said, base, origin }) = named else {
                let place = origin.map(|origin| origin.to_string()).unwrap_or_default();
                notices
                    .push(format!("`mcp.servers.{name}` in {place} has no `command` and no `url`, so it is not used"));
                continue;
            };
            let secrets = said.secrets.clone();
            let (reach, risk) = (reach(said, &base), risk.unwrap_or(RISK_OF_SERVERS));
            mcp_servers.insert(name, McpServer { reach, secrets, risk, allow, origin });
        }
        let Self { permissions, agents, tools, .. } = self;
        MergedAgent { providers, permissions, agents, mcp_servers, tools }
    }
}

/// What a layer says a server is: a program, or else an address.
fn reach(said: McpServerFile, base: &Path) -> McpReach {
    let McpServerFile { command, args, env, cwd, url, headers, .. } = said;
    let Some(command) = command else {
        return McpReach::Http { url: url.unwrap_or_default(), headers };
    };
    let command = match command.contains('/') {
        true => resolved(base, &command).to_string_lossy().into_owned(),
        false => command,
    };
    McpReach::Program { command, args, env, cwd: cwd.map(|cwd| resolved(base, &cwd)) }
}

/// Only what both lists hold.
fn both(held: Option<Vec<String>>, more: Option<&[String]>) -> Option<Vec<String>> {
    match (held, more) {
        (Some(held), Some(more)) => Some(held.into_iter().filter(|name| more.contains(name)).collect()),
        (held, more) => held.or_else(|| more.map(<[String]>::to_vec)),
    }
}

/// What is built in: the name, the protocol and the variable of its key.
const BUILT_IN: [(&str, ProviderKind, &str); 2] =
    [("anthropic", ProviderKind::Anthropic, "ANTHROPIC_API_KEY"), ("openai", ProviderKind::Openai, "OPENAI_API_KEY")];

/// A provider that nobody needs to describe.
pub(super) fn built_in(name: &str) -> Option<ProviderSettings> {
    let (_, kind, variable) = BUILT_IN.into_iter().find(|(known, ..)| *known == name)?;
    Some(ProviderSettings { kind, key: Some(KeySource::Variable(variable.to_owned())), ..ProviderSettings::default() })
}

/// The names of those that are built in.
pub(super) fn built_in_names() -> impl Iterator<Item = &'static str> {
    BUILT_IN.into_iter().map(|(name, ..)| name)
}

/// Nothing if nobody says where it is.
fn provider(name: &str, said: ProviderFile) -> Option<ProviderSettings> {
    let base = built_in(name);
    if base.is_none() && said.base_url.is_none() {
        return None;
    }
    let base = base.unwrap_or_default();
    let key = said.api_key_env.map(KeySource::Variable).or(said.secret.map(KeySource::Secret));
    Some(ProviderSettings {
        kind: said.kind.unwrap_or(base.kind),
        base_url: said.base_url,
        key: key.or(base.key.filter(|_| said.auth.is_none())),
        auth: said.auth,
        headers: said.headers,
    })
}

/// A path in a file: relative to the file's folder; `~/` is left for whoever knows the user's home.
fn resolved(base: &Path, written: &str) -> PathBuf {
    match written == "~" || written.starts_with("~/") {
        true => PathBuf::from(written),
        false => super::entry::join(base, Path::new(written)),
    }
}

/// What a number of tokens in a file means. Checked before: nothing else is left.
pub(super) fn context_tokens(number: Option<f64>) -> Option<ContextTokens> {
    number.and_then(ContextTokens::read)
}

/// What is wrong with a number of tokens.
pub(super) fn wrong_tokens(number: f64) -> Option<String> {
    ContextTokens::read(number).is_none().then(|| {
        format!(
            "{number} is neither a part of what the model can hold (up to 1) nor a number of tokens from {LEAST_TOKENS}"
        )
    })
}
