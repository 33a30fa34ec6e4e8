//! One line of the log in one line of the terminal.

use anstyle::Style;
use mimir_shared_config::Capabilities;
use serde_json::Value;

use crate::{AuditEntry, Theme, short};

/// What an entry comes to.
pub(super) struct Gist {
    pub(super) mark: (&'static str, Style),
    pub(super) text: String,
}

const QUIET: (&str, Style) = ("·", Theme::PLAIN);
const DONE: (&str, Style) = ("✓", Theme::GOOD);
const CAREFUL: (&str, Style) = ("!", Theme::WARN);
const NO: (&str, Style) = ("✗", Theme::BAD);

impl AuditEntry {
    /// Whether something was refused: a host call that the plugin has no right to, a plugin that may not run, or an event
    /// that a plugin blocked or denied.
    pub(crate) fn is_refusal(&self) -> bool {
        match self.kind.as_deref() {
            Some("call") => self.detail["allowed"] == Value::Bool(false),
            Some("calls") => self.text_of("outcome") == "CAPABILITY_DENIED",
            Some("decision") => matches!(self.text_of("outcome"), "blocked" | "denied" | "refused"),
            Some("refused") => true,
            _ => false,
        }
    }

    fn text_of(&self, field: &str) -> &str {
        self.detail[field].as_str().unwrap_or_default()
    }
}

/// What an entry says; nothing for those that are only there for the log itself.
pub(super) fn gist(entry: &AuditEntry) -> Option<Gist> {
    let text_of = |field| entry.text_of(field);
    let Some(kind) = entry.kind.as_deref() else {
        let text = format!("line {} of {} is no record", entry.line, entry.file);
        return Some(Gist { mark: NO, text });
    };
    let (mark, text) = match kind {
        "segment" => return None,
        "call" => call(entry),
        "calls" => calls(entry),
        "tool" | "command" | "auth provider" => called(entry, kind),
        "hook" => {
            let mark = if text_of("outcome") == "ok" { QUIET } else { CAREFUL };
            (mark, format!("{} {}: {}", text_of("hook"), text_of("outcome"), text_of("command")))
        }
        "decision" => {
            let outcome = text_of("outcome");
            let mark = match outcome {
                "blocked" | "denied" => NO,
                "approved" => DONE,
                _ => CAREFUL,
            };
            (mark, reasoned(format!("{} {outcome}", text_of("event")), text_of("reason")))
        }
        // Of a plugin that is only observed: it decides nothing
        "observed" => {
            let what = format!("{} would have been {}", text_of("event"), text_of("would"));
            (CAREFUL, reasoned(what, text_of("reason")))
        }
        "failure" => {
            let failure = &entry.detail["failure"];
            let why = failure.as_str().or_else(|| failure["message"].as_str()).map(str::to_owned);
            let what = match text_of("event") {
                "" => "failed while nobody waited".to_owned(),
                event => format!("failed at {event}"),
            };
            (NO, reasoned(what, &why.unwrap_or_else(|| json_of(failure))))
        }
        "quarantine" => (NO, reasoned("put into quarantine".to_owned(), text_of("reason"))),
        "release" => (DONE, "released from quarantine".to_owned()),
        "grant" => (DONE, format!("granted: {}", capabilities(entry))),
        "revoke" => (CAREFUL, "grant taken back".to_owned()),
        "trust" => (DONE, format!("repository trusted: {}", text_of("project"))),
        "distrust" | "untrust" => (CAREFUL, format!("repository not trusted any more: {}", text_of("project"))),
        "enable" => (DONE, reasoned("enabled".to_owned(), text_of("where"))),
        "disable" => (CAREFUL, reasoned("disabled".to_owned(), text_of("where"))),
        "refused" => (NO, text_of("reason").to_owned()),
        "process-ended" => {
            let plugins = entry.detail["plugins"].as_array().map(Vec::as_slice).unwrap_or_default();
            let plugins: Vec<_> = plugins.iter().filter_map(Value::as_str).collect();
            (NO, reasoned(format!("sandbox process of {} was replaced", plugins.join(", ")), text_of("reason")))
        }
        "unsealed" => {
            let layers = entry.detail.as_object().into_iter().flatten();
            let layers: Vec<_> =
                layers.map(|(layer, why)| format!("{layer} ({})", why.as_str().unwrap_or("?"))).collect();
            (NO, reasoned("the sandbox process goes without".to_owned(), &layers.join(", ")))
        }
        "gap" => (CAREFUL, reasoned("gap".to_owned(), &gap(&entry.detail))),
        other => (CAREFUL, format!("{other} {}", json_of(&entry.detail))),
    };
    Some(Gist { mark, text })
}

/// A host call: what it was about if it went well, else why it did not.
fn call(entry: &AuditEntry) -> ((&'static str, Style), String) {
    let op = entry.text_of("op");
    let what = entry.detail["what"].as_array().map(Vec::as_slice).unwrap_or_default();
    let what: Vec<_> = what.iter().filter_map(Value::as_str).collect();
    let about = if what.is_empty() { op.to_owned() } else { format!("{op}  {}", what.join(", ")) };
    if entry.detail["allowed"] == Value::Bool(false) {
        let reason = entry.text_of("reason");
        // The reason of a denial names the call once more
        let reason = reason.strip_prefix(&format!("{op} is denied: ")).unwrap_or(reason);
        return (NO, reasoned(about, reason));
    }
    match entry.text_of("outcome") {
        "ok" => (QUIET, about),
        outcome => (CAREFUL, reasoned(format!("{about} {outcome}"), entry.text_of("reason"))),
    }
}

/// A tool or command that was called: of the plugin, or a custom one of nobody's.
fn called(entry: &AuditEntry, kind: &str) -> ((&'static str, Style), String) {
    let whose = if entry.plugin.is_none() { "custom " } else { "" };
    let what = format!("{whose}{kind} {}", entry.text_of("name"));
    match entry.text_of("outcome") {
        "ok" => (QUIET, what),
        outcome => (CAREFUL, reasoned(format!("{what} {outcome}"), entry.text_of("reason"))),
    }
}

/// Calls that were too many for a line each.
fn calls(entry: &AuditEntry) -> ((&'static str, Style), String) {
    let mark = match entry.text_of("outcome") {
        "ok" => QUIET,
        "CAPABILITY_DENIED" => NO,
        _ => CAREFUL,
    };
    let what = format!("{} more calls {} {}", entry.detail["count"], entry.text_of("op"), entry.text_of("outcome"));
    (mark, reasoned(what, entry.text_of("reason")))
}

fn capabilities(entry: &AuditEntry) -> String {
    match serde_json::from_value::<Capabilities>(entry.detail["capabilities"].clone()) {
        Ok(capabilities) => short(&capabilities),
        Err(_) => json_of(&entry.detail["capabilities"]),
    }
}

/// Why records are missing, and how much.
pub(super) fn gap(detail: &Value) -> String {
    let reason = detail["reason"].as_str().unwrap_or_default();
    let bytes = detail["torn"]["bytes"].as_u64().map(|bytes| format!(" ({bytes} bytes of a torn line were cut off)"));
    let lost = detail["lost"]
        .as_u64()
        .map(|lost| format!(" ({lost} lost: {})", detail["error"].as_str().unwrap_or("nobody knows why")));
    format!("{reason}{}{}", bytes.unwrap_or_default(), lost.unwrap_or_default())
}

fn reasoned(what: String, reason: &str) -> String {
    if reason.is_empty() { what } else { format!("{what}: {reason}") }
}

fn json_of(value: &Value) -> String {
    if value.is_null() { String::new() } else { value.to_string() }
}
