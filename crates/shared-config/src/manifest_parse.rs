use std::collections::HashSet;
use std::time::Duration;

use serde_json::Value;

use crate::check::{self, Findings, Wrong, key_path};
use crate::error::ConfigError;
use crate::limits::MAX_RAISE;
use crate::matchers::{HostPattern, restricted_problem};
use crate::problem::InvalidFile;
use crate::yaml::PathPart;
use crate::{Limits, Millis, PluginManifest, schema};

impl PluginManifest {
    /// Reads a manifest. `file_name` is only for messages.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] with all that is wrong: an unknown key or event, a missing key, a value of another kind,
    /// a version, range, host or glob that is none, settings that are no JSON Schema.
    pub fn parse(file_name: &str, text: &str) -> Result<Self, ConfigError> {
        check::read(text, &schema::MANIFEST, find_more)
            .map(|(manifest, _)| manifest)
            .map_err(|problems| ConfigError::invalid(InvalidFile::new(file_name, text, problems)))
    }

    /// What is wrong with the settings that a user wrote for this plugin, one line each, by the manifest's `options`.
    /// Nothing is wrong where there is no such schema.
    pub fn check_options(&self, options: &Value) -> Vec<String> {
        let Some(schema) = &self.options else { return Vec::new() };
        let Ok(schema) = serde_json::to_value(schema) else { return Vec::new() };
        match jsonschema::options().with_draft(jsonschema::Draft::Draft202012).build(&schema) {
            Ok(validator) => validator
                .iter_errors(options)
                .map(|error| match error.instance_path().as_str() {
                    "" => error.to_string(),
                    pointer => format!("{}: {error}", pointer.trim_start_matches('/').replace('/', ".")),
                })
                .collect(),
            Err(error) => vec![format!("the manifest's `options` is no JSON Schema: {error}")],
        }
    }
}

fn find_more(findings: &mut Findings<'_>) {
    findings.check_text(&["version"], check_version);
    findings.check_text(&["engines", "mimir"], check_range);
    findings.check_text(&["main"], check_main);
    check_capabilities(findings, &["capabilities"]);
    check_limits(findings, &["limits"]);
    check_order(findings);
    check_options_schema(findings);
    check_unseen(findings);
}

fn check_version(text: &str) -> Result<(), Wrong> {
    let is_version = nodejs_semver::Version::parse(text).is_ok();
    is_version.then_some(()).ok_or_else(|| {
        Wrong::new(format!("`{text}` is no version")).with_help("write three numbers, as npm does: 1.0.0")
    })
}

fn check_range(text: &str) -> Result<(), Wrong> {
    let is_range = nodejs_semver::Range::parse(text).is_ok();
    is_range.then_some(()).ok_or_else(|| {
        Wrong::new(format!("`{text}` is no range of versions")).with_help("write it as npm does: ^1.2.0, >=0.1 <2")
    })
}

/// The module has to lie in the plugin's folder, for the content hash covers nothing else.
fn check_main(text: &str) -> Result<(), Wrong> {
    let is_inside = !text.is_empty()
        && !text.starts_with(['/', '\\', '~'])
        && !text.contains([':', '\0'])
        && !text.split(['/', '\\']).any(|part| part == "..");
    is_inside.then_some(()).ok_or_else(|| {
        Wrong::new(format!("`{text}` does not lie in the plugin's folder"))
            .with_help("write a path such as ./src/index.ts")
    })
}

/// What no schema can say about `capabilities`, wherever they stand.
pub(crate) fn check_capabilities(findings: &mut Findings<'_>, at: &[&str]) {
    let keys = |more: &[&'static str]| at.iter().chain(more).copied().collect::<Vec<_>>();
    findings.check_texts(&keys(&["filesystem", "restricted"]), |glob| {
        restricted_problem(glob).map_or(Ok(()), |problem| Err(Wrong::new(problem)))
    });
    findings.check_texts(&keys(&["network", "allowlist"]), check_host);
    findings.check_texts(&keys(&["exec", "allowlist"]), |glob| check_not_empty(glob, "command line"));
    findings.check_texts(&keys(&["docker", "images"]), |glob| {
        check_not_empty(glob, "image")?;
        let is_pattern = !glob.contains(char::is_whitespace) && !glob.contains("://");
        let wrong = || Wrong::new(format!("`{glob}` is no image")).with_help("write node:22 or ghcr.io/example/*");
        is_pattern.then_some(()).ok_or_else(wrong)
    });
    findings.check_texts(&keys(&["llm", "models"]), |glob| check_not_empty(glob, "model"));
    findings.check_texts(&keys(&["tools"]), |glob| {
        check_not_empty(glob, "tool")?;
        let is_pattern = glob.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'*' | b'?'));
        let wrong = || Wrong::new(format!("`{glob}` is no name of a tool")).with_help("write read or mcp_github_*");
        is_pattern.then_some(()).ok_or_else(wrong)
    });
    check_secrets(findings, &keys(&["secrets"]));
    findings.check_texts(&keys(&["env"]), |name| {
        let is_name = !name.is_empty() && !name.contains(['=', '\0', '*']);
        let wrong = || Wrong::new(format!("`{name}` is no name of a variable")).with_help("name each variable in full");
        is_name.then_some(()).ok_or_else(wrong)
    });
}

