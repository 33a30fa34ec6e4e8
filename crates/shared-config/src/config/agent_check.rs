//! What no schema can say about the keys of the agent.

use serde_json::{Map, Value};
use url::{Host, Url};

use super::agent::SCRIPTED_MODEL;
use super::merge_agent::wrong_tokens;
use crate::check::{Findings, Wrong};
use crate::{InvalidPermissionRule, PermissionRule, is_public_address};

pub(super) fn check(findings: &mut Findings<'_>) {
    findings.check_text(&["model"], model);
    for key in ["allow", "block"] {
        findings.check_texts(&["permissions", key], |text| {
            let rule = text.parse::<PermissionRule>();
            rule.map(drop).map_err(|error: InvalidPermissionRule| match &error.help {
                Some(help) => Wrong::new(error.to_string()).with_help(help),
                None => Wrong::new(error.to_string()),
            })
        });
    }
    if let Some(wrong) = number(findings, &["compaction", "contextTokens"]).and_then(wrong_tokens) {
        let help = "write 0.8 for four fifths, or a number such as 150000";
        findings.add(&crate::check::key_path(&["compaction", "contextTokens"]), Wrong::new(wrong).with_help(help));
    }
    findings.check_texts(&["tools", "disabled"], tool_name);
    for name in names(findings, &["providers"]) {
        provider(findings, &name);
    }
    for role in names(findings, &["agents"]) {
        if !is_lower_name(&role) {
            let wrong = Wrong::new(format!("`{}` is no name of a role", shown(&role)));
            findings.add_key(&["agents"], &role, wrong.with_help("use lower-case letters, digits and `-`"));
        }
        findings.check_text(&["agents", &role, "model"], model);
        findings.check_texts(&["agents", &role, "tools"], tool_name);
    }
    for name in names(findings, &["mcp", "servers"]) {
        server(findings, &name);
    }
}

fn provider(findings: &mut Findings<'_>, name: &str) {
    if !is_lower_name(name) {
        let wrong = Wrong::new(format!("`{}` is no name of a provider", shown(name)));
        findings.add_key(&["providers"], name, wrong.with_help("use lower-case letters, digits and `-`"));
    }
    if name == SCRIPTED_MODEL {
        findings.add_key(&["providers"], name, Wrong::new("`scripted` is the model that comes with Mimir"));
    }
    let keys = ["providers", name];
    for key in names(findings, &keys).into_iter().filter(|key| is_key(key)) {
        let wrong = Wrong::new(format!("a key does not stand in this file: `{}`", shown(&key)));
        let help = "name the variable that holds it (`apiKeyEnv: NAME`), or put it in ~/.mimir/secrets.yml and name it here \
                    (`secret: NAME`)";
        findings.replace_key(&keys, &key, wrong.with_help(help));
    }
    findings.check_text(&["providers", name, "baseUrl"], base_url);
    findings.check_text(&["providers", name, "apiKeyEnv"], variable);
    findings.check_text(&["providers", name, "secret"], variable);
    findings.check_text(&["providers", name, "auth"], auth_provider);
    let said = ["auth", "apiKeyEnv", "secret"].map(|key| findings.value(&["providers", name, key]).is_some());
    if let [true, variable, secret] = said
        && (variable || secret)
    {
        let key = if variable { "apiKeyEnv" } else { "secret" };
        let wrong = Wrong::new("a plugin gives the token, and there is a key as well");
        findings.add_key(&keys, key, wrong.with_help(format!("keep `auth` or `{key}`")));
    }
    if let [_, true, true] = said {
        let wrong = Wrong::new("the key is in a variable and in ~/.mimir/secrets.yml");
        findings.add_key(&keys, "secret", wrong.with_help("keep `apiKeyEnv` or `secret`"));
    }
    headers(findings, &["providers", name, "headers"], "name it by `apiKeyEnv` or `secret`");
}

