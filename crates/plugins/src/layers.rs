//! The layers of the wall around a sandbox process: which are required here, and which hold.

use async_trait::async_trait;
use mimir_sandbox::{
    CallFailure, HostCall, HostCallError, HostCalls, LayerReport, LogLine, Placement, PluginSandbox, SandboxOptions,
};
use mimir_shared_config::{Config, Origin, PluginId, SandboxLayer};

use crate::PluginsError;

/// The layers that have to hold, for the sandbox, which ends a process that is not sealed so.
pub(crate) fn required(config: &Config) -> Vec<SandboxLayer> {
    let mut required: Vec<_> = config.required_layers.iter().map(|(layer, _)| *layer).collect();
    required.sort_unstable();
    required.dedup();
    required
}

/// Who requires a layer.
pub(crate) fn required_by(config: &Config, layer: SandboxLayer) -> Option<&Origin> {
    config.required_layers.iter().find(|(required, _)| *required == layer).map(|(_, origin)| origin)
}

/// Starts a sandbox process and says what holds of each layer.
pub(crate) async fn layers(placement: Placement) -> Vec<LayerReport> {
    // Without requirements: a process that is not sealed has to live long enough to say so
    let options = SandboxOptions { placement, ..SandboxOptions::default() };
    let sandbox = PluginSandbox::new(options, std::sync::Arc::new(Nobody), None);
    let reports = sandbox.layers().await.unwrap_or_else(|error| {
        LayerReport::none(&format!("no sandbox process can be started: {}", mimir_commands::with_causes(&error)))
    });
    sandbox.shutdown();
    reports
}

/// Refuses to start where somebody requires a layer that does not hold. Costs nothing where nobody does.
pub(crate) async fn check_required(config: &Config, placement: &Placement) -> Result<(), PluginsError> {
    if config.required_layers.is_empty() {
        return Ok(());
    }
    let layers = layers(placement.clone()).await;
    let mut missing = Vec::new();
    for (layer, origin) in &config.required_layers {
        let state = layers.iter().find(|state| state.layer == *layer);
        if state.is_none_or(|state| !state.is_enforced) {
            let why = state.map_or_else(|| "nothing is known of it".to_owned(), |state| state.detail.clone());
            missing.push((layer.name(), origin.to_string(), why));
        }
    }
    if missing.is_empty() { Ok(()) } else { Err(PluginsError::LayersMissing { missing }) }
}

/// Answers nothing: there is no plugin.
struct Nobody;

#[async_trait]
impl HostCalls for Nobody {
    async fn call(&self, call: HostCall) -> Result<String, HostCallError> {
        let message = format!("`{}` is not loaded", call.plugin);
        Err(HostCallError { code: "UNSUPPORTED".to_owned(), message, capability: None, hint: None })
    }

    fn log(&self, _: LogLine) {}

    fn failed(&self, _: &PluginId, _: &CallFailure) {}

    fn process_ended(&self, _: &[PluginId], _: &str) {}

    fn unsealed(&self, _: &[LayerReport]) {}
}
