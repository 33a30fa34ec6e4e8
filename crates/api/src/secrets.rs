//! What looks like a secret, and how it is kept out of logs and of what plugins see.

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
