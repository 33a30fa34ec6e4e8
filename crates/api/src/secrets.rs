//! Secrets: what looks like one, and how it is kept out of logs and of what plugins see; and those that a plugin may send
//! without seeing them.

mod cover;
mod handles;

use std::borrow::Cow;

pub(crate) use cover::Cover;
pub use handles::SecretValue;
pub(crate) use handles::{Handles, holds_handle, is_this_machine};

/// Parts of a name that say that a secret stands beneath it.
const SECRET_NAMES: &[&str] =
    &["token", "key", "secret", "password", "passwd", "passphrase", "credential", "authorization", "bearer", "cookie"];

/// How the keys of well-known services begin.
const KEY_PREFIXES: &[&str] = &[
    "sk-",
    "sk_",
    "pk_",
    "rk_",
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "xoxb-",
    "xoxp-",
    "xoxa-",
    "xapp-",
    "AKIA",
    "ASIA",
    "AIza",
    "ya29.",
    "npm_",
    "pypi-",
    "hf_",
    "eyJ",
    "Bearer ",
    "Basic ",
];

/// The shortest run of letters and digits that is taken for a key by its looks alone; below are many ordinary names.
const OPAQUE_CHARS: usize = 32;

/// What stands in the place of a secret.
pub(crate) const REDACTED: &str = "[removed]";

pub(crate) fn is_secret_name(name: &str) -> bool {
    let name = name.to_lowercase();
    SECRET_NAMES.iter().any(|part| name.contains(part))
}

pub(crate) fn looks_like_secret(value: &str) -> bool {
    let value = value.trim();
    (value.len() >= 16 && KEY_PREFIXES.iter().any(|prefix| value.starts_with(prefix)))
        || value.contains("-----BEGIN ")
        || has_password(value)
        || is_opaque(value)
}

/// `scheme://user:password@host`
fn has_password(value: &str) -> bool {
    value.split_once("://").is_some_and(|(_, rest)| {
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
    })
}

/// Long, of letters and digits mixed, without anything that would make words of it.
fn is_opaque(value: &str) -> bool {
    value.len() >= OPAQUE_CHARS
        && value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'=' | b'_' | b'-'))
        && value.bytes().any(|b| b.is_ascii_digit())
        && value.split(['-', '_']).any(|run| {
            run.len() >= 20
                && run.bytes().filter(u8::is_ascii_digit).count() * 8 >= run.len()
                && run.bytes().any(|b| b.is_ascii_alphabetic())
        })
}

/// A text for people and logs, without what looks like a secret wherever it stands: what follows a name that says so
/// (`API_KEY=…`, `"token": "…"`, `--password …`, `Authorization: …`), keys and tokens by their forms, the credentials of
/// URLs, and private keys from their first line to their last.
pub fn redacted_text(text: &str) -> Cow<'_, str> {
    if !may_hold_secret(text) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("-----BEGIN ") {
        redact_words(&rest[..at], &mut shown);
        shown.push_str(REDACTED);
        let end = rest[at..].find("-----END ").map_or(rest.len(), |end| at + end);
        let line = rest[end..].find('\n').map_or(rest.len(), |line| end + line);
        rest = &rest[line..];
    }
    redact_words(rest, &mut shown);
    Cow::Owned(shown)
}

/// Whether a text holds what looks like a secret.
pub(crate) fn holds_secret(text: &str) -> bool {
    looks_like_secret(text) || redacted_text(text) != text
}

/// A quick look, since most texts hold none.
fn may_hold_secret(text: &str) -> bool {
    let lower = text.to_lowercase();
    SECRET_NAMES.iter().any(|part| lower.contains(part))
        || KEY_PREFIXES.iter().any(|prefix| text.contains(prefix))
        || text.contains("://")
        || text.contains("-----BEGIN ")
        || text.split(|c: char| !is_word_char(c)).any(is_opaque)
}

fn is_word_char(c: char) -> bool {
    !c.is_whitespace()
        && !matches!(c, '"' | '\'' | '`' | ',' | ';' | '(' | ')' | '[' | ']' | '{' | '}' | '<' | '>' | '=')
}

