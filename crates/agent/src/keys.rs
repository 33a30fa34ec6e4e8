//! The user's keys for providers of models.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mimir_shared_config::{KeySource, parse_secrets};
use mimir_shared_platform::read_private_file;
use mimir_shared_providers::Secret;

use crate::AgentError;

/// Where keys are: variables of Mimir's own environment, and `~/.mimir/secrets.yml`.
pub(crate) struct Keys<'a> {
    variable: &'a dyn Fn(&str) -> Option<String>,
    file: PathBuf,
}

impl<'a> Keys<'a> {
    pub(crate) fn new(home: &Path, variable: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { variable, file: home.join("secrets.yml") }
    }

    /// A key, if there is one.
    pub(crate) fn find(&self, source: &KeySource) -> Result<Option<Secret>, AgentError> {
        let name = match source {
            KeySource::Variable(name) => {
                if let Some(key) = (self.variable)(name).filter(|key| !key.trim().is_empty()) {
                    return Ok(Some(Secret::new(key)));
                }
                name
            }
            KeySource::Secret(name) => name,
        };
        Ok(self.secrets()?.get(name).map(Secret::new))
    }

    /// A secret by its name, for the environment of a server.
    pub(crate) fn secret(&self, name: &str) -> Result<Option<String>, AgentError> {
        if let Some(value) = (self.variable)(name).filter(|value| !value.is_empty()) {
            return Ok(Some(value));
        }
        Ok(self.secrets()?.remove(name))
    }

    fn secrets(&self) -> Result<BTreeMap<String, String>, AgentError> {
        let failed = |reason: String| AgentError::Secrets { path: self.file.clone(), reason };
        let Some(text) = read_private_file(&self.file).map_err(|error| failed(error.to_string()))? else {
            return Ok(BTreeMap::new());
        };
        parse_secrets(&text).map_err(|error| failed(error.to_string()))
    }
}
