//! The layers of the wall around a sandbox process: which are required here, and which hold.

use async_trait::async_trait;
use mimir_sandbox::{
    CallFailure, HostCall, HostCallError, HostCalls, Layer, LayerReport, LogLine, Placement, PluginSandbox,
    SandboxOptions,
};
use mimir_shared_config::{Config, Origin, PluginId, SandboxLayer};

use crate::PluginsError;

/// What came of one layer.
pub(crate) struct LayerState {
    pub(crate) layer: SandboxLayer,
    pub(crate) is_enforced: bool,
    /// What it does here, or why it does not hold.
    pub(crate) detail: String,
}

/// The layers that the kernel has to enforce, for the sandbox, which ends a process that is not sealed so.
pub(crate) fn required_of_the_kernel(config: &Config) -> Vec<Layer> {
    let named = config.required_layers.iter().filter_map(|(layer, _)| Layer::from_name(layer.name()));
    let mut required: Vec<_> = named.collect();
    required.sort_unstable();
    required.dedup();
    required
}

/// Who requires a layer.
pub(crate) fn required_by(config: &Config, layer: SandboxLayer) -> Option<&Origin> {
    config.required_layers.iter().find(|(required, _)| *required == layer).map(|(_, origin)| origin)
}

/// Starts a sandbox process and says what holds of each layer.
pub(crate) async fn layers(placement: Placement) -> Vec<LayerState> {
    let is_apart = placement != Placement::InProcess;
    // Without requirements: a process that is not sealed has to live long enough to say so
    let options = SandboxOptions { placement, ..SandboxOptions::default() };
    let sandbox = PluginSandbox::new(options, std::sync::Arc::new(Nobody), None);
    let reports = match sandbox.layers().await {
        Ok(reports) => reports,
        Err(error) => {
            let detail = format!("no sandbox process can be started: {}", mimir_commands::with_causes(&error));
            let of = |layer: &Layer| LayerReport { layer: *layer, is_enforced: false, detail: detail.clone() };
            Layer::ALL.iter().map(of).collect()
        }
    };
    sandbox.shutdown();
    let detail = if is_apart { "plugins run in processes of their own" } else { "plugins run in Mimir's own process" };
    let process = LayerState { layer: SandboxLayer::Process, is_enforced: is_apart, detail: detail.to_owned() };
    let kernels = reports.into_iter().filter_map(|LayerReport { layer, is_enforced, detail }| {
        let layer = SandboxLayer::ALL.into_iter().find(|known| known.name() == layer.name())?;
        Some(LayerState { layer, is_enforced, detail })
    });
    std::iter::once(process).chain(kernels).collect()
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