/// Words, with whatever is between them as it is.
fn redact_words(text: &str, shown: &mut String) {
    // A secret is expected: after a name of one. Words such as `Bearer` stand between them.
    let mut is_expected = false;
    let mut rest = text;
    while !rest.is_empty() {
        let gap = rest.find(is_word_char).unwrap_or(rest.len());
        let (between, after) = rest.split_at(gap);
        shown.push_str(between);
        // A name counts up to the end of its line or of what it stands in
        is_expected &= !between.contains(['\n', ',', ';', '}', ']', ')']);
        let end = after.find(|c| !is_word_char(c)).unwrap_or(after.len());
        let (word, next) = after.split_at(end);
        let is_followed_by_value = next.trim_start_matches(['"', '\'', '`']).trim_start().starts_with(['=', ':']);
        is_expected = redact_word(word, is_expected, is_followed_by_value, shown);
        rest = next;
    }
}

/// One word; whether a secret is expected after it.
fn redact_word(word: &str, is_expected: bool, is_followed_by_value: bool, shown: &mut String) -> bool {
    let is_scheme = ["bearer", "basic", "token", "digest"].contains(&word.to_ascii_lowercase().as_str());
    if word.is_empty() || word == ":" {
        shown.push_str(word);
        return is_expected;
    }
    if is_expected && is_scheme {
        shown.push_str(word);
        return true;
    }
    if is_expected && !word.starts_with('-') && !is_plain(word) {
        shown.push_str(REDACTED);
        return false;
    }
    if let Some((scheme, rest)) = word.split_once("://") {
        redact_url(scheme, rest, shown);
        return rest.rsplit(['?', '&', '#']).next().is_some_and(is_secret_name) && is_followed_by_value;
    }
    // `name:value` in one word; a name by itself is looked at below
    if let Some((name, value)) = word.split_once(':').filter(|(_, value)| !value.is_empty())
        && is_secret_name(name)
        && !is_plain(value)
    {
        shown.push_str(name);
        shown.push(':');
        shown.push_str(REDACTED);
        return false;
    }
    if looks_like_secret(word) {
        shown.push_str(REDACTED);
        return false;
    }
    shown.push_str(word);
    let is_named = is_secret_name(word) && !is_plain_name(word);
    is_named && (is_followed_by_value || word.ends_with(':') || word.starts_with('-')) || word == "Bearer"
}

/// Numbers and switches are no secrets: `maxTokens: 1000`.
fn is_plain(value: &str) -> bool {
    matches!(value, "true" | "false" | "null" | "undefined" | "none") || value.parse::<f64>().is_ok()
}

/// Names that only sound like a secret's.
fn is_plain_name(name: &str) -> bool {
    matches!(name.trim_end_matches(':').to_ascii_lowercase().as_str(), "keyboard" | "keyword" | "keywords" | "keys")
}

/// A URL without its user, and without the values of its query that are named as secrets or look like them.
fn redact_url(scheme: &str, rest: &str, shown: &mut String) {
    shown.push_str(scheme);
    shown.push_str("://");
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    match authority.rsplit_once('@') {
        Some((_, host)) => {
            shown.push_str(REDACTED);
            shown.push('@');
            shown.push_str(host);
        }
        None => shown.push_str(authority),
    }
    for part in path.split_inclusive(['/', '?', '&', '#']) {
        let text = part.trim_end_matches(['/', '?', '&', '#']);
        if looks_like_secret(text) {
            shown.push_str(REDACTED);
            shown.push_str(&part[text.len()..]);
        } else {
            shown.push_str(part);
        }
    }
}

