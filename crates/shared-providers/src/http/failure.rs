//! What services say when they refuse, for people: bounded, without control characters, without our secrets.

use std::time::Duration;

use serde_json::Value;

use crate::{ProviderError, ProviderHttpResponse, Secret};

/// How much of what a service said is shown, in characters.
const LONGEST: usize = 500;
/// Shorter ones are no secrets, and would tear words apart.
const SHORTEST_SECRET: usize = 6;
/// Nobody waits longer because a service says so.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3_600);

/// Something a service said about a failure, of whatever form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) message: String,
    /// `overloaded_error`, `insufficient_quota`, …
    pub(crate) kind: String,
}

impl Said {
    /// Takes a body apart: JSON in the forms that are common, a page of HTML, or plain text.
    pub(crate) fn read(body: &[u8], secrets: &[&Secret]) -> Self {
        let text = String::from_utf8_lossy(body);
        let text = text.trim();
        if let Ok(json) = serde_json::from_str::<Value>(text) {
            return Self::from_json(&json, secrets);
        }
        let message = if text.starts_with('<') {
            match title(text) {
                Some(title) => format!("a page of HTML, `{}`", title.trim()),
                None => "a page of HTML".to_owned(),
            }
        } else {
            text.to_owned()
        };
        Self { message: clean(&message, secrets), kind: String::new() }
    }

    pub(crate) fn from_json(json: &Value, secrets: &[&Secret]) -> Self {
        // Some services wrap their answer in a list
        let json = json.get(0).unwrap_or(json);
        let error = json.get("error").unwrap_or(json);
        let message = [error.get("message"), json.get("message"), json.get("detail"), Some(error)];
        let message = message.into_iter().flatten().find(|value| !value.is_null());
        let message = match message {
            Some(Value::String(text)) => text.clone(),
            Some(value) => {
                value.pointer("/0/msg").and_then(Value::as_str).map_or_else(|| value.to_string(), str::to_owned)
            }
            None => String::new(),
        };
        let kinds = ["code", "type", "status"].iter().filter_map(|key| error.get(key)?.as_str());
        Self { message: clean(&message, secrets), kind: kinds.collect::<Vec<_>>().join(" ") }
    }

    fn is(&self, kind: &str) -> bool {
        self.kind.contains(kind)
    }

    /// What a status and these words mean.
    pub(crate) fn error(self, provider: &str, status: u16, retry_after: Option<Duration>) -> ProviderError {
        let provider = provider.to_owned();
        let message = if self.message.is_empty() { "it said nothing".to_owned() } else { self.message.clone() };
        match status {
            401 => ProviderError::Unauthorized { provider },
            // A balance that is used up does not come back by waiting
            429 if self.is("insufficient_quota") => ProviderError::Rejected { provider, status, message },
            429 => ProviderError::RateLimited { provider, retry_after },
            408 | 409 | 425 | 500 | 502..=504 | 506..=599 => {
                ProviderError::Unavailable { provider, status, message, retry_after }
            }
            _ => ProviderError::Rejected { provider, status, message },
        }
    }

    /// The status that a service would have sent had it known of the failure before it began to answer.
    pub(crate) fn status(&self) -> u16 {
        match self.kind.as_str() {
            kind if kind.contains("overloaded") => 529,
            kind if kind.contains("rate_limit") || kind.contains("insufficient_quota") => 429,
            kind if kind.contains("authentication") || kind.contains("invalid_api_key") => 401,
            kind if kind.contains("permission") => 403,
            kind if kind.contains("not_found") => 404,
            kind if kind.contains("invalid_request") || kind.contains("context_length") => 400,
            _ => 500,
        }
    }
}

fn title(html: &str) -> Option<&str> {
    let lower = html.to_ascii_lowercase();
    let start = lower.find("<title")?;
    let start = start + lower[start..].find('>')? + 1;
    let end = start + lower[start..].find('<')?;
    html.get(start..end).filter(|title| !title.trim().is_empty())
}

