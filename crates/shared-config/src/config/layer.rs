use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Who says something, from the weakest to the strongest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layer {
    /// What Mimir does without any configuration.
    Defaults,
    /// The user, in `~/.mimir/config.yml`.
    User,
    /// The repository, in `.mimir/config.yml`.
    Project,
    /// The user, by `MIMIR_*` variables.
    Environment,
    /// The user, on the command line.
    Flags,
    /// The company.
    Policy,
}

impl Layer {
    /// How far a layer is trusted, which is not how strong it is: a repository overrides the user's settings, but what
    /// the user disabled stays disabled.
    pub(crate) const fn trust(self) -> u8 {
        match self {
            Self::Project => 0,
            Self::Defaults | Self::User | Self::Environment | Self::Flags => 1,
            Self::Policy => 2,
        }
    }
}

/// Where an entry comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Origin {
    /// Who says it.
    pub layer: Layer,
    /// The file, or the name of the variable or flag.
    pub place: String,
    /// The line in the file, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}", self.place),
            None => f.write_str(&self.place),
        }
    }
}

/// A configuration file that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigText {
    /// Where it lies. Relative paths in it are relative to its folder; messages show it as it is here.
    pub path: PathBuf,
    /// What it says.
    pub text: String,
}

impl ConfigText {
    /// A file and its text.
    pub fn new(path: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        Self { path: path.into(), text: text.into() }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }
}

/// All that is said, by layer. Made by whoever reads files and the environment; this crate does neither.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ConfigSources {
    /// `~/.mimir/config.yml`.
    pub user: Option<ConfigText>,
    /// `.mimir/config.yml` of the repository.
    pub project: Option<ConfigText>,
    /// Whether the user said that the repository is trusted. Until then its configuration can only narrow.
    pub project_trusted: bool,
    /// The process's environment; what is not `MIMIR_*` is passed over.
    pub environment: Vec<(String, String)>,
    /// What the command line sets: the dotted key and its value, `("plugins.isolation", "in-process")`. Lists add up.
    pub flags: Vec<(String, Value)>,
    /// The company's policy.
    pub policy: Option<ConfigText>,
    /// What relative paths in the environment and on the command line are relative to.
    pub current_dir: PathBuf,
}
