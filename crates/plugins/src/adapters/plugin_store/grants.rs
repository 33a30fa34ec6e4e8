//! Grants and trust: what a person is shown, and what comes of a yes.

use mimir_commands::{GrantView, RepositoryPlugin, RepositoryView, StoreError};
use mimir_loader::{Found, GrantState, LoadedPlugin, Place};
use mimir_shared_config::{
    Capabilities, Config, Decision, Grant, GrantMode, Layer, LimitSettings, McpReach, Origin, PluginIdentity,
    effective, widened, widened_limits,
};
use mimir_shared_platform::{AuditRecord, Clock as _, SystemClock};
use serde_json::json;

use super::{Store, view};
use crate::adapters::problems::load_error;
use crate::start::audit_log;

impl Store {
    pub(super) async fn grant_view(&self, name: &str) -> Result<GrantView, StoreError> {
        let found = self.find(name).await?;
        if let Decision::Blocked(origin) | Decision::NotAllowed(origin) = &found.decision {
            let message = format!("`{}` may not run: {origin} says so", found.id);
            return Err(StoreError::Refused { message, hint: None });
        }
        let LoadedPlugin { id, identity, manifest, .. } = self.load(&found).await?;
        let grants = self.loader.grants();
        let state = grants.state(&identity, &manifest).map_err(|error| load_error(&error))?;
        let all = grants.all().map_err(|error| load_error(&error))?;
        let before = all.iter().rfind(|held| is_same(&held.identity, &identity));
        let held = match &state {
            GrantState::Granted { grant } => Some(grant),
            _ => None,
        };
        let is_whole = held.is_some_and(|grant| {
            widened(&manifest.capabilities, &grant.capabilities).is_empty()
                && widened_limits(&manifest.limits, &grant.limits).is_empty()
        });
        let rules = self.config.rules_for(&found.decision, found.needs_trust);
        let beyond = |policy| widened(&manifest.capabilities, policy);
        let withheld = rules.capabilities.as_ref().map(beyond).unwrap_or_default();
        let by_others = self.config.rules.capabilities.as_ref().map(beyond).unwrap_or_default();
        let none = LimitSettings::default();
        Ok(GrantView {
            id: id.to_string(),
            version: manifest.version.clone(),
            source: view::source(found.place),
            path: found.dir,
            hash: identity.hash.as_str().to_owned(),
            requested: manifest.capabilities.clone(),
            limits: widened_limits(&manifest.limits, &none),
            new_limits: before.map(|before| widened_limits(&manifest.limits, &before.limits)).unwrap_or_default(),
            before: before.map(|grant| grant.capabilities.clone()),
            held: held.map(|grant| grant.capabilities.clone()),
            granted: is_whole,
            withheld: withheld
                .into_iter()
                .map(|line| match by_others.contains(&line) {
                    true => format!("the company's policy keeps it from this: {line}"),
                    false => format!("this repository's configuration keeps it from this: {line}"),
                })
                .collect(),
        })
    }

    pub(super) async fn put_grant(
        &self,
        shown: &GrantView,
        capabilities: &Capabilities,
        with_limits: bool,
    ) -> Result<(), StoreError> {
        let found = self.find(&shown.id).await?;
        let LoadedPlugin { identity, manifest, .. } = self.load(&found).await?;
        if identity.hash.as_str() != shown.hash {
            let message = format!("`{}` has changed while you read what it asks for", shown.id);
            return Err(StoreError::failed(message, Some(format!("look again: `mimir plugin grant {}`", shown.id))));
        }
        let grant = Grant {
            identity,
            // Whatever was shown: never more than it asks for
            capabilities: effective(&manifest.capabilities, capabilities, None),
            limits: if with_limits { manifest.limits.clone() } else { LimitSettings::default() },
            granted_at: SystemClock.now_ms(),
            mode: GrantMode::Lasting,
        };
        let detail = json!({ "identity": grant.identity, "capabilities": grant.capabilities, "limits": grant.limits });
        self.loader.grants().put(grant).map_err(|error| load_error(&error))?;
        self.record(AuditRecord::new(shown.id.as_str(), "grant", detail))
    }

    pub(super) async fn take_back(&self, name: &str) -> Result<bool, StoreError> {
        let grants = self.loader.grants();
        let taken = match self.find(name).await {
            Ok(Found { dir, package, .. }) => {
                let source = mimir_shared_config::PluginSource::Folder(dir.to_string_lossy().into_owned());
                grants.revoke(&source, &package).map_err(|error| load_error(&error))?
            }
            // What is not there any more may come back
            Err(StoreError::NotFound { name, known }) => {
                let all = grants.all().map_err(|error| load_error(&error))?;
                let of_name: Vec<_> = all.into_iter().filter(|held| held.identity.package == name).collect();
                if of_name.is_empty() {
                    return Err(StoreError::NotFound { name, known });
                }
                for Grant { identity, .. } in of_name {
                    grants.revoke(&identity.source, &identity.package).map_err(|error| load_error(&error))?;
                }
                true
            }
            Err(other) => return Err(other),
        };
        if taken {
            self.record(AuditRecord::new(name, "revoke", json!({})))?;
        }
        Ok(taken)
    }

