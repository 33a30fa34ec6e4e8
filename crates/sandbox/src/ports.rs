//! What the sandbox needs from its embedder.

use std::sync::Arc;

use async_trait::async_trait;
use mimir_shared_config::PluginId;

use crate::image::{CallFailure, CallOrigin};
use crate::layer::LayerReport;

/// One host call that a plugin made.
#[derive(Debug, Clone)]
pub struct HostCall {
    /// Who made it, as the sandbox knows it (never as a frame says it).
    pub plugin: PluginId,
    /// The call on whose behalf it was made; none for what a plugin does by itself, from a timer of its start for example.
    pub origin: Option<CallOrigin>,
    /// Which operation, `fs.readFile` for example.
    pub op: String,
    /// Its arguments, as JSON text.
    pub args: String,
}

/// Why a host call was refused or failed, as the plugin will see it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct HostCallError {
    /// A stable code: `CAPABILITY_DENIED`, `NOT_FOUND`, ….
    pub code: String,
    /// What went wrong.
    pub message: String,
    /// The capability that is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capability: Option<String>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// A line that a plugin logged.
#[derive(Debug, Clone)]
pub struct LogLine {
    /// Who logged it.
    pub plugin: PluginId,
    /// The call during which it was logged.
    pub origin: Option<CallOrigin>,
    /// `debug`, `info`, `warn` or `error`.
    pub level: &'static str,
    /// The text, without a line end.
    pub message: String,
}

/// The host's side of what plugins call. It runs in the agent's process.
#[async_trait]
pub trait HostCalls: Send + Sync + 'static {
    /// Answers one host call with JSON text.
    async fn call(&self, call: HostCall) -> Result<String, HostCallError>;

    /// Takes a log line. Called in the order in which they were logged; must not block.
    fn log(&self, line: LogLine);

    /// Takes note of a failure that no call waited for: in a timer, or after the answer.
    fn failed(&self, plugin: &PluginId, failure: &CallFailure);

    /// Takes note that a plugin's isolate is gone, and with it whoever could use what the plugin has open. It may come back
    /// in another one, which makes no call before this returns.
    fn gone(&self, plugin: &PluginId) {
        let _ = plugin;
    }

    /// Takes note that a sandbox process ended against the agent's will, with these plugins in it. Whoever of them is
    /// needed again gets another process.
    fn process_ended(&self, plugins: &[PluginId], reason: &str);

    /// Takes note of the layers of the outer wall that this kernel does not enforce. Called once a sandbox, if there are any.
    fn unsealed(&self, missing: &[LayerReport]);
}

/// Where V8's code caches are kept: a place that no plugin can write.
pub trait CodeCache: Send + Sync + 'static {
    /// The cache stored under `key`.
    fn get(&self, key: &str) -> Option<Arc<[u8]>>;

    /// Stores a cache under `key`; a failure to do so is nobody's problem.
    fn put(&self, key: &str, cache: &[u8]);
}
