use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mimir_shared_config::{Access, Denial, PluginId};
use mimir_shared_platform::Guard;
use sha2::{Digest as _, Sha256};
use url::{Host, Url};

use crate::call::Call;
use crate::{ApiError, Effects, ErrorCode};

/// How every handle begins.
const PREFIX: &str = "mimir-secret-";

/// Hexadecimal digits of a handle after its beginning.
const DIGITS: usize = 32;

/// The shortest value that is taken for a secret. Shorter ones would be found by chance in what a server answers.
const SHORTEST: usize = 8;

/// How many secrets a plugin gets handles for.
const MOST: usize = 64;

/// The value of a secret. Nothing prints it.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretValue(String);

impl SecretValue {
    /// A value as it stands in the environment or in a file; line ends after it do not count.
    pub fn new(value: &str) -> Self {
        Self(value.trim_end_matches(['\r', '\n']).to_owned())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretValue")
    }
}

/// The handles that plugins hold in the place of secrets. A handle is worth nothing outside this process, and nothing to
/// another plugin.
#[derive(Default)]
pub(crate) struct Handles {
    by_handle: Mutex<HashMap<String, (PluginId, String)>>,
}

impl Handles {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, (PluginId, String)>> {
        self.by_handle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The handle of a secret for a plugin. It says nothing about the secret, not even whether there is one.
    pub(crate) fn handle(&self, call: &Arc<Call>, name: &str) -> Result<String, ApiError> {
        let is_word = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if name.is_empty() || name.len() > 200 || !is_word {
            return Err(ApiError::invalid("the name of a secret is made of letters, digits and `_`"));
        }
        let plugin = &call.plugin.id;
        let mut by_handle = self.lock();
        let mut own = by_handle.iter().filter(|(_, (owner, _))| owner == plugin);
        if let Some((handle, _)) = own.clone().find(|(_, (_, of))| of == name) {
            return Ok(handle.clone());
        }
        if own.by_ref().count() >= MOST {
            return Err(ApiError::limit(format!("there are handles for {MOST} secrets already")));
        }
        let mut bytes = [0; DIGITS / 2];
        if matches!(call.shared.effects, Effects::Recorded(_)) {
            // The same in every replay, so that what was recorded with it is found again. Nothing is sent.
            let hash = Sha256::digest(format!("{plugin} {name}"));
            bytes.copy_from_slice(&hash[..DIGITS / 2]);
        } else {
            let failed = |_| ApiError::new(ErrorCode::Io, "the system has no random numbers");
            getrandom::fill(&mut bytes).map_err(failed)?;
        }
        let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let handle = format!("{PREFIX}{digits}");
        by_handle.insert(handle.clone(), (plugin.clone(), name.to_owned()));
        Ok(handle)
    }

    /// Refuses handles where they would be sent as they are: the author has meant something else.
    pub(crate) fn refuse_outside_headers(
        &self,
        plugin: &PluginId,
        url: &Url,
        headers: &[(String, String)],
        body: Option<&[u8]>,
    ) -> Result<(), ApiError> {
        let handles = self.lock();
        let mut own = handles.iter().filter(|(_, (owner, _))| owner == plugin).map(|(handle, _)| handle);
        let place = own.find_map(|handle| {
            let is_in_name = || headers.iter().any(|(name, _)| name.to_ascii_lowercase().contains(handle.as_str()));
            let is_in_body = |body: &[u8]| body.windows(handle.len()).any(|part| part == handle.as_bytes());
            match () {
                () if url.as_str().contains(handle.as_str()) => Some("URL"),
                () if is_in_name() => Some("header's name"),
                () if body.is_some_and(is_in_body) => Some("body"),
                () => None,
            }
        });
        match place {
            Some(place) => Err(ApiError::invalid(format!(
                "the handle of a secret stands in the {place}, but it is only replaced in the values of headers"
            ))),
            None => Ok(()),
        }
    }

