//! The layers of the outer wall, and what came of each.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One layer of the outer wall: something that the kernel enforces on a sandbox process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Layer {
    /// No file, no TCP, no signals to others.
    Landlock,
    /// A short list of system calls.
    Seccomp,
    /// No program gives it more rights.
    NoNewPrivileges,
    /// Bounds on descriptors, threads and data.
    ResourceLimits,
    /// No core dump, and no process of the same user that reads its memory.
    NoCoreDumps,
    /// The kernel ends it with the agent.
    ParentDeath,
    /// A session and process group of its own, and an empty environment.
    OwnSession,
}

impl Layer {
    /// All of them, the most important first.
    pub const ALL: &[Self] = &[
        Self::Landlock,
        Self::Seccomp,
        Self::NoNewPrivileges,
        Self::ResourceLimits,
        Self::NoCoreDumps,
        Self::ParentDeath,
        Self::OwnSession,
    ];

    /// As a policy and `mimir plugin doctor` name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Landlock => "landlock",
            Self::Seccomp => "seccomp",
            Self::NoNewPrivileges => "no-new-privileges",
            Self::ResourceLimits => "resource-limits",
            Self::NoCoreDumps => "no-core-dumps",
            Self::ParentDeath => "parent-death",
            Self::OwnSession => "own-session",
        }
    }

    /// The layer of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|layer| layer.name() == name)
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What came of a layer in a sandbox process, as that process said before any plugin was in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerReport {
    /// Which one.
    pub layer: Layer,
    /// Whether it holds.
    pub is_enforced: bool,
    /// What it does there, or why it does not hold.
    pub detail: String,
}
