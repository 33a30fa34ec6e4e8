//! Auth providers: a plugin is asked for a token, which is kept for as long as it lives, in memory alone.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use mimir_api::{Redaction, SecretValue};
use mimir_registry::{Failure, FailureKind};
use mimir_sandbox::CallKind;
use mimir_shared_config::PluginId;
use mimir_shared_platform::{Clock, SystemClock};
use mimir_shared_providers::Secret;
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::sync::Mutex as AsyncMutex;

use crate::Plugins;
use crate::plugin_calls::{CallError, Called, Invocation};
use crate::report::Report;

/// How long before its end a token counts as ended, in milliseconds: a request takes a while. Of short-lived ones it is a tenth
/// of their life.
const MARGIN: u64 = 60_000;

/// Bytes of a token or a header's value, and how many headers there may be.
const VALUE: usize = 16_384;
const HEADERS: usize = 16;

/// Headers that belong to the connection and the request, not to whoever signs in.
const OTHERS: &[&str] = &[
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// A way to sign in that a plugin adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthProvider {
    /// Whose it is.
    pub plugin: PluginId,
    /// Its name: `custom-sso`.
    pub name: String,
}

/// What a token is for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AuthRequest {
    /// The session; empty outside of any.
    pub session_id: String,
    /// What the plugin is told, as `config`: about the service that the token is for, and nothing secret.
    pub config: Map<String, Value>,
}

/// What to send. Nothing prints it.
#[derive(Clone, PartialEq, Eq)]
pub struct ProviderToken {
    /// For `Authorization: Bearer …`.
    pub token: Secret,
    /// Further headers of each request.
    pub headers: Vec<(String, Secret)>,
    /// When it stops to work, in milliseconds since 1970, if the plugin knows.
    pub expires_at: Option<u64>,
}

impl fmt::Debug for ProviderToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderToken").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// The tokens of this run, by plugin, provider and what it was told.
#[derive(Default)]
pub(crate) struct Tokens(Mutex<HashMap<(PluginId, String, String), Place>>);

/// Held while the plugin is asked, so that it is asked once.
type Place = Arc<AsyncMutex<Option<Kept>>>;

struct Kept {
    token: ProviderToken,
    /// From when on another one is asked for.
    stale_at: Option<u64>,
}

impl Plugins {
    /// The auth providers of all plugins that run, found out as [`Plugins::plugin_tools`] does. Where two have one of the same
    /// name, the first one's counts, and the user is told.
    pub async fn auth_providers(&self) -> Vec<AuthProvider> {
        let mut providers: Vec<AuthProvider> = Vec::new();
        for (plugin, running) in self.learned().await {
            let Some(registrations) = running.known().await else { continue };
            for name in &registrations.auth_providers {
                match providers.iter().find(|known| known.name == *name) {
                    Some(first) => {
                        let message = format!("its auth provider `{name}` is hidden by that of `{}`", first.plugin);
                        let hint = "disable one of the two, or let one give it another name".to_owned();
                        self.0.reports.push_once(Report::slip(&plugin, message, Some(hint)));
                    }
                    None => providers.push(AuthProvider { plugin: plugin.clone(), name: name.clone() }),
                }
            }
        }
        providers
    }

    /// The token of an auth provider: the one that there is, or what the plugin gives when it is asked. Several requests at
    /// once ask it once. Dropping the future of the only one stops it.
    ///
    /// # Errors
    /// [`CallError`]; there may be no provider of this name. It holds nothing secret.
    pub async fn token(&self, provider: &str, request: &AuthRequest) -> Result<ProviderToken, CallError> {
        let (plugin, place) = self.place(provider, request).await?;
        let mut kept = place.lock().await;
        let now = SystemClock.now_ms();
        if let Some(kept) = &*kept
            && kept.stale_at.is_none_or(|stale| now < stale)
        {
            return Ok(kept.token.clone());
        }
        // One that could not be renewed is no token any more
        *kept = None;
        let got = self.ask(&plugin, provider, request).await?;
        let token = got.token.clone();
        *kept = Some(got);
        Ok(token)
    }

    /// Another token after a service refused this one (401). Whoever was refused the same one meanwhile gets the new one.
    ///
    /// # Errors
    /// Those of [`Plugins::token`].
    pub async fn renewed_token(
        &self,
        provider: &str,
        request: &AuthRequest,
        refused: &Secret,
    ) -> Result<ProviderToken, CallError> {
        let (_, place) = self.place(provider, request).await?;
        {
            let mut kept = place.lock().await;
            if kept.as_ref().is_some_and(|kept| kept.token.token == *refused) {
                *kept = None;
            }
        }
        self.token(provider, request).await
    }

    async fn place(&self, provider: &str, request: &AuthRequest) -> Result<(PluginId, Place), CallError> {
        let providers = self.auth_providers().await;
        let found = providers.into_iter().find(|known| known.name == provider);
        let found = found.ok_or_else(|| CallError::NoProvider { name: provider.to_owned() })?;
        let config = Value::Object(request.config.clone()).to_string();
        let key = (found.plugin.clone(), provider.to_owned(), config);
        Ok((found.plugin, Arc::clone(self.0.tokens.0.lock().entry(key).or_default())))
    }