    /// Puts the secrets in the place of their handles, for a request to `url`, and gives those that it needed.
    pub(crate) fn fill(
        &self,
        call: &Arc<Call>,
        url: &Url,
        headers: &mut [(String, String)],
    ) -> Result<Vec<SecretValue>, ApiError> {
        let mut found = Vec::new();
        for (header, value) in headers {
            let mut filled = String::new();
            let mut rest = value.as_str();
            while let Some((before, handle, after)) = next_handle(rest) {
                let name =
                    self.lock().get(handle).filter(|(owner, _)| *owner == call.plugin.id).map(|(_, n)| n.clone());
                let name = name.ok_or_else(|| {
                    ApiError::invalid(format!("the header `{header}` holds a handle that is none of this plugin's"))
                })?;
                let secret = self.value(call, &name, url)?;
                filled.push_str(before);
                filled.push_str(secret.as_str());
                call.shared.redaction.remember(secret.clone());
                found.push(secret);
                rest = after;
            }
            filled.push_str(rest);
            *value = filled;
        }
        Ok(found)
    }

    fn value(&self, call: &Arc<Call>, name: &str, url: &Url) -> Result<SecretValue, ApiError> {
        if Guard::SecretHosts.stands() {
            // Neither path nor query belong into what a refusal says
            call.check(&Access::Secret {
                name: name.to_owned(),
                url: format!("{}/", url.origin().ascii_serialization()),
            })?;
            if url.scheme() != "https" && !is_this_machine(url) {
                let denial = Denial {
                    capability: "secrets".to_owned(),
                    reason: format!("the secret `{name}` is sent over https alone, or to this machine itself"),
                    hint: None,
                };
                return Err(ApiError::denied("fetch", denial));
            }
        }
        let value = call.shared.ports.secrets.value(name)?.ok_or_else(|| {
            ApiError::new(ErrorCode::NotFound, format!("there is no secret `{name}`"))
                .with_hint("set a variable of this name in Mimir's environment, or name it in ~/.mimir/secrets.yml")
        })?;
        let problem = match value.as_str() {
            text if text.len() < SHORTEST => Some(format!("is shorter than {SHORTEST} characters")),
            text if !text.bytes().all(|b| (0x20..0x7f).contains(&b)) => {
                Some("has characters that no header can carry".to_owned())
            }
            _ => None,
        };
        match problem {
            Some(problem) => Err(ApiError::invalid(format!("the secret `{name}` {problem}"))),
            None => Ok(value),
        }
    }
}

/// Whether the URL names this machine itself, in any of the ways that need no resolver.
pub(crate) fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.strip_suffix('.').unwrap_or(name);
            name == "localhost" || name.ends_with(".localhost")
        }
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.to_canonical().is_loopback(),
        None => false,
    }
}

/// Whether a text holds what looks like a handle.
pub(crate) fn holds_handle(text: &str) -> bool {
    next_handle(text).is_some()
}

/// What stands before the first handle, the handle, and what stands after it.
fn next_handle(text: &str) -> Option<(&str, &str, &str)> {
    let mut from = 0;
    while let Some(at) = text.get(from..)?.find(PREFIX) {
        let start = from + at;
        let end = start + PREFIX.len() + DIGITS;
        let is_handle = text
            .get(start + PREFIX.len()..end)
            .is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)));
        if is_handle {
            return Some((&text[..start], &text[start..end], &text[end..]));
        }
        from = start + PREFIX.len();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_handles_in_headers() {
        let handle = format!("{PREFIX}{}", "0a".repeat(16));
        let check = |text: &str, expected: Option<(&str, &str)>| {
            let found = next_handle(text).map(|(before, found, after)| {
                assert_eq!(found, handle);
                (before, after)
            });
            assert_eq!(found, expected, "{text}");
        };
        check(&handle, Some(("", "")));
        check(&format!("Bearer {handle}"), Some(("Bearer ", "")));
        check(&format!("a={handle}; b={handle}"), Some(("a=", &format!("; b={handle}"))));
        check(&format!("{PREFIX}ü {PREFIX}{handle}"), Some((&format!("{PREFIX}ü {PREFIX}"), "")));
        check(&handle.to_uppercase(), None);
        check(&handle[..handle.len() - 1], None);
        check("", None);
    }

    #[test]
    fn a_value_is_not_printed() {
        assert_eq!(format!("{:?}", SecretValue::new("hunter2hunter2\n")), "SecretValue");
        assert_eq!(SecretValue::new("hunter2\r\n").as_str(), "hunter2");
    }
}
