//! Token requests (RFC 6749) and what they give.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::Url;

use super::{check_provider, encoded, endpoint, parameters, word};
use crate::call::Call;
use crate::ops::fetch;
use crate::secrets::SecretValue;
use crate::{ApiError, ErrorCode};

/// Bytes of a token: no header takes more.
const TOKEN: usize = 16_384;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RefreshArgs {
    client_id: String,
    token_url: String,
    refresh_token: String,
    #[serde(default)]
    params: BTreeMap<String, String>,
}

/// What a server answered.
pub(super) enum Answer {
    /// The fields of a success.
    Fields(Map<String, Value>),
    /// The code of an error, RFC 6749, section 5.2.
    Error(String),
}

/// Another token for a refresh token.
pub(crate) async fn refresh(call: &Arc<Call>) -> Result<Value, ApiError> {
    check_provider(call)?;
    let RefreshArgs { client_id, token_url, refresh_token, params } = call.args()?;
    let url = endpoint(call, "tokenUrl", &token_url)?;
    call.shared.redaction.remember(SecretValue::new(&refresh_token));
    let form = parameters(
        params,
        [("grant_type", "refresh_token".to_owned()), ("client_id", client_id), ("refresh_token", refresh_token)],
    )?;
    match ask(call, &url, &form).await? {
        Answer::Fields(fields) => token(call, &fields),
        Answer::Error(code) => Err(refused(&code)),
    }
}

/// Posts a form.
pub(super) async fn ask(call: &Arc<Call>, url: &Url, form: &BTreeMap<String, String>) -> Result<Answer, ApiError> {
    let (status, body) = fetch::post_form(call, url, encoded(form)).await?;
    let host = url.host_str().unwrap_or_default();
    let Ok(Value::Object(fields)) = serde_json::from_slice(&body) else {
        return Err(ApiError::new(ErrorCode::Io, format!("{host} answered {status} and no JSON object")));
    };
    // GitHub says 200 with its errors
    match (fields.contains_key("error"), status) {
        (true, _) => Ok(Answer::Error(word(fields.get("error")))),
        (false, 200) => Ok(Answer::Fields(fields)),
        (false, status) => Err(ApiError::new(ErrorCode::Io, format!("{host} answered {status}"))),
    }
}

/// What the plugin gets of a success.
pub(super) fn token(call: &Arc<Call>, fields: &Map<String, Value>) -> Result<Value, ApiError> {
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    let is_usable = |token: &&str| {
        !token.is_empty() && token.len() <= TOKEN && token.bytes().all(|byte| (0x21..0x7f).contains(&byte))
    };
    let Some(token) = text("access_token").filter(is_usable) else {
        return Err(ApiError::new(ErrorCode::Io, "the answer has no token that a header could carry"));
    };
    if text("token_type").is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
        return Err(ApiError::new(ErrorCode::Io, "the answer has a token that is no bearer token"));
    }
    let refresh_token = text("refresh_token").filter(is_usable);
    for secret in [Some(token), refresh_token].into_iter().flatten() {
        call.shared.redaction.remember(SecretValue::new(secret));
    }
    call.note("got", "token");
    let expires_in = fields.get("expires_in").and_then(Value::as_f64).filter(|seconds| *seconds > 0.0);
    Ok(json!({
        "token": token,
        "refreshToken": refresh_token,
        "expiresIn": expires_in,
        "scope": text("scope"),
    }))
}

pub(super) fn refused(code: &str) -> ApiError {
    let message = match code {
        "access_denied" => "the person did not agree".to_owned(),
        "expired_token" => "nobody signed in in time".to_owned(),
        "" => "the service refused".to_owned(),
        code => format!("the service refused: {code}"),
    };
    ApiError::new(ErrorCode::Failed, message)
}
