//! What helps an auth provider with OAuth: the host asks the servers and the person, within the plugin's right to the network,
//! and only while the provider is asked for a token.

mod browser;
mod device;
mod token;

use std::collections::BTreeMap;
use std::sync::Arc;

use mimir_shared_config::Access;
use mimir_shared_platform::{Level, Notice};
use serde_json::Value;
use url::Url;

pub(crate) use self::browser::browser;
pub(crate) use self::device::device_code;
pub(crate) use self::token::refresh;

use crate::call::Call;
use crate::secrets::is_this_machine;
use crate::{ApiError, ErrorCode};

/// Characters of any parameter.
const PARAMETER: usize = 4_096;

/// How many further parameters may go along.
const PARAMETERS: usize = 16;

/// Refuses everyone but an auth provider that is asked for a token: no other call may ask people to sign in.
fn check_provider(call: &Call) -> Result<(), ApiError> {
    if call.origin.auth.is_some() {
        return Ok(());
    }
    Err(ApiError::new(ErrorCode::Unsupported, "`config.oauth` works while an auth provider is asked for its token"))
}

/// An address of the service that the plugin signs in to. What goes there is secret.
fn endpoint(call: &Call, what: &str, text: &str) -> Result<Url, ApiError> {
    let url = Url::parse(text).map_err(|error| ApiError::invalid(format!("`{what}` is no URL: {error}")))?;
    if url.scheme() != "https" && !(url.scheme() == "http" && is_this_machine(&url)) {
        return Err(ApiError::invalid(format!("`{what}` has to begin with https://")));
    }
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return Err(ApiError::invalid(format!("`{what}` holds a name, a password or a fragment")));
    }
    call.check(&Access::Net { url: url.to_string() })?;
    Ok(url)
}

/// The parameters of a request: the plugin's own, and then those of the protocol, which it can't replace.
fn parameters(
    own: BTreeMap<String, String>,
    protocol: impl IntoIterator<Item = (&'static str, String)>,
) -> Result<BTreeMap<String, String>, ApiError> {
    if own.len() > PARAMETERS {
        return Err(ApiError::limit(format!("`params` has more than {PARAMETERS} entries")));
    }
    let mut all = own;
    all.extend(protocol.into_iter().map(|(name, value)| (name.to_owned(), value)));
    let is_too_long = |(name, value): (&String, &String)| name.len() > PARAMETER || value.len() > PARAMETER;
    if all.iter().any(is_too_long) {
        return Err(ApiError::limit(format!("a parameter has more than {PARAMETER} characters")));
    }
    Ok(all)
}

fn encoded(parameters: &BTreeMap<String, String>) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish()
}

/// Shows something to the person, in the name of the plugin.
fn tell(call: &Arc<Call>, message: &str) {
    let from = Some(call.plugin.id.as_str());
    call.shared.ports.notifier.notify(&Notice { level: Level::Info, from, message });
}

/// A word of a server's for an error's message: what it is of, not what it says.
fn word(value: Option<&Value>) -> String {
    let word = value.and_then(Value::as_str).unwrap_or_default();
    word.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')).take(64).collect()
}
