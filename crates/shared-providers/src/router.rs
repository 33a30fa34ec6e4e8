use std::sync::Arc;

use async_trait::async_trait;

use crate::{ChatRequest, ChatResponse, ChatStream, LlmProvider, ProviderError};

/// Several providers as one: the name in front of a model, `provider/model`, says which is asked, and that one is told the
/// rest. `scripted` alone is a model, too.
pub struct ProviderRouter {
    providers: Vec<Arc<dyn LlmProvider>>,
}

/// Whose models begin how, for those who leave the provider out, as plugins do that were written for one.
const OWNERS: [(&str, &[&str]); 2] = [("anthropic", &["claude-"]), ("openai", &["gpt-", "chatgpt-", "o1", "o3", "o4"])];

impl ProviderRouter {
    /// Of two providers of one name the later one is asked.
    pub fn new(providers: impl IntoIterator<Item = Arc<dyn LlmProvider>>) -> Self {
        Self { providers: providers.into_iter().collect() }
    }

    /// The names that a model's name can begin with, in their order.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.providers.iter().map(|provider| provider.name()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The provider of a model, and what the model is called there.
    ///
    /// # Errors
    /// [`ProviderError::UnknownProvider`], and [`ProviderError::NoModel`] for a provider's name alone.
    pub fn find<'a>(&self, model: &'a str) -> Result<(&Arc<dyn LlmProvider>, &'a str), ProviderError> {
        let named = |name: &str| self.providers.iter().rev().find(|provider| provider.name() == name);
        let (name, bare) = model.split_once('/').unwrap_or((model, ""));
        if let Some(provider) = named(name) {
            // Only the scripted model has no name of its own
            return match bare.is_empty() && name != "scripted" {
                true => Err(ProviderError::NoModel { provider: name.to_owned() }),
                false => Ok((provider, bare)),
            };
        }
        let owner = OWNERS.iter().find(|(_, starts)| starts.iter().any(|start| model.starts_with(start)));
        if let Some(provider) = owner.and_then(|(name, _)| named(name)) {
            return Ok((provider, model));
        }
        let known =
            self.names().into_iter().map(|name| if name == "scripted" { name.into() } else { format!("{name}/…") });
        Err(ProviderError::UnknownProvider {
            model: model.chars().filter(|c| !c.is_control()).take(200).collect(),
            known: known.collect(),
        })
    }

    fn routed(&self, request: &ChatRequest) -> Result<(&Arc<dyn LlmProvider>, ChatRequest), ProviderError> {
        let (provider, model) = self.find(&request.model)?;
        Ok((provider, ChatRequest { model: model.to_owned(), ..request.clone() }))
    }
}

#[async_trait]
impl LlmProvider for ProviderRouter {
    fn name(&self) -> &str {
        "providers"
    }

    async fn complete(&self, request: &ChatRequest) -> Result<ChatResponse, ProviderError> {
        let (provider, request) = self.routed(request)?;
        provider.complete(&request).await
    }

    async fn stream(&self, request: &ChatRequest) -> Result<ChatStream, ProviderError> {
        let (provider, request) = self.routed(request)?;
        provider.stream(&request).await
    }

    async fn count_tokens(&self, request: &ChatRequest) -> Result<u64, ProviderError> {
        let (provider, request) = self.routed(request)?;
        provider.count_tokens(&request).await
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails here should stop")]

    use futures::FutureExt as _;

    use super::*;
    use crate::{Message, Role, ScriptedAnswer, ScriptedProvider, Usage};

    struct Named(&'static str, ScriptedProvider);

    #[async_trait]
    impl LlmProvider for Named {
        fn name(&self) -> &str {
            self.0
        }
        async fn complete(&self, request: &ChatRequest) -> Result<ChatResponse, ProviderError> {
            self.1.complete(request).await
        }
        async fn stream(&self, request: &ChatRequest) -> Result<ChatStream, ProviderError> {
            self.1.stream(request).await
        }
        async fn count_tokens(&self, request: &ChatRequest) -> Result<u64, ProviderError> {
            self.1.count_tokens(request).await
        }
    }

    #[test]
    fn the_name_in_front_says_who_is_asked() {
        let named = |name| {
            let answers = ScriptedProvider::repeating(ScriptedAnswer::new(name, Usage::default()));
            Arc::new(Named(name, answers)) as Arc<dyn LlmProvider>
        };
        let router = ProviderRouter::new(["anthropic", "local", "scripted"].map(named));
        let ask = |model: &str| {
            let request = ChatRequest {
                model: model.to_owned(),
                messages: vec![Message::text(Role::User, "hi")],
                tools: Vec::new(),
                max_output_tokens: 1,
                temperature: None,
            };
            let answer = router.complete(&request).now_or_never().unwrap();
            answer.map(|answer| (answer.message.plain_text(), answer.model)).map_err(|error| error.to_string())
        };
        let check = |model, provider: &str, bare: &str| {
            assert_eq!(ask(model).unwrap(), (provider.to_owned(), bare.to_owned()), "{model}");
        };
        check("anthropic/claude-x", "anthropic", "claude-x");
        check("local/org/model:7b", "local", "org/model:7b");
        check("scripted", "scripted", "");
        check("scripted/explore", "scripted", "explore");
        check("claude-haiku-4-5", "anthropic", "claude-haiku-4-5");
        for model in ["local", "local/"] {
            let expected = "`local` is a provider and no model: write `local/` and the model's name";
            assert_eq!(ask(model).unwrap_err(), expected);
        }
        for model in ["gpt-5", "openai/gpt-5", "", "/x"] {
            let error = ask(model).unwrap_err();
            let expected = format!(
                "no provider is named in front of the model `{model}`; there is anthropic/…, local/…, scripted"
            );
            assert_eq!(error, expected);
        }
    }
}
