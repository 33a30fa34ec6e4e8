//! What a plugin sees of its surroundings without a host call.

use std::path::Path;

use mimir_loader::LoadedPlugin;
use mimir_shared_config::{Access, Capabilities};
use mimir_shared_platform::Guard;
use serde_json::{Map, Value, json};

use crate::builder::Prepared;

/// The JSON text behind `ctx.plugin`, `ctx.project`, `ctx.config` and `process.env`.
pub(crate) fn context_of(
    prepared: &Prepared,
    worktree: &Path,
    plugin: &LoadedPlugin,
    effective: &Capabilities,
) -> String {
    let Prepared { surroundings, config, .. } = prepared;
    let root = &surroundings.places.project;
    let may_read = |name: &str| effective.permits(&Access::Env { name: name.to_owned() }, root).is_ok();
    let environment = surroundings.environment.iter().filter(|(name, _)| may_read(name) || !Guard::EnvGranted.stands());
    let environment: Map<_, _> = environment.map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect();
    // The plugin's own settings stay whole: a token among them is there for it
    let mut visible = mimir_api::public_config(&json!({
        "budget": { "enabled": config.budget.enabled, "maxCost": config.budget.max_cost },
    }));
    visible["options"] = config.options_of(&plugin.id);
    json!({
        "plugin": { "name": plugin.id, "version": plugin.manifest.version },
        "project": { "root": root, "worktree": worktree },
        "config": visible,
        "env": environment,
    })
    .to_string()
}
