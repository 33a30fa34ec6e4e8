use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A plugin's name, as npm would accept it: `my-plugin` or `@scope/my-plugin`.
///
/// It names a plugin among those that are loaded; what a grant is bound to is its source, package name and content hash.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PluginId(Arc<str>);

/// A name that npm would not accept for a package.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is no plugin name: use lower-case letters, digits, `-`, `_` and `.`, optionally behind `@scope/`")]
pub struct InvalidPluginId(pub String);

/// npm's limit on the length of a package name, in characters.
const MAX_CHARS: usize = 214;

impl PluginId {
    /// Checks `name` against npm's rules for package names.
    pub fn new(name: impl AsRef<str>) -> Result<Self, InvalidPluginId> {
        let name = name.as_ref();
        let is_valid = match name.strip_prefix('@') {
            Some(scoped) => scoped.split_once('/').is_some_and(|(scope, name)| is_part(scope) && is_part(name)),
            None => is_part(name),
        };
        if is_valid && name.len() <= MAX_CHARS { Ok(Self(name.into())) } else { Err(InvalidPluginId(name.to_owned())) }
    }

    /// The name itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_part(part: &str) -> bool {
    !part.is_empty()
        && !part.starts_with(['.', '_'])
        && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.'))
}

impl fmt::Display for PluginId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for PluginId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Borrow<str> for PluginId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for PluginId {
    type Error = InvalidPluginId;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        Self::new(name)
    }
}

impl From<PluginId> for String {
    fn from(id: PluginId) -> Self {
        id.0.as_ref().to_owned()
    }
}

impl JsonSchema for PluginId {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "PluginId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Plugin name: lower-case letters, digits, `-`, `_` and `.`, optionally behind `@scope/`.",
            "type": "string",
            "maxLength": MAX_CHARS,
            "pattern": "^(@[a-z0-9-][a-z0-9._-]*/)?[a-z0-9-][a-z0-9._-]*$",
        })
    }
}
