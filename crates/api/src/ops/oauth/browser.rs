//! The way through the browser (RFC 8252): an authorization code with PKCE (RFC 7636), which comes back to this machine.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use url::Url;

use super::token::{Answer, ask, refused, token};
use super::{check_provider, endpoint, parameters, tell};
use crate::call::Call;
use crate::{ApiError, Asked, Browser, ErrorCode, Question, QuestionKind, Redirect};

/// How long the person may take.
const LONGEST: Duration = Duration::from_secs(5 * 60);

/// Where the browser comes back to.
const PATH: &str = "/callback";

/// How many requests that are none of the flow's are answered before it is given up.
const STRANGERS: usize = 64;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct BrowserArgs {
    client_id: String,
    #[serde(default)]
    scopes: Vec<String>,
    authorize_url: String,
    token_url: String,
    #[serde(default)]
    params: BTreeMap<String, String>,
}

pub(crate) async fn browser(call: &Arc<Call>) -> Result<Value, ApiError> {
    check_provider(call)?;
    let BrowserArgs { client_id, scopes, authorize_url, token_url, params } = call.args()?;
    let mut page = endpoint(call, "authorizeUrl", &authorize_url)?;
    let token_url = endpoint(call, "tokenUrl", &token_url)?;
    let browser = call.shared.ports.browser.as_ref().ok_or_else(|| {
        ApiError::new(ErrorCode::Unsupported, "there is no way back from a browser here")
            .with_hint("use `config.oauth.deviceCode`, which needs none")
    })?;
    let mut redirects = browser.listen().await?;
    let port = redirects.port();
    let redirect_uri = format!("http://127.0.0.1:{port}{PATH}");
    let (state, verifier) = (random()?, random()?);
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&verifier));
    let scope = (!scopes.is_empty()).then(|| ("scope", scopes.join(" ")));
    let query = parameters(
        params,
        [
            ("response_type", "code".to_owned()),
            ("client_id", client_id.clone()),
            ("redirect_uri", redirect_uri.clone()),
            ("state", state.clone()),
            ("code_challenge", challenge),
            ("code_challenge_method", "S256".to_owned()),
        ]
        .into_iter()
        .chain(scope),
    )?;
    page.query_pairs_mut().extend_pairs(&query);
    open(call, browser.as_ref(), &page).await?;

    let came_back = async {
        for _ in 0..STRANGERS {
            let redirect = redirects.next().await?;
            match judge(redirect.as_ref(), port, &state) {
                Judged::Code(code) => {
                    redirect.answer(200, "You are signed in. You can close this page.").await;
                    return Ok(code);
                }
                Judged::Refused(code) => {
                    redirect.answer(200, "You are not signed in. You can close this page.").await;
                    return Err(refused(&code));
                }
                // Whoever this is, the person may still come
                Judged::Stranger(status) => redirect.answer(status, "This is not what was asked for.").await,
            }
        }
        Err(ApiError::new(ErrorCode::Failed, "too many requests came back that belong to nobody"))
    };
    let code = tokio::time::timeout(LONGEST, came_back).await.unwrap_or_else(|_| Err(refused("expired_token")))?;
    drop(redirects);
    let form = parameters(
        BTreeMap::new(),
        [
            ("grant_type", "authorization_code".to_owned()),
            ("client_id", client_id),
            ("code", code),
            ("redirect_uri", redirect_uri),
            ("code_verifier", verifier),
        ],
    )?;
    match ask(call, &token_url, &form).await? {
        Answer::Fields(fields) => token(call, &fields),
        Answer::Error(code) => Err(refused(&code)),
    }
}

/// Shows the page. It is opened only where a person says so.
async fn open(call: &Arc<Call>, browser: &dyn Browser, page: &Url) -> Result<(), ApiError> {
    tell(call, &format!("to sign in, open {page}"));
    let Some(asker) = &call.shared.ports.asker else { return Ok(()) };
    let host = page.host_str().unwrap_or_default();
    let question = Question {
        plugin: call.plugin.id.clone(),
        text: format!("open the browser to sign in to {host}?"),
        kind: QuestionKind::Confirm,
        default: None,
        session_id: call.origin.session_id.clone(),
    };
    match asker.ask(&question).await {
        Asked::Answered(answer) if answer == Question::YES => browser.open(page.as_str()).await,
        Asked::Answered(_) | Asked::Declined => return Err(refused("access_denied")),
        Asked::Nobody => {}
    }
    Ok(())
}

enum Judged {
    Code(String),
    Refused(String),
    /// Not the browser that was sent there; the status that it gets.
    Stranger(u16),
}

/// Whether a request is the browser that was sent away: it knows the state, which nobody else was told.
fn judge(redirect: &dyn Redirect, port: u16, state: &str) -> Judged {
    // A page that names this machine otherwise does not come from there
    if redirect.host() != Some(&format!("127.0.0.1:{port}")) {
        return Judged::Stranger(400);
    }
    let Ok(url) = Url::parse(&format!("http://127.0.0.1{}", redirect.target())) else { return Judged::Stranger(400) };
    if url.path() != PATH {
        return Judged::Stranger(404);
    }
    let mut query = HashMap::new();
    for (name, value) in url.query_pairs() {
        if query.insert(name.into_owned(), value.into_owned()).is_some() {
            return Judged::Stranger(400);
        }
    }
    if query.get("state").is_none_or(|found| !is_same(found, state)) {
        return Judged::Stranger(400);
    }
    match (query.remove("code"), query.remove("error")) {
        (Some(code), None) if !code.is_empty() => Judged::Code(code),
        (_, error) => {
            let error = error.unwrap_or_default();
            Judged::Refused(super::word(Some(&Value::from(error))))
        }
    }
}

/// Compares all of it, so that nobody learns by the time how much was right.
fn is_same(one: &str, other: &str) -> bool {
    let different = one.bytes().zip(other.bytes()).fold(0, |sum, (one, other)| sum | (one ^ other));
    one.len() == other.len() && different == 0
}

/// 256 bits that nobody can guess.
fn random() -> Result<String, ApiError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|_| ApiError::new(ErrorCode::Io, "the system has no random numbers"))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}