/// A command line for the log: without what looks like a secret, and without what follows an option that names one.
pub(crate) fn redacted_argv(argv: &[String]) -> Vec<String> {
    let mut follows_name = false;
    argv.iter()
        .map(|arg| {
            let is_value = std::mem::replace(&mut follows_name, false) && !arg.starts_with('-');
            if is_value || looks_like_secret(arg) {
                return REDACTED.to_owned();
            }
            match arg.split_once(['=', ':']) {
                Some((name, value)) if !value.is_empty() && (is_secret_name(name) || looks_like_secret(value)) => {
                    format!("{name}{}{REDACTED}", &arg[name.len()..=name.len()])
                }
                Some(_) => arg.clone(),
                None => {
                    follows_name = arg.starts_with('-') && is_secret_name(arg);
                    arg.clone()
                }
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_secrets_by_their_looks() {
        for secret in [
            "sk-ant-api03-abcdefghijklmnop",
            "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
            "AKIAIOSFODNN7EXAMPLE",
            "eyJhbGciOiJIUzI1NiJ9.e30.x",
            "-----BEGIN OPENSSH PRIVATE KEY-----\nabc",
            "postgres://user:pass@db.example.com/x",
            "https://user:pass@example.com",
            "d41d8cd98f00b204e9800998ecf8427e",
            "Bearer abcdefghijkl",
        ] {
            assert!(looks_like_secret(secret), "{secret}");
        }
        for plain in [
            "",
            "sk-short",
            "claude-sonnet-4-5-20250929",
            "https://api.example.com/v1",
            "git@github.com:owner/repository.git",
            "./plugins/my-local-plugin-with-a-very-long-name",
            "this-is-a-very-long-name-without-any-digits-in-it",
            "mimir-plugin-formatter-for-typescript-5-and-later",
            "The quick brown fox jumps over the lazy dog 12345678901234567890",
        ] {
            assert!(!looks_like_secret(plain), "{plain}");
        }
    }

    #[test]
    fn texts_lose_their_secrets() {
        let check = |text: &str, expected: &str| assert_eq!(redacted_text(text), expected);
        check("", "");
        check(
            "nothing to hide: 42 files, https://example.com/a?b=c",
            "nothing to hide: 42 files, https://example.com/a?b=c",
        );
        check("API_KEY=abc PORT=80", "API_KEY=[removed] PORT=80");
        check("export TOKEN='abc'; run", "export TOKEN='[removed]'; run");
        check(r#"{"apiKey":"abc","port":1}"#, r#"{"apiKey":"[removed]","port":1}"#);
        check(
            r#"{"a":{"client_secret" : "abc"}, "maxTokens": 1000}"#,
            r#"{"a":{"client_secret" : "[removed]"}, "maxTokens": 1000}"#,
        );
        check("Authorization: Bearer abc, next", "Authorization: Bearer [removed], next");
        check("curl -H 'Authorization: Basic YTpi' x", "curl -H 'Authorization: Basic [removed]' x");
        check("curl -H authorization:abc x", "curl -H authorization:[removed] x");
        check("login --token abc --force", "login --token [removed] --force");
        check("login --token --force", "login --token --force");
        check("postgres://user:pass@db.test/x failed", "postgres://[removed]@db.test/x failed");
        check("https://ghp_abcdefghijklmnop@github.com/x", "https://[removed]@github.com/x");
        check("GET https://a.test/?access_token=abc&b=c", "GET https://a.test/?access_token=[removed]=c");
        check("got ghp_abcdefghijklmnopqrstuvwxyz0123456789.", "got [removed]");
        check("jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln!", "jwt [removed]");
        check("a\n-----BEGIN RSA PRIVATE KEY-----\nMII\nabc\n-----END RSA PRIVATE KEY-----\nb", "a\n[removed]\nb");
        check("-----BEGIN PRIVATE KEY-----\nMII", "[removed]");
        check("tokens: 12, keys: 3, password: true", "tokens: 12, keys: 3, password: true");
        check("the token is missing", "the token is missing");
    }

    #[test]
    fn command_lines_lose_their_secrets() {
        let check = |argv: &[&str], expected: &str| {
            let argv: Vec<String> = argv.iter().map(|arg| (*arg).to_owned()).collect();
            assert_eq!(redacted_argv(&argv).join(" "), expected);
        };
        check(&["git", "status"], "git status");
        check(&["login", "--token", "abc", "-u", "me"], "login --token [removed] -u me");
        check(&["login", "--token", "--force"], "login --token --force");
        check(&["x", "--api-key=abc", "PASSWORD=1", "a=b"], "x --api-key=[removed] PASSWORD=[removed] a=b");
        check(
            &["curl", "-H", "Authorization: Bearer abc", "https://u:p@x.de"],
            "curl -H Authorization:[removed] [removed]",
        );
    }
}
