use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mimir_shared_config::{Access, Denial};
use mimir_shared_platform::{AddressCheck, HttpRequest, HttpResponse, PlatformError};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use crate::call::Call;
use crate::{ApiError, ErrorCode};

#[derive(Deserialize)]
struct FetchArgs {
    url: String,
    #[serde(default = "get")]
    method: String,
    #[serde(default)]
    headers: Vec<(String, String)>,
    body: Option<String>,
}

fn get() -> String {
    "GET".to_owned()
}

pub(crate) async fn fetch(call: &Arc<Call>) -> Result<Value, ApiError> {
    let FetchArgs { url, method, mut headers, body } = call.args()?;
    let mut url = Url::parse(&url).map_err(|error| ApiError::invalid(format!("this is no URL: {error}")))?;
    call.check(&Access::Net { url: url.to_string() })?;
    let body = body.map(|body| STANDARD.decode(body)).transpose();
    let mut body = body.map_err(|_| ApiError::invalid("the body is not valid base64"))?;
    if let Some(answer) = call.recorded(true) {
        return answer;
    }
    // The standard normalises these names alone
    let upper = method.to_ascii_uppercase();
    let mut method =
        if ["DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT"].contains(&upper.as_str()) { upper } else { method };
    let limits = &call.shared.limits;
    let clock = &call.shared.ports.clock;
    let until = clock.monotonic() + limits.fetch;
    for redirects in 0..=limits.redirects {
        url.set_fragment(None);
        let request = HttpRequest {
            method: method.clone(),
            url: url.clone(),
            headers: headers.clone(),
            body: body.clone(),
            timeout: until.saturating_sub(clock.monotonic()),
            body_limit: limits.response,
        };
        let response = send(call, request).await?;
        let Some(target) = redirect_target(&url, &response)? else {
            call.note("status", response.status);
            call.note("bytes", response.body.len());
            call.note("redirects", redirects);
            return Ok(answer(&url, response, redirects > 0));
        };
        // The new place is as much of a request as the first
        call.check(&Access::Net { url: target.to_string() })?;
        // https://fetch.spec.whatwg.org/#http-redirect-fetch
        let is_post = method == "POST";
        if (matches!(response.status, 301 | 302) && is_post)
            || (response.status == 303 && method != "GET" && method != "HEAD")
        {
            method = get();
            body = None;
            headers.retain(|(name, _)| !name.to_ascii_lowercase().starts_with("content-"));
        }
        if target.origin() != url.origin() {
            headers.retain(|(name, _)| !matches!(name.to_ascii_lowercase().as_str(), "authorization" | "cookie"));
        }
        url = target;
    }
    Err(ApiError::new(
        ErrorCode::Io,
        format!("{} leads from one redirect to the next", url.origin().ascii_serialization()),
    ))
}

async fn send(call: &Arc<Call>, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let denial: Arc<Mutex<Option<Denial>>> = Arc::default();
    let check: AddressCheck = {
        let (call, denial, url) = (Arc::clone(call), Arc::clone(&denial), request.url.to_string());
        Arc::new(move |_, ip| {
            call.ask(&Access::NetAddress { url: url.clone(), ip }).map_err(|found| {
                let reason = found.reason.clone();
                denial.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(found);
                reason
            })
        })
    };
    let sent = call.shared.ports.http.send(request, check).await;
    sent.map_err(|error| match (denial.lock().unwrap_or_else(PoisonError::into_inner).take(), error) {
        (Some(denial), PlatformError::AddressRefused { .. }) => ApiError::denied("fetch", denial),
        (_, error) => error.into(),
    })
}

fn redirect_target(url: &Url, response: &HttpResponse) -> Result<Option<Url>, ApiError> {
    if !matches!(response.status, 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some((_, location)) = response.headers.iter().find(|(name, _)| name == "location") else { return Ok(None) };
    url.join(location).map(Some).map_err(|_| ApiError::new(ErrorCode::Io, "the answer redirects to what is no URL"))
}

fn answer(url: &Url, response: HttpResponse, is_redirected: bool) -> Value {
    json!({
        "url": url.as_str(),
        "status": response.status,
        "statusText": response.status_text,
        "headers": response.headers,
        "body": STANDARD.encode(response.body),
        "redirected": is_redirected,
    })
}