/// A text of a service that may be shown to people.
pub(crate) fn clean(text: &str, secrets: &[&Secret]) -> String {
    let mut text = text.to_owned();
    for secret in secrets.iter().filter(|secret| secret.expose().len() >= SHORTEST_SECRET) {
        text = text.replace(secret.expose(), "…");
    }
    let words =
        text.split(|c: char| c.is_whitespace() || c.is_control() || is_invisible(c)).filter(|word| !word.is_empty());
    let text = words.collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

/// Marks that turn the direction of writing, or have no width.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// How long a service asks to wait. A date is not understood: there is no clock here.
pub(crate) fn retry_after(response: &ProviderHttpResponse) -> Option<Duration> {
    let number = |name: &str| response.header(name)?.trim().parse::<f64>().ok().filter(|number| *number >= 0.0);
    let seconds = number("retry-after-ms").map(|ms| ms / 1_000.0).or_else(|| number("retry-after"))?;
    Some(Duration::try_from_secs_f64(seconds).unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_form_of_an_error_is_read() {
        let check = |body: &str, message: &str, kind: &str| {
            let secret = Secret::new("sk-secret-1");
            let said = Said::read(body.as_bytes(), &[&secret]);
            assert_eq!((said.message.as_str(), said.kind.as_str()), (message, kind), "{body}");
        };
        check(
            r#"{"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}"#,
            "busy",
            "overloaded_error",
        );
        check(r#"{"error": {"message": "no", "code": "x", "type": "y"}}"#, "no", "x y");
        check(r#"{"error": {"message": "no", "code": 400, "status": "INVALID"}}"#, "no", "INVALID");
        check(r#"[{"error": {"message": "in a list"}}]"#, "in a list", "");
        check(r#"{"error": "model not found"}"#, "model not found", "");
        check(r#"{"message": "plain", "code": null}"#, "plain", "");
        check(r#"{"detail": [{"loc": ["body"], "msg": "field required"}]}"#, "field required", "");
        check(r#"{"detail": "Not Found"}"#, "Not Found", "");
        check("<html><head><Title >502 Bad\n Gateway</title>", "a page of HTML, `502 Bad Gateway`", "");
        check("<html>", "a page of HTML", "");
        check("  upstream\u{1b}[31m down\n\n ", "upstream [31m down", "");
        check("wrong key: sk-secret-1!", "wrong key: …!", "");
        check("", "", "");
        check(&"ä".repeat(600), &format!("{}…", "ä".repeat(500)), "");
    }

    #[test]
    fn a_status_says_whether_to_try_again() {
        let check = |status, kind: &str, retryable, free| {
            let said = Said { message: "m".to_owned(), kind: kind.to_owned() };
            let error = said.error("p", status, Some(Duration::from_secs(2)));
            assert_eq!((error.is_retryable(), error.is_free()), (retryable, free), "{status} {error}");
            assert_eq!(error.retry_after().is_some(), retryable, "{status}");
        };
        for (status, retryable) in [(400, false), (401, false), (403, false), (404, false), (408, true), (429, true)] {
            check(status, "", retryable, true);
        }
        for (status, retryable) in [(302, false), (500, true), (501, false), (503, true), (529, true)] {
            check(status, "", retryable, true);
        }
        check(429, "insufficient_quota", false, true);
    }

    #[test]
    fn a_conversation_that_is_too_long_is_told_apart() {
        for (message, expected) in [
            ("prompt is too long: 210000 tokens > 200000 maximum", true),
            ("This model's maximum context length is 8192 tokens.", true),
            ("the request exceeds the available context size", true),
            ("temperature is too high", false),
        ] {
            let said = Said::from_json(&json!({"error": {"message": message}}), &[]);
            assert_eq!(said.error("p", 400, None).is_too_long(), expected, "{message}");
        }
    }
}