    pub(super) async fn repository_view(&self) -> Result<RepositoryView, StoreError> {
        let project = self.surroundings.places.project.clone();
        let found = self.discover().await?.found;
        let is_repositorys = |found: &&Found| found.needs_trust && found.place == Place::Project;
        let own = found.iter().filter(is_repositorys).map(|found| RepositoryPlugin {
            id: found.id.to_string(),
            needs: found.manifest.as_ref().map(|manifest| manifest.capabilities.clone()).unwrap_or_default(),
            hides: None,
        });
        // One of a user's name is hidden by the user's until the repository is trusted, and hides it from then on
        let place = self.surroundings.places.project.join(".mimir/plugins");
        let hidden = found.iter().filter(|found| !found.needs_trust).filter_map(|users| {
            let by = users.shadowed.iter().find(|hidden| hidden.place == Place::Project)?;
            by.dir.starts_with(&place).then(|| RepositoryPlugin {
                id: users.id.to_string(),
                needs: Capabilities::default(),
                hides: Some(users.dir.clone()),
            })
        });
        let plugins = own.chain(hidden).collect();
        Ok(RepositoryView { project, plugins, configuration: self.wishes()? })
    }

    /// What the repository's configuration says that counts once it is trusted.
    fn wishes(&self) -> Result<Vec<String>, StoreError> {
        let config = self.surroundings.configuration_if_trusted(self.files.as_ref())?;
        let is_its = |origin: &Origin| origin.layer == Layer::Project;
        let mut wishes = Vec::new();
        for hook in config.hooks.pre_compact.iter().filter(|hook| is_its(&hook.origin)) {
            wishes.push(format!(
                "run `{}` in a shell, with your rights, before a session is compacted",
                hook.entry.command
            ));
        }
        for (name, server) in config.mcp_servers.iter().filter(|(_, server)| server.is_repositorys()) {
            wishes.push(match &server.reach {
                McpReach::Program { command, args, .. } => {
                    let line = std::iter::once(command).chain(args).map(String::as_str).collect::<Vec<_>>().join(" ");
                    format!("run `{line}` with your rights in each session, as the MCP server {name}")
                }
                McpReach::Http { url, .. } => {
                    format!("give the agent the tools of {url} in each session, as the MCP server {name}")
                }
            });
        }
        self.wishes_about_agent(&config, is_its, &mut wishes);
        for (verb, entries) in [
            ("enable", &config.plugins.enabled),
            ("disable", &config.plugins.disabled),
            ("require", &config.teams.required),
        ] {
            for entry in entries.iter().filter(|entry| is_its(&entry.origin)) {
                wishes.push(format!("{verb} the plugin {}", entry.text));
            }
        }
        for pattern in config.teams.blocklist.iter().filter(|pattern| is_its(&pattern.origin)) {
            wishes.push(format!("block the plugins {}", pattern.text));
        }
        if config.teams.allowlists.iter().any(|list| is_its(&list.origin)) {
            wishes.push("allow no plugins but those that it lists".to_owned());
        }
        let own = &self.config.plugins.options;
        for (plugin, options) in &config.plugins.options {
            if own.get(plugin) != Some(options) {
                wishes.push(format!("set options of the plugin {plugin}"));
            }
        }
        Ok(wishes)
    }

    /// What it says about the agent, and which files of its own it adds.
    fn wishes_about_agent(&self, config: &Config, is_its: impl Fn(&Origin) -> bool, wishes: &mut Vec<String>) {
        for allow in config.permissions.allow.iter().filter(|allow| is_its(&allow.origin)) {
            wishes.push(format!("allow `{}` without a question where the risk is low", allow.rule));
        }
        let project = self.surroundings.places.project.join(".mimir");
        for (folder, what) in [("tools", "tools to the agent's"), ("commands", "slash commands to yours")] {
            // A folder that is not there or can't be read adds nothing
            let entries = self.files.read_dir(&project.join(folder)).unwrap_or_default();
            let files = entries.iter().filter(|entry| entry.name.ends_with(".yml") || entry.name.ends_with(".yaml"));
            match files.count() {
                0 => {}
                count => wishes.push(format!("add {what}, from .mimir/{folder} (files: {count})")),
            }
        }
        for (role, _) in config.agents.iter().filter(|(_, said)| is_its(&said.origin)) {
            wishes.push(format!("add the role {role} to those of sub-agents"));
        }
        if config.model != self.config.model {
            wishes.push(format!("have the agent talk to the model {}", config.model()));
        }
        if config.compaction != self.config.compaction {
            wishes.push("say when a conversation is compacted".to_owned());
        }
        if let Some(ms) = config.tools.bash_timeout_ms.filter(|ms| Some(*ms) != self.config.tools.bash_timeout_ms) {
            wishes.push(format!("let a command line of the agent's take {ms} ms"));
        }
    }

    /// Writes a line of the audit log: what a person decided about plugins.
    pub(super) fn record(&self, record: AuditRecord) -> Result<(), StoreError> {
        let log = audit_log(&self.surroundings.places.home);
        log.record(record);
        // What was decided counts, also where it can't be put on record: but not unsaid
        log.flush().map_err(|error| {
            let hint = Some("what you decided counts; check the free space and Mimir's folder".to_owned());
            StoreError::failed(format!("it could not be put on record: {}", mimir_commands::with_causes(&error)), hint)
        })
    }
}

fn is_same(one: &PluginIdentity, other: &PluginIdentity) -> bool {
    one.source == other.source && one.package == other.package
}
