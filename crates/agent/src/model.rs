//! The language models that the configuration names.

use std::path::Path;
use std::sync::Arc;

use mimir_shared_config::{Config, KeySource, ProviderKind as Kind, nearest, yaml_file};
use mimir_shared_providers::{
    Credentials, HttpProvider, LlmProvider, PriceTable, ProviderKind, ProviderRouter, ProviderSettings, Scenario,
    ScenarioModel, Secret, Transport,
};

use crate::AgentError;
use crate::adapters::transport::RealPause;
use crate::keys::Keys;

/// All providers: those of the configuration, the two that are built in, and the scripted one.
pub(crate) fn router(
    config: &Config,
    keys: &Keys<'_>,
    scenario: Option<Scenario>,
    transport: &Arc<dyn Transport>,
    credentials: &Arc<dyn Credentials>,
) -> Result<ProviderRouter, AgentError> {
    let scenario = scenario.unwrap_or_else(Scenario::introduction);
    let mut providers: Vec<Arc<dyn LlmProvider>> = vec![Arc::new(ScenarioModel::new(scenario, Arc::new(RealPause)))];
    for name in config.provider_names() {
        let Some(said) = config.provider(name) else { continue };
        let key = said.key.as_ref().map(|source| keys.find(source)).transpose()?.flatten();
        let mut settings = match (said.kind, &said.base_url) {
            (Kind::Anthropic, None) => ProviderSettings::anthropic(key),
            (Kind::Openai, None) => ProviderSettings::openai(key),
            (kind, Some(url)) => {
                let kind = if kind == Kind::Anthropic { ProviderKind::Anthropic } else { ProviderKind::OpenAi };
                ProviderSettings { api_key: key, ..ProviderSettings::new(name, kind, url) }
            }
        };
        name.clone_into(&mut settings.name);
        settings.headers = said.headers.iter().map(|(name, value)| (name.clone(), Secret::new(value))).collect();
        let provider = HttpProvider::new(settings, Arc::clone(transport), Arc::clone(credentials))?;
        providers.push(Arc::new(provider));
    }
    Ok(ProviderRouter::new(providers))
}

/// Whether the model can be asked at all, so that nobody finds out after the first words.
pub(crate) fn check(router: &ProviderRouter, config: &Config, keys: &Keys<'_>, model: &str) -> Result<(), AgentError> {
    let (asked, _) = router.find(model).map_err(|source| AgentError::Model {
        model: model.to_owned(),
        meant: near(router, model),
        source,
    })?;
    let Some(provider) = config.provider(asked.name()) else { return Ok(()) };
    // Whoever signs in is asked when the model is
    let (None, Some(source)) = (&provider.auth, &provider.key) else { return Ok(()) };
    if keys.find(source)?.is_some() {
        return Ok(());
    }
    let hint = match source {
        KeySource::Variable(name) => format!("set {name}, or write `{name}: …` into ~/.mimir/secrets.yml"),
        KeySource::Secret(name) => format!("write `{name}: …` into ~/.mimir/secrets.yml"),
    };
    Err(AgentError::NoKey { model: model.to_owned(), hint })
}

/// The model that was probably meant: one of the same name of a provider that there is, or one whose price is known.
fn near(router: &ProviderRouter, model: &str) -> Option<String> {
    let (name, rest) = model.split_once('/').unwrap_or(("", model));
    let provider = nearest(name, router.names()).filter(|_| !name.is_empty() && !rest.is_empty());
    let known = || nearest(rest, PriceTable::builtin().models().map(|(known, _)| known));
    match provider {
        Some(provider) => Some(format!("{provider}/{rest}")),
        // A name that says itself whose it is needs no provider in front
        None => known().map(str::to_owned),
    }
}

/// Reads what the scripted model is to play.
pub(crate) fn scenario(path: &Path) -> Result<Scenario, AgentError> {
    let failed =
        |source: Box<dyn std::error::Error + Send + Sync>| AgentError::Scenario { path: path.to_owned(), source };
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.into()))?;
    let value = yaml_file(&path.display().to_string(), &text, Scenario::schema())?;
    Scenario::from_value(value).map_err(|error| failed(error.into()))
}
