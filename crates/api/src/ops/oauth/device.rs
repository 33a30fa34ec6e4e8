//! The device code (RFC 8628): the person signs in elsewhere and enters a code there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::token::{Answer, ask, refused, token};
use super::{check_provider, endpoint, parameters, tell, word};
use crate::call::Call;
use crate::ops::ask::one_line;
use crate::{ApiError, ErrorCode};

/// How long the person may take, whatever the service allows.
const LONGEST: Duration = Duration::from_secs(9 * 60);

/// How long to wait between two questions if the service does not say, and how much longer each time that it asks for it.
const INTERVAL: u64 = 5;

/// No service is asked more often or less often, in seconds.
const INTERVALS: std::ops::RangeInclusive<u64> = 1..=60;

/// How often in a row the service may be out of reach.
const FAILURES: u32 = 3;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct DeviceArgs {
    client_id: String,
    #[serde(default)]
    scopes: Vec<String>,
    device_url: String,
    token_url: String,
    #[serde(default)]
    params: BTreeMap<String, String>,
}

pub(crate) async fn device_code(call: &Arc<Call>) -> Result<Value, ApiError> {
    check_provider(call)?;
    let DeviceArgs { client_id, scopes, device_url, token_url, params } = call.args()?;
    let (device_url, token_url) = (endpoint(call, "deviceUrl", &device_url)?, endpoint(call, "tokenUrl", &token_url)?);
    let scope = (!scopes.is_empty()).then(|| ("scope", scopes.join(" ")));
    let form = parameters(params.clone(), [("client_id", client_id.clone())].into_iter().chain(scope))?;
    let started = match ask(call, &device_url, &form).await? {
        Answer::Fields(fields) => fields,
        Answer::Error(code) => return Err(refused(&code)),
    };
    let Started { device_code, interval, lifetime } = show(call, &started)?;
    let form = parameters(
        params,
        [
            ("grant_type", "urn:ietf:params:oauth:grant-type:device_code".to_owned()),
            ("client_id", client_id),
            ("device_code", device_code),
        ],
    )?;
    let signed_in = async {
        let (mut interval, mut failures, second) = (interval, 0, call.shared.limits.sign_in_second);
        loop {
            let seconds = interval.clamp(*INTERVALS.start(), *INTERVALS.end());
            tokio::time::sleep(second.saturating_mul(u32::try_from(seconds).unwrap_or(u32::MAX))).await;
            match ask(call, &token_url, &form).await {
                Ok(Answer::Fields(fields)) => return token(call, &fields),
                Ok(Answer::Error(code)) => match code.as_str() {
                    "authorization_pending" => failures = 0,
                    "slow_down" => (interval, failures) = (interval + INTERVAL, 0),
                    code => return Err(refused(code)),
                },
                // It may come back; RFC 8628, section 3.5
                Err(error) if error.code == ErrorCode::Io || error.code == ErrorCode::Timeout => {
                    failures += 1;
                    if failures == FAILURES {
                        return Err(error);
                    }
                    interval *= 2;
                }
                Err(error) => return Err(error),
            }
        }
    };
    tokio::time::timeout(lifetime, signed_in).await.unwrap_or_else(|_| Err(refused("expired_token")))
}

struct Started {
    device_code: String,
    interval: u64,
    lifetime: Duration,
}

/// Tells the person where to go and what to enter there.
fn show(call: &Arc<Call>, fields: &Map<String, Value>) -> Result<Started, ApiError> {
    let text = |name: &str| fields.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let missing = |what: &str| ApiError::new(ErrorCode::Io, format!("the service's answer has no usable `{what}`"));
    let device_code = text("device_code").ok_or_else(|| missing("device_code"))?.to_owned();
    let user_code = text("user_code").filter(|code| code.len() <= 64).ok_or_else(|| missing("user_code"))?;
    // Google calls it so
    let page = text("verification_uri").or(text("verification_url")).ok_or_else(|| missing("verification_uri"))?;
    let page = endpoint(call, "verification_uri", page)?;
    let seconds = |name: &str| fields.get(name).and_then(Value::as_f64).filter(|seconds| *seconds >= 0.0);
    let lifetime = seconds("expires_in").map_or(LONGEST, |seconds| Duration::from_secs_f64(seconds.min(3_600.0)));
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is neither large nor negative")]
    let interval = seconds("interval").map_or(INTERVAL, |seconds| seconds.min(60.0).ceil() as u64);
    call.note("page", word(page.host_str().map(Value::from).as_ref()));
    tell(call, &format!("to sign in, open {page} and enter the code {}", one_line(user_code)));
    Ok(Started { device_code, interval, lifetime: lifetime.min(LONGEST) })
}