    async fn ask(&self, plugin: &PluginId, provider: &str, request: &AuthRequest) -> Result<Kept, CallError> {
        let called = Called { kind: CallKind::Auth, name: provider };
        let call = Invocation { session_id: request.session_id.clone(), ..Invocation::default() };
        let check = |running: &mimir_api::Registrations| {
            running.auth_providers.iter().any(|name| name == provider).then_some(Ok(()))
        };
        let config = Value::Object(request.config.clone()).to_string();
        let asked = SystemClock.now_ms();
        let _held = self.0.calls.hold(plugin);
        let answer = self.call(plugin, called, config, &call, check).await?;
        match read(answer, asked, &self.0.redaction) {
            Ok(kept) => Ok(kept),
            Err(why) => {
                let failure = Failure::new(FailureKind::Invalid, format!("its auth provider `{provider}` gave {why}"));
                if let Some(running) = self.0.running.get(plugin) {
                    let place = format!("in its auth provider `{provider}`");
                    self.0.failed(plugin, running, &place, &failure).await;
                }
                Err(CallError::Failed { plugin: plugin.clone(), failure })
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    token: String,
    expires_at: Option<f64>,
    expires_in: Option<f64>,
    #[serde(default)]
    headers: Option<Map<String, Value>>,
}

/// Checks an answer. What is wrong with it is said without what it holds.
fn read(answer: Value, asked: u64, redaction: &Redaction) -> Result<Kept, String> {
    let Ok(answer) = serde_json::from_value::<Answer>(answer) else {
        return Err("an answer that is no `{ token, expiresAt?, expiresIn?, headers? }`".to_owned());
    };
    let Answer { token, expires_at, expires_in, headers } = answer;
    if token.is_empty() || !is_value(&token) || token.contains(' ') {
        return Err("a token that no header can carry".to_owned());
    }
    redaction.remember(SecretValue::new(&token));
    let headers = headers.unwrap_or_default();
    if headers.len() > HEADERS {
        return Err(format!("more than {HEADERS} headers"));
    }
    let mut kept = Vec::new();
    for (name, value) in headers {
        let value = value.as_str().filter(|value| is_value(value));
        match value.filter(|_| is_name(&name)) {
            Some(value) => {
                redaction.remember(SecretValue::new(value));
                kept.push((name.to_ascii_lowercase(), Secret::new(value)));
            }
            None => return Err("a header that can't be sent".to_owned()),
        }
    }
    let is_time = |time: &f64| time.is_finite() && *time >= 0.0;
    let from_now = expires_in.filter(is_time).map(|seconds| asked as f64 + seconds * 1e3);
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a time that is none ends at once or never"
    )]
    let expires_at = expires_at.filter(is_time).or(from_now).map(|time| time as u64);
    let stale_at = expires_at.map(|end| end.saturating_sub(MARGIN.min(end.saturating_sub(asked) / 10)));
    Ok(Kept { token: ProviderToken { token: Secret::new(token), headers: kept, expires_at }, stale_at })
}

fn is_value(value: &str) -> bool {
    value.len() <= VALUE && value.bytes().all(|byte| (0x20..0x7f).contains(&byte))
}

fn is_name(name: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let lower = name.to_ascii_lowercase();
    !name.is_empty()
        && name.len() <= 128
        && name.bytes().all(is_token)
        && !OTHERS.contains(&lower.as_str())
        && !lower.starts_with("proxy-")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn answers_are_checked_and_never_repeated() {
        let check = |answer: Value, expected: Result<(Option<u64>, Option<u64>), &str>| {
            let found = read(answer.clone(), 1_000_000, &Redaction::default());
            let found = found.map(|kept| (kept.token.expires_at, kept.stale_at));
            assert_eq!(found, expected.map_err(str::to_owned), "{answer}");
        };
        check(json!({"token": "t"}), Ok((None, None)));
        check(json!({"token": "t", "expiresIn": 3600}), Ok((Some(4_600_000), Some(4_540_000))));
        check(json!({"token": "t", "expiresIn": 100, "more": 1}), Ok((Some(1_100_000), Some(1_090_000))));
        check(json!({"token": "t", "expiresAt": 5_000_000, "expiresIn": 1}), Ok((Some(5_000_000), Some(4_940_000))));
        check(json!({"token": "t", "expiresAt": 5}), Ok((Some(5), Some(5))));
        check(json!({"token": "t", "headers": {"X-Team": "a b"}}), Ok((None, None)));
        let no_answer = "an answer that is no `{ token, expiresAt?, expiresIn?, headers? }`";
        for wrong in [json!(null), json!("t"), json!({}), json!({"token": 5}), json!({"token": "t", "expiresIn": "1"})]
        {
            check(wrong, Err(no_answer));
        }
        for token in ["", "a b", "a\nb", "ä", &"x".repeat(20_000)] {
            check(json!({ "token": token }), Err("a token that no header can carry"));
        }
        for (name, value) in
            [("Host", json!("x")), ("a b", json!("x")), ("x", json!("a\r\nb: c")), ("x", json!(1)), ("", json!("x"))]
        {
            check(json!({"token": "t", "headers": {name: value}}), Err("a header that can't be sent"));
        }
        assert_eq!(
            format!("{:?}", read(json!({"token": "secret-token"}), 1, &Redaction::default()).map(|kept| kept.token)),
            "Ok(ProviderToken { expires_at: None, .. })"
        );
    }
}
