//! `fetch`: the request, its redirects, and what the plugin gets of the answer.
//!
//! A body that is small or there at once is part of the answer. Another one stays with the host until the plugin reads it
//! with `fetch.read`, piece by piece, or gives it up with `fetch.cancel`; so a plugin that reads slowly is a server that
//! sends slowly, and no memory.

mod answers;
mod hop;

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mimir_shared_config::{Access, PluginId};
use mimir_shared_platform::{Guard, HttpAnswer};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

pub(crate) use self::answers::Answers;
use self::answers::{OpenBody, Underway};
use self::hop::Hop;
use crate::call::Call;
use crate::context::Shared;
use crate::secrets::Cover;
use crate::{ApiError, Effects, ErrorCode};

/// A body up to this size is part of the answer, if it comes soon enough.
const INLINE: usize = 64 << 10;

/// How long a body may take to be part of the answer.
const SOON: Duration = Duration::from_millis(10);

/// No answer to a form that the host posts has more bytes.
const FORM_ANSWER: usize = 64 << 10;

#[derive(Deserialize)]
struct FetchArgs {
    url: String,
    #[serde(default = "get")]
    method: String,
    #[serde(default)]
    headers: Vec<(String, String)>,
    body: Option<String>,
    /// The plugin's own number of the request, by which it reads the body or gives up. Without one the whole body is part
    /// of the answer.
    id: Option<u64>,
}

#[derive(Deserialize)]
struct BodyArgs {
    id: u64,
}

fn get() -> String {
    "GET".to_owned()
}

pub(crate) async fn fetch(call: &Arc<Call>) -> Result<Value, ApiError> {
    let FetchArgs { url, method, headers, body, id } = call.args()?;
    let url = Url::parse(&url).map_err(|error| ApiError::invalid(format!("this is no URL: {error}")))?;
    if Guard::NetAllowlist.stands() {
        call.check(&Access::Net { url: url.to_string() })?;
    }
    let body = body.map(|body| STANDARD.decode(body)).transpose();
    let body = body.map_err(|_| ApiError::invalid("the body is not valid base64"))?;
    call.shared.handles.refuse_outside_headers(&call.plugin.id, &url, &headers, body.as_deref())?;
    if let Some(answer) = call.recorded(true) {
        return answer;
    }
    // The standard normalises these names alone
    let upper = method.to_ascii_uppercase();
    let is_known = ["DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT"].contains(&upper.as_str());
    let method = if is_known { upper } else { method };
    let first = Hop { url, method, headers, body };

    let underway = call.wait(call.shared.answers.begin(&call.plugin.id, id)).await?;
    let answered = tokio::select! {
        biased;
        () = underway.given_up() => Err(ApiError::new(ErrorCode::Io, "the request was given up")),
        answered = exchange(call, first) => answered,
    };
    finish(call, underway, id.is_some(), answered?).await
}

/// Posts a form in the plugin's name and gives the status and the whole answer, for what the host asks for a plugin. A redirect
/// is not followed: what was posted is meant for this place alone.
pub(crate) async fn post_form(call: &Arc<Call>, url: &Url, form: String) -> Result<(u16, Vec<u8>), ApiError> {
    let headers = [("content-type", "application/x-www-form-urlencoded"), ("accept", "application/json")];
    let hop = Hop {
        url: url.clone(),
        method: "POST".to_owned(),
        headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        body: Some(form.into_bytes()),
    };
    let answer = hop.send(call, false, call.shared.limits.fetch, &mut Vec::new()).await?;
    let HttpAnswer { status, mut body, .. } = answer;
    let mut bytes = Vec::new();
    while let Some(chunk) = body.chunk().await? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > FORM_ANSWER {
            let host = url.host_str().unwrap_or_default();
            return Err(ApiError::limit(format!("the answer of {host} has more than {FORM_ANSWER} bytes")));
        }
    }
    Ok((status, bytes))
}

/// The last answer, after all redirects.
struct Answered {
    url: Url,
    redirects: usize,
    answer: HttpAnswer,
    cover: Option<Cover>,
}