/// Headers that stand in the file. `help` says where one goes that holds a key.
fn headers(findings: &mut Findings<'_>, keys: &[&str], help: &str) {
    for header in names(findings, keys) {
        if holds_key(&header) {
            let wrong =
                Wrong::new(format!("the header `{}` holds a key, which does not stand in this file", shown(&header)));
            findings.add_key(keys, &header, wrong.with_help(help.to_owned()));
        } else if let Err(wrong) = header_name(&header) {
            findings.add_key(keys, &header, wrong);
        }
        findings.check_text(&[keys, &[&*header]].concat(), |value| {
            let is_plain = value.bytes().all(|b| (b' '..=b'~').contains(&b));
            is_plain.then_some(()).ok_or_else(|| Wrong::new("a header holds letters, digits and signs of ASCII alone"))
        });
    }
}

fn header_name(text: &str) -> Result<(), Wrong> {
    let is_name = !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    is_name.then_some(()).ok_or_else(|| Wrong::new(format!("`{}` is no name of a header", shown(text))))
}

/// As plugins name theirs. What is none may be a token.
fn auth_provider(text: &str) -> Result<(), Wrong> {
    let wrong = || {
        let help = "name the one of a plugin: `custom-sso`. A key or token does not stand in this file";
        Wrong::new("that is no name of an auth provider").with_help(help.to_owned())
    };
    (is_lower_name(text) && !text.contains('_')).then_some(()).ok_or_else(wrong)
}

fn server(findings: &mut Findings<'_>, name: &str) {
    let is_name = (1..=64).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        && !name.contains("__");
    if !is_name {
        let wrong = Wrong::new(format!("`{}` is no name of a server", shown(name)));
        findings.add_key(&["mcp", "servers"], name, wrong.with_help("use letters, digits, `-` and single `_`"));
    }
    let keys = ["mcp", "servers", name];
    let [is_program, is_address] =
        ["command", "url"].map(|key| findings.value(&[&keys[..], &[key]].concat()).is_some());
    if is_program && is_address {
        let wrong = Wrong::new("a server is a program or an address, not both");
        findings.add_key(&keys, "url", wrong.with_help("keep `command` or `url`"));
    }
    for part in ["args", "env", "cwd", "headers", "secrets"] {
        let (what, key) = match part {
            "headers" => ("an address", "url"),
            "secrets" => ("a program or an address", "command"),
            _ => ("a program", "command"),
        };
        let is_said = if part == "secrets" {
            is_program || is_address
        } else {
            findings.value(&[&keys[..], &[key]].concat()).is_some()
        };
        if !is_said && findings.value(&[&keys[..], &[part]].concat()).is_some() {
            let wrong = Wrong::new(format!("`{part}` is about {what}, and `{key}` does not name it"));
            findings.add_key(&keys, part, wrong.with_help(format!("write `{key}` here too")));
        }
    }
    let not_empty = |text: &str| match text.is_empty() || text.chars().any(char::is_control) {
        true => Err(Wrong::new(format!("`{}` names nothing", shown(text)))),
        false => Ok(()),
    };
    findings.check_text(&["mcp", "servers", name, "command"], not_empty);
    findings.check_text(&["mcp", "servers", name, "cwd"], not_empty);
    findings.check_text(&["mcp", "servers", name, "url"], server_url);
    findings.check_texts(&["mcp", "servers", name, "allow"], tool_name);
    headers(findings, &["mcp", "servers", name, "headers"], "name it under `secrets`");
    for part in ["env", "secrets"] {
        let keys = ["mcp", "servers", name, part];
        for key in names(findings, &keys) {
            let is_header = part == "secrets" && is_address;
            if let Err(wrong) = if is_header { header_name(&key) } else { variable(&key) } {
                findings.add_key(&keys, &key, wrong);
            }
            if part == "secrets" {
                findings.check_text(&["mcp", "servers", name, part, &key], variable);
            }
        }
    }
}

