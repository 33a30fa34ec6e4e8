use std::collections::HashMap;

use async_trait::async_trait;
use mimir_plugins::{AuthRequest, CallError, Plugins, ProviderToken};
use mimir_shared_config::Config;
use mimir_shared_providers::{Credentials, CredentialsError, Secret, Token};
use serde_json::{Map, Value};

use super::late::Late;

/// Tokens for providers of models, from the auth providers of plugins that the configuration names.
pub(crate) struct PluginCredentials {
    /// By provider: the auth provider, and what its plugin is told.
    auth: HashMap<String, (String, AuthRequest)>,
    pub(crate) plugins: Late<Plugins>,
}

impl PluginCredentials {
    pub(crate) fn new(config: &Config) -> Self {
        let named = config.provider_names().into_iter().filter_map(|name| {
            let said = config.provider(name)?;
            let mut about = Map::from_iter([("provider".to_owned(), Value::from(name))]);
            about.extend(said.base_url.map(|url| ("baseUrl".to_owned(), Value::from(url))));
            let request = AuthRequest { session_id: String::new(), config: about };
            Some((name.to_owned(), (said.auth?, request)))
        });
        Self { auth: named.collect(), plugins: Late::default() }
    }

    fn find(&self, provider: &str) -> Result<Option<(&Plugins, &str, &AuthRequest)>, CredentialsError> {
        let Some((auth, request)) = self.auth.get(provider) else { return Ok(None) };
        let plugins = self.plugins.get().ok_or_else(|| CredentialsError("the plugins do not run yet".to_owned()))?;
        Ok(Some((plugins, auth, request)))
    }
}

#[async_trait]
impl Credentials for PluginCredentials {
    async fn token(&self, provider: &str) -> Result<Option<Token>, CredentialsError> {
        let Some((plugins, auth, request)) = self.find(provider)? else { return Ok(None) };
        sent(plugins.token(auth, request).await)
    }

    async fn renewed(&self, provider: &str, refused: &Secret) -> Result<Option<Token>, CredentialsError> {
        let Some((plugins, auth, request)) = self.find(provider)? else { return Ok(None) };
        sent(plugins.renewed_token(auth, request, refused).await)
    }
}

fn sent(token: Result<ProviderToken, CallError>) -> Result<Option<Token>, CredentialsError> {
    token
        .map(|ProviderToken { token, headers, .. }| Some(Token { secret: token, headers }))
        .map_err(|error| CredentialsError(error.to_string()))
}
