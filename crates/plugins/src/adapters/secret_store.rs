use std::path::PathBuf;

use mimir_api::{ApiError, ErrorCode, SecretStore, SecretValue};
use mimir_shared_config::parse_secrets;
use mimir_shared_platform::read_private_file;

/// The user's secrets: variables of Mimir's own environment, then `~/.mimir/secrets.yml`. Read at each use, so that a new
/// value counts at once and none stays in memory.
pub(crate) struct UserSecrets {
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) file: PathBuf,
}

impl SecretStore for UserSecrets {
    fn value(&self, name: &str) -> Result<Option<SecretValue>, ApiError> {
        let of_environment = self.environment.iter().find(|(key, value)| key == name && !value.is_empty());
        if let Some((_, value)) = of_environment {
            return Ok(Some(SecretValue::new(value)));
        }
        let Some(text) = read_private_file(&self.file)? else { return Ok(None) };
        let secrets = parse_secrets(&text)
            .map_err(|error| ApiError::new(ErrorCode::Io, format!("{}: {error}", self.file.display())))?;
        Ok(secrets.get(name).map(|value| SecretValue::new(value)))
    }
}