/// Masks what may be a key where none belongs, so that the message about it does not show it. Bytes stay where they are.
pub(super) fn masked(text: &str) -> String {
    let Ok(document) = crate::yaml::Document::parse(text) else { return masked_lines(text) };
    let named = |at: &'static str| {
        let object = document.value.pointer(at).and_then(Value::as_object).into_iter().flatten();
        object.filter_map(|(name, said)| Some((name.as_str(), said.as_object()?)))
    };
    let mut paths: Vec<Vec<&str>> = Vec::new();
    for (name, said) in named("/providers") {
        paths.extend(
            said.iter().filter(|(key, value)| may_be_key(key, value)).map(|(key, _)| vec!["providers", name, key]),
        );
        paths.extend(key_headers(said).map(|header| vec!["providers", name, "headers", header]));
    }
    for (name, said) in named("/mcp/servers") {
        let url = said.get("url").and_then(Value::as_str).filter(|url| url.contains(['@', '?']));
        paths.extend(url.map(|_| vec!["mcp", "servers", name, "url"]));
        paths.extend(key_headers(said).map(|header| vec!["mcp", "servers", name, "headers", header]));
        let secrets = said.get("secrets").and_then(Value::as_object).into_iter().flatten();
        let wrong = secrets.filter(|(_, value)| variable(value.as_str().unwrap_or_default()).is_err());
        paths.extend(wrong.map(|(key, _)| vec!["mcp", "servers", name, "secrets", key]));
    }
    let mut masked = text.to_owned().into_bytes();
    for path in paths {
        let node = document.root.as_ref().and_then(|root| root.at(&crate::check::key_path(&path)));
        let span = node.map(|node| node.span.clone()).and_then(|span| masked.get_mut(span));
        span.into_iter().flatten().filter(|b| !b.is_ascii_whitespace()).for_each(|b| *b = b'*');
    }
    String::from_utf8(masked).unwrap_or_else(|_| text.to_owned())
}

/// The headers of a provider or a server that hold a key.
fn key_headers(said: &Map<String, Value>) -> impl Iterator<Item = &str> {
    let headers = said.get("headers").and_then(Value::as_object).into_iter().flatten();
    headers.map(|(name, _)| name.as_str()).filter(|name| holds_key(name))
}

/// The same for a text that can't be read: all that follows such a name on its line.
fn masked_lines(text: &str) -> String {
    let masked = |line: &str| {
        let is_mark = |c: char| matches!(c, ':' | '{' | ',' | '\'' | '"') || c.is_whitespace();
        let names = line.match_indices(':').map(|(at, _)| at);
        let mut names = names.filter(|at| {
            let name = line[..*at].trim_end_matches(is_mark).rsplit(is_mark).next().unwrap_or_default();
            is_key(name) || holds_key(name)
        });
        let Some(at) = names.next() else { return line.to_owned() };
        let (before, after) = line.split_at(at + 1);
        let after = after.chars().map(|c| if c.is_whitespace() { c.to_string() } else { "*".repeat(c.len_utf8()) });
        before.chars().map(String::from).chain(after).collect()
    };
    text.split_inclusive('\n').map(masked).collect()
}

/// Whether what stands there is a key, or may be one that stands where its name should.
fn may_be_key(name: &str, value: &Value) -> bool {
    let text = value.as_str().unwrap_or_default();
    match name {
        "apiKeyEnv" | "secret" => variable(text).is_err(),
        "auth" => auth_provider(text).is_err(),
        "baseUrl" => text.contains('@'),
        name => is_key(name),
    }
}

/// Whether a key of a provider is what people call its key.
fn is_key(name: &str) -> bool {
    let folded = name.chars().filter(char::is_ascii_alphanumeric).flat_map(char::to_lowercase).collect::<String>();
    matches!(
        folded.as_str(),
        "apikey" | "key" | "token" | "apitoken" | "authtoken" | "accesstoken" | "secretkey" | "password" | "bearer"
    )
}

