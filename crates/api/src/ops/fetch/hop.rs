use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mimir_shared_config::{Access, Denial};
use mimir_shared_platform::{AddressCheck, Guard, HttpAnswer, HttpRequest, PlatformError};
use url::Url;

use crate::call::Call;
use crate::secrets::{SecretValue, holds_handle};
use crate::{ApiError, ErrorCode};

/// Headers that say who asks, which are nobody else's business.
const CREDENTIALS: &[&str] = &["authorization", "cookie", "proxy-authorization"];

/// One request of those that a `fetch` may come to.
pub(super) struct Hop {
    pub(super) url: Url,
    pub(super) method: String,
    /// As the plugin gave them: with handles where secrets belong.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Option<Vec<u8>>,
}

impl Hop {
    /// Sends it, within `time` until there is an answer. The secrets that go with it are added to `sent`.
    pub(super) async fn send(
        &self,
        call: &Arc<Call>,
        is_redirect: bool,
        time: Duration,
        sent: &mut Vec<SecretValue>,
    ) -> Result<HttpAnswer, ApiError> {
        let limits = &call.shared.limits;
        let mut headers = self.headers.clone();
        let found = call.shared.handles.fill(call, &self.url, &mut headers)?;
        let has_secret = !found.is_empty();
        sent.extend(found);
        if !sent.is_empty() {
            // The answer has to be looked through: not compressed, and not cut into pieces too small to know it by
            let hinders = |name: &str| matches!(name.to_ascii_lowercase().as_str(), "accept-encoding" | "range");
            headers.retain(|(name, _)| !hinders(name));
        }
        let request = HttpRequest {
            method: self.method.clone(),
            url: self.url.clone(),
            headers,
            body: self.body.clone(),
            timeout: time + limits.response_time,
            body_limit: limits.response,
        };
        let denial: Arc<Mutex<Option<Denial>>> = Arc::default();
        let check = self.address_check(call, is_redirect, has_secret, &denial);
        let opened = tokio::time::timeout(time, call.shared.ports.http.open(request, check)).await;
        let opened = opened.unwrap_or_else(|_| {
            let what = format!("the request to {}", self.url.host_str().unwrap_or_default());
            Err(PlatformError::TimedOut { what, after: limits.fetch })
        });
        opened.map_err(|error| match (denial.lock().unwrap_or_else(PoisonError::into_inner).take(), error) {
            (Some(denial), PlatformError::AddressRefused { .. }) => ApiError::denied("fetch", denial),
            (_, error) => error.into(),
        })
    }

    /// Asks the gate about each address that the host stands for.
    fn address_check(
        &self,
        call: &Arc<Call>,
        is_redirect: bool,
        has_secret: bool,
        denial: &Arc<Mutex<Option<Denial>>>,
    ) -> AddressCheck {
        let is_asked = Guard::NetAddress.stands() && (!is_redirect || Guard::NetRedirect.stands());
        let is_plain = self.url.scheme() == "http";
        let (call, denial, url) = (Arc::clone(call), Arc::clone(denial), self.url.to_string());
        Arc::new(move |_, ip| {
            let access = Access::NetAddress { url: url.clone(), ip };
            let asked = if is_asked { call.ask(&access) } else { Ok(()) };
            let asked = asked.and_then(|()| {
                if !has_secret || !is_plain || ip.to_canonical().is_loopback() || !Guard::SecretHosts.stands() {
                    return Ok(());
                }
                Err(Denial {
                    capability: "secrets".to_owned(),
                    reason: format!("a secret is sent to {ip} over https alone"),
                    hint: None,
                })
            });
            asked.map_err(|found| {
                let reason = found.reason.clone();
                denial.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(found);
                reason
            })
        })
    }

    /// Where the answer leads, if it is a redirect.
    pub(super) fn redirect_target(&self, answer: &HttpAnswer) -> Result<Option<Url>, ApiError> {
        if !matches!(answer.status, 301 | 302 | 303 | 307 | 308) {
            return Ok(None);
        }
        let Some((_, location)) = answer.headers.iter().find(|(name, _)| name == "location") else { return Ok(None) };
        let target = self.url.join(location);
        target.map(Some).map_err(|_| ApiError::new(ErrorCode::Io, "the answer redirects to what is no URL"))
    }

    /// The request that a redirect makes of this one (<https://fetch.spec.whatwg.org/#http-redirect-fetch>).
    pub(super) fn redirected(mut self, status: u16, target: Url) -> Self {
        let is_post = self.method == "POST";
        if (matches!(status, 301 | 302) && is_post) || (status == 303 && self.method != "GET" && self.method != "HEAD")
        {
            "GET".clone_into(&mut self.method);
            self.body = None;
            self.headers.retain(|(name, _)| !name.to_ascii_lowercase().starts_with("content-"));
        }
        if target.origin() != self.url.origin() && Guard::NetCredentials.stands() {
            self.headers.retain(|(name, value)| {
                !CREDENTIALS.contains(&name.to_ascii_lowercase().as_str()) && !holds_handle(value)
            });
        }
        self.url = target;
        self
    }
}
