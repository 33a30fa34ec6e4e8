use std::sync::Arc;

use mimir_shared_config::{PluginId, PluginIdentity};

/// Who makes a call. Known to the host; never taken from what an isolate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginProfile {
    /// The name among the plugins that are loaded.
    pub id: PluginId,
    /// Which plugin exactly.
    pub identity: PluginIdentity,
}

/// What led to a call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// The plugins whose calls raised the event at hand, the first cause first, without the one that calls now.
    pub chain: Arc<[PluginId]>,
    /// The session of the event at hand; nothing for what a plugin does by itself, for instance at its start.
    pub session_id: Option<Arc<str>>,
    /// The auth provider that is being asked for a token, if that is what the plugin is called for.
    pub auth: Option<Arc<str>>,
}

/// One call of `ctx.*`.
#[derive(Debug, Clone)]
pub struct HostRequest<'a> {
    /// Who calls.
    pub plugin: Arc<PluginProfile>,
    /// What led to it.
    pub origin: Origin,
    /// Which operation, for instance `fs.readFile`.
    pub op: &'a str,
    /// Its arguments: a JSON object as text.
    pub args: &'a str,
}
