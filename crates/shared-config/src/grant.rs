use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{Capabilities, LimitSettings, PluginManifest};

/// Where a plugin comes from. Part of its identity: a folder never stands in for a package of the same name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PluginSource {
    /// It came with Mimir.
    Builtin,
    /// A folder, by its absolute path with all symlinks resolved.
    Folder(String),
    /// A package that a registry served, by the registry's URL.
    Registry(String),
}

impl fmt::Display for PluginSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Builtin => f.write_str("built in"),
            Self::Folder(path) => write!(f, "folder {path}"),
            Self::Registry(url) => write!(f, "registry {url}"),
        }
    }
}

/// The SHA-256 of what a plugin consists of, as 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContentHash(String);

/// A text that is no SHA-256.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is no SHA-256: 64 lower-case hexadecimal digits are expected")]
pub struct InvalidContentHash(pub String);

impl ContentHash {
    /// Checks that `hex` is 64 lower-case hexadecimal digits.
    pub fn new(hex: impl Into<String>) -> Result<Self, InvalidContentHash> {
        let hex = hex.into();
        let is_hash = hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if is_hash { Ok(Self(hex)) } else { Err(InvalidContentHash(hex)) }
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl TryFrom<String> for ContentHash {
    type Error = InvalidContentHash;

    fn try_from(hex: String) -> Result<Self, Self::Error> {
        Self::new(hex)
    }
}

impl From<ContentHash> for String {
    fn from(hash: ContentHash) -> Self {
        hash.0
    }
}

/// Which plugin exactly. Two plugins are the same only if all three agree.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PluginIdentity {
    /// Where it comes from.
    pub source: PluginSource,
    /// The package's name: `package.json`'s where there is one, else the manifest's.
    pub package: String,
    /// What it consists of.
    pub hash: ContentHash,
}

/// For how long a grant holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GrantMode {
    /// Until it is taken back. It is for one content: a plugin that changes needs another grant, even if it asks for no
    /// more than before.
    Lasting,
    /// For this run alone; it is never stored.
    Run,
}

/// What a user allowed one plugin to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Grant {
    /// Which plugin.
    pub identity: PluginIdentity,
    /// What it may do.
    pub capabilities: Capabilities,
    /// The limits beyond the defaults that were granted with it.
    #[serde(default, skip_serializing_if = "LimitSettings::is_empty")]
    pub limits: LimitSettings,
    /// When it was granted, in milliseconds since 1970.
    pub granted_at: u64,
    /// For how long it holds.
    pub mode: GrantMode,
}

impl Grant {
    /// A grant of all that the manifest asks for.
    pub fn of_everything(
        identity: PluginIdentity,
        manifest: &PluginManifest,
        granted_at: u64,
        mode: GrantMode,
    ) -> Self {
        Self {
            identity,
            capabilities: manifest.capabilities.clone(),
            limits: manifest.limits.clone(),
            granted_at,
            mode,
        }
    }

    /// Whether this grant is for exactly that plugin.
    pub fn is_for(&self, identity: &PluginIdentity) -> bool {
        self.identity == *identity
    }
}
