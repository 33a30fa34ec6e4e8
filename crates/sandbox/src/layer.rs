//! What came of the layers of the outer wall.

use mimir_shared_config::SandboxLayer;
use serde::{Deserialize, Serialize};

/// What came of a layer in a sandbox process, as that process said before any plugin was in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerReport {
    /// Which one.
    pub layer: SandboxLayer,
    /// Whether it holds.
    pub is_enforced: bool,
    /// What it does there, or why it does not hold.
    pub detail: String,
}

impl LayerReport {
    /// That nothing holds, for this reason.
    pub fn none(detail: &str) -> Vec<Self> {
        let of = |layer| Self { layer, is_enforced: false, detail: detail.to_owned() };
        SandboxLayer::ALL.into_iter().map(of).collect()
    }
}
