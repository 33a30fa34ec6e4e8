use std::sync::Arc;

use mimir_api::{Gate, PluginProfile};
use mimir_sandbox::CapabilityControl;
use mimir_shared_config::{Access, Denial, Llm};

/// The context's [`Gate`] over the sandbox's [`CapabilityControl`].
pub(crate) struct ControlGate(pub(crate) Arc<CapabilityControl>);

impl Gate for ControlGate {
    fn check(&self, plugin: &PluginProfile, access: &Access) -> Result<(), Denial> {
        self.0.check(&plugin.id, access).map_err(|denial| denial.for_plugin(&plugin.id))
    }

    fn llm(&self, plugin: &PluginProfile) -> Llm {
        self.0.llm(&plugin.id)
    }
}
