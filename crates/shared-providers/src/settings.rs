use std::fmt;
use std::time::Duration;

use thiserror::Error;

use crate::Secret;

/// How to reach a provider.
#[derive(Clone, PartialEq, Eq)]
pub struct ProviderSettings {
    /// What stands before the `/` in the names of its models.
    pub name: String,
    /// The dialect that it speaks.
    pub kind: ProviderKind,
    /// Where it is: `https://api.anthropic.com`, `http://localhost:11434/v1`. A URL of a host alone means its `/v1`.
    pub base_url: String,
    /// Its key, if it needs one and no token is had from elsewhere.
    pub api_key: Option<Secret>,
    /// Headers to send beside those of the dialect; one of the same name replaces the dialect's.
    pub headers: Vec<(String, Secret)>,
    /// The time until an answer begins.
    pub head_timeout: Duration,
    /// The time between two pieces of an answer.
    pub idle_timeout: Duration,
    /// The time for a whole answer.
    pub total_timeout: Duration,
    /// How much of an answer is taken.
    pub limits: AnswerLimits,
}

/// The dialects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProviderKind {
    /// Anthropic's Messages API.
    Anthropic,
    /// OpenAI's chat completions, which many servers speak.
    OpenAi,
}

/// How much of an answer is taken; what goes beyond is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnswerLimits {
    /// Bytes of the body.
    pub bytes: usize,
    /// Bytes of one event of a stream.
    pub event_bytes: usize,
    /// Calls of tools.
    pub tool_calls: usize,
}

impl Default for AnswerLimits {
    fn default() -> Self {
        Self { bytes: 32 << 20, event_bytes: 8 << 20, tool_calls: 128 }
    }
}

/// Settings that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the provider `{provider}` can't be set up: {problem}")]
pub struct InvalidProvider {
    /// The provider.
    pub provider: String,
    /// What is wrong.
    pub problem: String,
}

impl ProviderSettings {
    /// A provider at `base_url`, without a key.
    pub fn new(name: impl Into<String>, kind: ProviderKind, base_url: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            kind,
            base_url: base_url.into(),
            api_key: None,
            headers: Vec::new(),
            head_timeout: Duration::from_secs(300),
            idle_timeout: Duration::from_secs(120),
            total_timeout: Duration::from_secs(3_600),
            limits: AnswerLimits::default(),
        }
    }

    /// Anthropic itself, named `anthropic`.
    pub fn anthropic(api_key: Option<Secret>) -> Self {
        Self { api_key, ..Self::new("anthropic", ProviderKind::Anthropic, "https://api.anthropic.com") }
    }

    /// OpenAI itself, named `openai`.
    pub fn openai(api_key: Option<Secret>) -> Self {
        Self { api_key, ..Self::new("openai", ProviderKind::OpenAi, "https://api.openai.com/v1") }
    }

    /// Where a request goes to: `path` beneath the API's version.
    ///
    /// # Errors
    /// [`InvalidProvider`] if one of the settings can't be used.
    pub(crate) fn endpoint(&self) -> Result<String, InvalidProvider> {
        let wrong = |problem: &str| InvalidProvider { provider: self.name.clone(), problem: problem.to_owned() };
        if self.name.is_empty() || self.name.chars().any(|c| c == '/' || c.is_control() || c.is_whitespace()) {
            return Err(wrong("its name has to be one word without a slash"));
        }
        let url = self.base_url.trim_end_matches('/');
        let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
        let Some(rest) = rest else { return Err(wrong("its URL has to begin with https:// or http://")) };
        if url.chars().any(|c| c.is_control() || c.is_whitespace()) || url.contains(['?', '#', '@']) {
            return Err(wrong(
                "its URL must have no user name, no query and no spaces; keys have a setting of their own",
            ));
        }
        if rest.is_empty() || rest.starts_with('/') {
            return Err(wrong("its URL has no host"));
        }
        for (name, value) in &self.headers {
            let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
            if !is_name || value.expose().chars().any(char::is_control) {
                return Err(wrong(&format!("`{}` is no header that can be sent", name.escape_debug())));
            }
        }
        if self.api_key.as_ref().is_some_and(|key| key.expose().chars().any(char::is_control)) {
            return Err(wrong("its key contains a control character"));
        }
        // Anthropic's own clients are given a URL without the version, those of OpenAI one with it
        let has_version = url.ends_with("/v1") || (rest.contains('/') && self.kind == ProviderKind::OpenAi);
        Ok(if has_version { url.to_owned() } else { format!("{url}/v1") })
    }
}

/// Without the values of headers, which may be secret.
impl fmt::Debug for ProviderSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("ProviderSettings")
            .field("name", &self.name)
            .field("kind", &self.kind)
            // Whoever wrote a password into it did so by mistake
            .field("base_url", &self.base_url.rsplit('@').next())
            .field("api_key", &self.api_key)
            .field("headers", &headers)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails here should stop")]

    use super::*;

    #[test]
    fn a_url_leads_to_the_version_of_the_api() {
        use ProviderKind::{Anthropic, OpenAi};
        let check = |kind, url: &str, expected: &str| {
            assert_eq!(ProviderSettings::new("x", kind, url).endpoint().unwrap(), expected);
        };
        check(Anthropic, "https://api.anthropic.com", "https://api.anthropic.com/v1");
        check(Anthropic, "https://api.anthropic.com/v1/", "https://api.anthropic.com/v1");
        check(Anthropic, "https://gateway.example/claude", "https://gateway.example/claude/v1");
        check(OpenAi, "http://localhost:11434", "http://localhost:11434/v1");
        check(OpenAi, "http://localhost:11434/v1", "http://localhost:11434/v1");
        check(OpenAi, "https://example.com/openai/deployments/x/", "https://example.com/openai/deployments/x");
    }

    #[test]
    fn refuses_what_cannot_be_used_without_showing_secrets() {
        let check = |change: fn(&mut ProviderSettings), expected: &str| {
            let mut settings = ProviderSettings::openai(Some(Secret::new("hunter2")));
            change(&mut settings);
            let error = settings.endpoint().unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("hunter2"), "{error}");
            assert!(!format!("{settings:?}").contains("hunter2"));
        };
        check(|it| it.name = "a/b".into(), "one word");
        check(|it| it.base_url = "localhost:1".into(), "begin with");
        check(|it| it.base_url = "https://u:hunter2@example.com".into(), "no user name");
        check(|it| it.base_url = "https:///v1".into(), "no host");
        check(|it| it.headers = vec![("x y".into(), Secret::new("hunter2"))], "no header");
        check(|it| it.headers = vec![("x".into(), Secret::new("hunter2\nb: c"))], "no header");
    }
}