async fn exchange(call: &Arc<Call>, first: Hop) -> Result<Answered, ApiError> {
    let limits = &call.shared.limits;
    let clock = &call.shared.ports.clock;
    let begun = clock.monotonic();
    let mut hop = first;
    let mut sent = Vec::new();
    for redirects in 0..=limits.redirects {
        hop.url.set_fragment(None);
        let took = clock.monotonic().saturating_sub(begun);
        let answer = hop.send(call, redirects > 0, limits.fetch.saturating_sub(took), &mut sent).await?;
        let cover = if sent.is_empty() || !Guard::SecretCovered.stands() { None } else { Some(Cover::new(&sent)) };
        let Some(target) = hop.redirect_target(&answer)? else {
            return Ok(Answered { url: hop.url, redirects, answer, cover });
        };
        // The new place is as much of a request as the first
        if Guard::NetRedirect.stands() && Guard::NetAllowlist.stands() {
            call.check(&Access::Net { url: target.to_string() })?;
        }
        if cover.is_some_and(|cover| cover.is_in(target.as_str())) {
            return Err(ApiError::new(ErrorCode::Io, "the answer redirects to a URL with the secret in it"));
        }
        hop = hop.redirected(answer.status, target);
    }
    Err(ApiError::new(
        ErrorCode::Io,
        format!("{} leads from one redirect to the next", hop.url.origin().ascii_serialization()),
    ))
}

async fn finish(
    call: &Arc<Call>,
    underway: Underway<'_>,
    may_stay_open: bool,
    answered: Answered,
) -> Result<Value, ApiError> {
    let Answered { url, redirects, answer, cover } = answered;
    call.note("status", answer.status);
    call.note("redirects", redirects);
    let HttpAnswer { status, status_text, mut headers, body } = answer;
    let shown = |text: String| cover.as_ref().map_or_else(|| text.clone(), |cover| cover.text(&text));
    if cover.is_some() && headers.iter().any(|(name, value)| name == "content-encoding" && value != "identity") {
        // What is compressed can't be looked through
        return Err(ApiError::new(ErrorCode::Io, "the answer to a request with a secret is compressed"));
    }
    for (_, value) in &mut headers {
        *value = shown(std::mem::take(value));
    }
    let mut result = json!({
        "url": shown(url.into()),
        "status": status,
        "statusText": status_text,
        "headers": headers,
        "redirected": redirects > 0,
    });
    let mut body = OpenBody::new(Arc::clone(call), body, cover);
    let is_whole = if may_stay_open {
        tokio::time::timeout(SOON, body.fill(INLINE)).await.unwrap_or(Ok(false))?
    } else {
        body.fill(usize::MAX).await?
    };
    if is_whole {
        result["body"] = STANDARD.encode(body.into_bytes()).into();
    } else {
        result["stream"] = true.into();
        underway.keep(body);
    }
    Ok(result)
}

/// The next bytes of a body that stayed open, as base64; null at its end.
pub(crate) async fn read(shared: &Shared, plugin: &PluginId, args: &str) -> Result<Value, ApiError> {
    let BodyArgs { id } = body_args("fetch.read", args)?;
    if let Effects::Recorded(recording) = &shared.effects {
        let missing = || Err(ApiError::new(ErrorCode::NotRecorded, "this part of the answer is not in the recording"));
        return recording.answer(plugin, "fetch.read", &json!({ "id": id })).unwrap_or_else(missing);
    }
    let chunk = shared.answers.read(plugin, id).await?;
    Ok(chunk.map_or(Value::Null, |chunk| STANDARD.encode(chunk).into()))
}

/// Gives up a request or a body.
pub(crate) fn cancel(shared: &Shared, plugin: &PluginId, args: &str) -> Result<Value, ApiError> {
    let BodyArgs { id } = body_args("fetch.cancel", args)?;
    shared.answers.cancel(plugin, id);
    Ok(Value::Null)
}

fn body_args(op: &str, args: &str) -> Result<BodyArgs, ApiError> {
    serde_json::from_str(args).map_err(|error| ApiError::invalid(format!("{op}: {error}")))
}
