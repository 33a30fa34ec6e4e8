use std::path::PathBuf;
use std::sync::Arc;

use mimir_chat::Models;
use mimir_shared_config::Config;
use mimir_shared_providers::ProviderRouter;

use crate::error::in_one_line;
use crate::keys::Keys;
use crate::model;

/// The models that the configuration names, each asked about as at the start: a key may have come since.
pub(crate) struct ConfiguredModels {
    pub(crate) router: Arc<ProviderRouter>,
    pub(crate) config: Config,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) home: PathBuf,
}

impl Models for ConfiguredModels {
    fn check(&self, model: &str) -> Result<(), String> {
        let variable =
            |name: &str| self.environment.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        let keys = Keys::new(&self.home, &variable);
        model::check(&self.router, &self.config, &keys, model).map_err(|error| {
            let hint = error.hint().map(|hint| format!("; {hint}")).unwrap_or_default();
            format!("{}{hint}", in_one_line(&error))
        })
    }
}
