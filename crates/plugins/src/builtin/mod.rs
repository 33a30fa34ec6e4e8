//! Plugins that are part of Mimir: Rust code that subscribes like any other, for what no plugin in a sandbox could do.

pub(crate) mod precompact_hooks;

use mimir_shared_config::PluginId;

/// The names that no other plugin can have.
const NAMES: [&str; 1] = [precompact_hooks::NAME];

/// Why a plugin of such a name does not run.
pub(crate) const TAKEN: &str = "its name is that of a part of Mimir";

/// Whether the name is taken.
pub(crate) fn is_taken(plugin: &PluginId) -> bool {
    NAMES.contains(&plugin.as_str())
}
