use std::collections::BTreeSet;

use mimir_shared_config::{EventName, EventSelector, PluginManifest};
use serde::{Deserialize, Serialize};

use crate::{ApiError, BuiltTool, DeclaredTool, ToolBuilder};

/// What a plugin returned from its function, checked.
#[derive(Debug, Clone, Default)]
pub struct Registrations {
    /// The tools it adds.
    pub tools: Vec<BuiltTool>,
    /// The slash commands it adds.
    pub commands: Vec<DeclaredCommand>,
    /// The events that it has handlers for and that its manifest lists; only these are delivered. An alias stands for
    /// its event.
    pub events: BTreeSet<EventName>,
    /// The providers that it can authenticate with.
    pub auth_providers: Vec<String>,
    /// What is odd about them but keeps nothing from working, for the user.
    pub warnings: Vec<String>,
}

/// A slash command as a plugin declared it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeclaredCommand {
    /// Its name, without the slash.
    pub name: String,
    /// What it does.
    #[serde(default)]
    pub description: String,
}

/// As the sandbox reports it.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Declared {
    events: Vec<String>,
    tools: Vec<DeclaredTool>,
    commands: Vec<DeclaredCommand>,
    auth: Vec<String>,
}

/// More of one kind is a mistake or an attack on the model's context.
const MAX_OF_A_KIND: usize = 128;

impl Registrations {
    /// Reads what the sandbox reports (`{"events", "tools", "commands", "auth"}`, JSON text) and checks it against the
    /// plugin's manifest.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` if a name is wrong or there twice, or a tool can't be built: then the plugin does not load.
    pub fn from_json(declared: &str, manifest: &PluginManifest) -> Result<Self, ApiError> {
        let declared: Declared = serde_json::from_str(declared)
            .map_err(|error| ApiError::invalid(format!("what the plugin returned can't be read: {error}")))?;
        let Declared { events, tools, commands, auth } = declared;
        for (what, count) in [("tools", tools.len()), ("commands", commands.len()), ("providers", auth.len())] {
            if count > MAX_OF_A_KIND {
                return Err(ApiError::limit(format!("{count} {what} are too many, {MAX_OF_A_KIND} are allowed")));
            }
        }
        let mut found = Self::default();
        found.read_events(&events, &manifest.events);

        check_unique("tool", tools.iter().map(|tool| &tool.name))?;
        let builder = ToolBuilder::new();
        found.tools = tools.iter().map(|tool| builder.build(tool)).collect::<Result<_, _>>()?;

        check_unique("command", commands.iter().map(|command| &command.name))?;
        for command in &commands {
            if !is_command_name(&command.name) {
                return Err(ApiError::invalid(format!(
                    "`{}` is no name for a command: use lower-case letters, digits and `-`, a letter first",
                    shown(&command.name)
                )));
            }
            if command.description.trim().is_empty() {
                found.warnings.push(format!("the command `{}` has no description", command.name));
            }
        }
        found.commands = commands;

        check_unique("auth provider", auth.iter())?;
        if let Some(name) = auth.iter().find(|name| !is_command_name(name)) {
            return Err(ApiError::invalid(format!(
                "`{}` is no name for an auth provider: use lower-case letters, digits and `-`, a letter first",
                shown(name)
            )));
        }
        found.auth_providers = auth;
        Ok(found)
    }

    fn read_events(&mut self, handlers: &[String], listed: &[EventSelector]) {
        for handler in handlers {
            match handler.parse::<EventSelector>() {
                Ok(selector) if listed.iter().any(|event| event.name == selector.name) => {
                    self.events.insert(selector.name);
                }
                Ok(selector) => self.warnings.push(format!(
                    "there is a handler for `{selector}`, but plugin.yml does not list it under `events`, so it is never called"
                )),
                Err(_) => self
                    .warnings
                    .push(format!("there is a handler for `{}`, which is no event, so it is never called", shown(handler))),
            }
        }
    }
}

fn check_unique<'a>(what: &str, names: impl Iterator<Item = &'a String>) -> Result<(), ApiError> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(ApiError::invalid(format!("there are two of the {what} `{}`", shown(name))));
        }
    }
    Ok(())
}

fn is_command_name(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn shown(name: &str) -> String {
    name.chars().take(80).collect::<String>().escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails here should stop")]

    use serde_json::{Value, json};

    use super::*;

    fn read(declared: &Value) -> Result<Registrations, ApiError> {
        let manifest = json!({
            "name": "p", "version": "1.0.0",
            "events": ["tool.execute.before", "session.completed"],
        });
        Registrations::from_json(&declared.to_string(), &serde_json::from_value(manifest).unwrap())
    }

    #[test]
    fn takes_what_a_plugin_returned() {
        let found = read(&json!({
            "events": ["tool.execute.before", "session.completed", "file.modified", "tool.execute"],
            "tools": [{"name": "t", "description": "x", "schema": {"type": "object"}}],
            "commands": [{"name": "review", "description": "x"}, {"name": "bare"}],
            "auth": ["custom-sso"],
        }))
        .unwrap();
        assert_eq!(found.events, BTreeSet::from([EventName::ToolExecuteBefore, EventName::SessionIdle]));
        assert_eq!((found.tools.len(), found.commands.len(), found.auth_providers.len()), (1, 2, 1));
        assert_eq!(
            found.warnings,
            [
                "there is a handler for `file.modified`, but plugin.yml does not list it under `events`, so it is never called",
                "there is a handler for `tool.execute`, which is no event, so it is never called",
                "the command `bare` has no description",
            ]
        );
        assert!(read(&json!({})).unwrap().warnings.is_empty());
    }

    #[test]
    fn refuses_wrong_names() {
        let check = |declared: Value, message: &str| {
            let error = read(&declared).unwrap_err();
            assert!(error.message.contains(message), "{}", error.message);
        };
        check(json!(1), "can't be read");
        check(json!({"commands": [{"name": "Review"}]}), "`Review` is no name for a command");
        check(json!({"commands": [{"name": "../x"}]}), "is no name for a command");
        check(json!({"commands": [{"name": "a"}, {"name": "a"}]}), "two of the command `a`");
        check(json!({"tools": [{"name": "a b", "description": "x"}]}), "is no name for a tool");
        check(json!({"auth": ["a", "a"]}), "two of the auth provider `a`");
        check(json!({"auth": ["A"]}), "is no name for an auth provider");
        check(json!({"commands": vec![json!({"name": "a"}); 129]}), "129 commands are too many");
    }
}
