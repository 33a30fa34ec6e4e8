use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Capabilities, EventName, EventSelector, LimitSettings, PluginId};

/// `plugin.yml`: who a plugin is, what it asks for and which events it listens to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PluginManifest {
    /// The plugin's name.
    pub name: PluginId,
    /// Its version, as npm writes versions.
    pub version: String,
    /// Who wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// What it does, in one sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its licence, as an SPDX expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
    /// The module to load, relative to the manifest. Without it `package.json` and the usual names decide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub main: Option<String>,
    /// The versions of Mimir that it works with.
    #[serde(default, skip_serializing_if = "Engines::is_empty")]
    pub engines: Engines,
    /// What it asks for.
    #[serde(default)]
    pub capabilities: Capabilities,
    /// The limits that it asks for. More than the defaults has to be granted.
    #[serde(default, skip_serializing_if = "LimitSettings::is_empty")]
    pub limits: LimitSettings,
    /// The events that it listens to.
    #[serde(default)]
    pub events: Vec<EventSelector>,
    /// What happens to a call when the plugin fails to answer about it.
    #[serde(default)]
    pub failure: Failure,
    /// The plugins that must come after this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<PluginId>,
    /// The plugins that must come before this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<PluginId>,
    /// JSON Schema of the plugin's settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<IndexMap<String, serde_json::Value>>,
}

/// What a plugin needs around it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Engines {
    /// The versions of Mimir, as an npm range: `>=0.1 <2`, `^1.2.0`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mimir: Option<String>,
}

impl Engines {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What happens to the call that a plugin was asked about when the plugin fails.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Failure {
    /// The call goes on.
    #[default]
    Open,
    /// The call is blocked.
    Closed,
}

impl PluginManifest {
    /// Whether an event is to be delivered. `reason` is the payload's `reason`, if it has one.
    pub fn selects(&self, event: EventName, reason: Option<&str>) -> bool {
        self.events.iter().any(|selector| selector.selects(event, reason))
    }

    /// Whether the plugin works with this version of Mimir. Without `engines.mimir` it works with every one, with a
    /// range or a version that npm would not accept with none. A prerelease counts as what it leads to.
    pub fn works_with(&self, mimir_version: &str) -> bool {
        let Some(range) = &self.engines.mimir else { return true };
        let (Ok(range), Ok(version)) =
            (nodejs_semver::Range::parse(range), nodejs_semver::Version::parse(mimir_version))
        else {
            return false;
        };
        version.satisfies_with_prerelease(&range, true)
    }
}