/// Whether a header is one that holds a key.
fn holds_key(header: &str) -> bool {
    let header = header.to_ascii_lowercase();
    matches!(header.as_str(), "authorization" | "proxy-authorization" | "cookie")
        || ["api-key", "apikey", "token", "secret", "password"].iter().any(|part| header.contains(part))
}

fn model(text: &str) -> Result<(), Wrong> {
    let is_plain = |part: &str| !part.is_empty() && !part.chars().any(|c| c.is_whitespace() || c.is_control());
    let is_model = match text.split_once('/') {
        Some((provider, model)) => is_lower_name(provider) && is_plain(model),
        None => text == SCRIPTED_MODEL,
    };
    let wrong = || Wrong::new(format!("`{}` is no model", shown(text)));
    is_model
        .then_some(())
        .ok_or_else(|| wrong().with_help("write provider/model, such as anthropic/NAME, or `scripted`"))
}

fn tool_name(text: &str) -> Result<(), Wrong> {
    let is_name = !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
    is_name.then_some(()).ok_or_else(|| Wrong::new(format!("`{}` is no name of a tool", shown(text))))
}

fn variable(text: &str) -> Result<(), Wrong> {
    let is_name = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    // It may be the key itself, which no message shows
    let wrong = || Wrong::new("this is no name of a variable");
    is_name.then_some(()).ok_or_else(|| wrong().with_help("letters, digits and `_`: SERVICE_API_KEY"))
}

fn base_url(text: &str) -> Result<(), Wrong> {
    let example = "write https://models.example.com/v1";
    let url = address(text, example, "name the key by `apiKeyEnv` or `secret`")?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(Wrong::new("an address ends before `?` and `#` here").with_help(example));
    }
    Ok(())
}

fn server_url(text: &str) -> Result<(), Wrong> {
    let elsewhere = "send the key in a header, which `secrets` names";
    let url = address(text, "write https://issues.example.com/mcp", elsewhere)?;
    if url.query_pairs().any(|(name, _)| is_key(&name) || holds_key(&name)) {
        return Err(Wrong::new("an address holds no key here").with_help(elsewhere));
    }
    Ok(())
}

/// An address that keys may be sent to. `elsewhere` says where a key goes that stands in it.
fn address(text: &str, example: &'static str, elsewhere: &'static str) -> Result<Url, Wrong> {
    let wrong = |message: &str, help: &'static str| Err(Wrong::new(message).with_help(help));
    let Ok(url) = Url::parse(text) else { return wrong("this is no address", example) };
    if !url.username().is_empty() || url.password().is_some() {
        return wrong("an address holds no name and no password here", elsewhere);
    }
    let is_near = match url.host() {
        None => return wrong("there is no host in this address", example),
        Some(Host::Ipv4(ip)) => !is_public_address(ip.into()),
        Some(Host::Ipv6(ip)) => !is_public_address(ip.into()),
        // Names without a dot, and those of machines in a network of one's own
        Some(Host::Domain(name)) => {
            let near = ["localhost", "local", "internal", "lan", "home.arpa"];
            !name.contains('.') || near.iter().any(|end| name.strip_suffix(end).is_some_and(|rest| rest.ends_with('.')))
        }
    };
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_near => Ok(url),
        "http" => wrong("all that is said there could be read on the way", "write https://"),
        _ => wrong("only http and https are known", example),
    }
}

fn is_lower_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'))
}

fn names(findings: &Findings<'_>, keys: &[&str]) -> Vec<String> {
    findings.value(keys).and_then(Value::as_object).into_iter().flat_map(Map::keys).cloned().collect()
}

fn number(findings: &Findings<'_>, keys: &[&str]) -> Option<f64> {
    findings.value(keys).and_then(Value::as_f64)
}

fn shown(text: &str) -> String {
    const MAX_CHARS: usize = 80;
    let cut = text.chars().count() > MAX_CHARS;
    let start = text.chars().take(MAX_CHARS).map(|c| if c.is_control() { '\u{fffd}' } else { c });
    start.chain(cut.then_some('…')).collect()
}