fn check_host(host: &str) -> Result<(), Wrong> {
    let result = host.parse::<HostPattern>();
    result.map(drop).map_err(|error| {
        Wrong::new(error.to_string()).with_help("write api.example.com, *.example.com or http://localhost:3000")
    })
}

/// A name is half of what a plugin writes into a header, so it has to be a plain word; and two entries of one name would
/// hide from a reader how far it goes.
fn check_secrets(findings: &mut Findings<'_>, at: &[&str]) {
    let Some(Value::Array(secrets)) = findings.value(at) else { return };
    let mut seen = HashSet::new();
    let mut found = Vec::new();
    for (index, secret) in secrets.iter().enumerate() {
        if let Some(name) = secret.get("name").and_then(Value::as_str) {
            let is_word = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
            if !is_word || name.is_empty() || name.starts_with(|first: char| first.is_ascii_digit()) {
                let wrong = Wrong::new(format!("`{name}` is no name of a secret"));
                found.push((index, vec![key("name")], wrong.with_help("write it as a variable's: API_TOKEN")));
            } else if !seen.insert(name.to_owned()) {
                let wrong = Wrong::new(format!("the secret `{name}` is listed twice"));
                found.push((index, vec![key("name")], wrong.with_help("name all its hosts in one entry")));
            }
        }
        let hosts = secret.get("hosts").and_then(Value::as_array);
        if hosts.is_some_and(Vec::is_empty) {
            let wrong = Wrong::new("a secret without hosts can be sent nowhere");
            found.push((index, vec![key("hosts")], wrong.with_help("write hosts: [api.example.com]")));
        }
        for (place, host) in hosts.into_iter().flatten().enumerate() {
            if let Some(Err(wrong)) = host.as_str().map(check_host) {
                found.push((index, vec![key("hosts"), PathPart::Index(place)], wrong));
            }
        }
    }
    for (index, rest, wrong) in found {
        let mut path = key_path(at);
        path.push(PathPart::Index(index));
        path.extend(rest);
        findings.add(&path, wrong);
    }
}

fn key(name: &str) -> PathPart {
    PathPart::Key(name.to_owned())
}

fn check_not_empty(text: &str, what: &str) -> Result<(), Wrong> {
    if text.trim().is_empty() { Err(Wrong::new(format!("an empty entry matches no {what}"))) } else { Ok(()) }
}

/// A limit beyond what anyone could grant is a mistake.
pub(crate) fn check_limits(findings: &mut Findings<'_>, at: &[&str]) {
    let defaults = Limits::default();
    let check_time = |findings: &mut Findings<'_>, key: &'static str, default: Duration| {
        check_limit::<Millis>(
            findings,
            at,
            key,
            |value| value.duration() <= default * MAX_RAISE,
            || Millis(u64::try_from((default * MAX_RAISE).as_millis()).unwrap_or(u64::MAX)).to_string(),
        );
    };
    check_time(findings, "cpu", defaults.cpu);
    check_time(findings, "time", defaults.event);
    check_time(findings, "init", defaults.init);
    let most = defaults.heap as u64 * u64::from(MAX_RAISE);
    check_limit::<crate::Bytes>(findings, at, "memory", |value| value.0 <= most, || crate::Bytes(most).to_string());
}

fn check_limit<T: serde::de::DeserializeOwned>(
    findings: &mut Findings<'_>,
    at: &[&str],
    key: &str,
    is_possible: impl Fn(&T) -> bool,
    most: impl Fn() -> String,
) {
    let keys = at.iter().copied().chain([key]).collect::<Vec<_>>();
    let Some(value) = findings.value(&keys) else { return };
    let Ok(amount) = T::deserialize(value) else { return };
    if !is_possible(&amount) {
        let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let wrong =
            Wrong::new(format!("`{shown}` is more than anyone can grant")).with_help(format!("the most is {}", most()));
        findings.add(&key_path(&keys), wrong);
    }
}

fn check_order(findings: &mut Findings<'_>) {
    let Some(name) = findings.value(&["name"]).and_then(Value::as_str).map(str::to_owned) else { return };
    for key in ["before", "after"] {
        findings.check_texts(&[key], |other| {
            if other == name { Err(Wrong::new("a plugin cannot come before or after itself")) } else { Ok(()) }
        });
    }
}

/// A variable that is in the plugin's environment is seen by it. A policy may well allow both ways.
fn check_unseen(findings: &mut Findings<'_>) {
    let names = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
    let secrets = names(findings.value(&["capabilities", "secrets"]));
    let secrets = secrets.iter().filter_map(|secret| secret.get("name")?.as_str()).collect::<Vec<_>>();
    findings.check_texts(&["capabilities", "env"], |name| {
        if secrets.contains(&name) {
            let wrong = Wrong::new(format!("`{name}` is a secret, which the plugin would see in its environment"));
            Err(wrong.with_help("keep it under `env` or under `secrets`"))
        } else {
            Ok(())
        }
    });
}

fn check_options_schema(findings: &mut Findings<'_>) {
    let Some(schema @ Value::Object(_)) = findings.value(&["options"]) else { return };
    if let Err(error) = jsonschema::options().with_draft(jsonschema::Draft::Draft202012).build(schema) {
        let mut path = key_path(&["options"]);
        path.extend(check::path_of(error.instance_path().as_str(), schema));
        let wrong = Wrong::new("this is no JSON Schema of the plugin's settings").with_help(error.to_string());
        findings.add(&path, wrong);
    }
}
