//! What an event is about, in a few words.

use mimir_commands::printable;
use mimir_plugins::EventName;
use serde_json::Value;

use super::diff::fit;

/// No gist is longer, in characters, whatever the window's width.
const LONGEST: usize = 400;

/// What the event is about: the tool and what it is called with, the file, the message. One printable line.
pub(crate) fn gist(event: EventName, payload: &Value) -> String {
    if payload.is_null() {
        return "(holds text that is no Unicode)".to_owned();
    }
    use EventName as E;
    let text = |pointer: &str| payload.pointer(pointer).map(words).unwrap_or_default();
    let parts = match event {
        E::ToolExecuteBefore => vec![text("/tool"), arguments(&payload["args"])],
        E::ToolExecuteAfter => {
            vec![text("/tool"), arguments(&payload["args"]), "→".into(), result(&payload["result"])]
        }
        E::PermissionAsk => vec![text("/type"), text("/command"), risk(payload)],
        E::PermissionReplied => {
            let verdict = if payload["allowed"] == true { "allowed by" } else { "denied by" };
            vec![text("/request/command"), verdict.into(), text("/by")]
        }
        E::SessionCreated | E::SessionResumed => vec![text("/session/title"), text("/sessionId")],
        E::SessionCompacting => vec![text("/trigger"), text("/messageCount"), "messages".into()],
        E::SessionCompacted => vec![text("/tokensBefore"), "→".into(), text("/tokensAfter"), "tokens".into()],
        E::SessionIdle => vec![text("/reason")],
        E::SessionError => vec![first([text("/error/message"), text("/error")])],
        E::MessageAdded | E::MessageUpdated | E::MessageRemoved => {
            vec![text("/message/role"), first([message(&payload["message"]), text("/message/id")])]
        }
        E::ChatMessage => {
            let count = payload["messages"].as_array().map_or(0, Vec::len);
            vec![text("/model"), format!("{count} messages")]
        }
        E::AgentCreated | E::AgentStarted => vec![text("/agent/role"), text("/agent/task")],
        E::AgentCompleted => vec![text("/agent/role"), "→".into(), result(&payload["result"])],
        E::AgentFailed => vec![text("/agent/role"), first([text("/error/message"), text("/error")])],
        E::FileModified | E::FileDeleted => vec![text("/path")],
        E::CommandExecuted => vec![text("/command"), words_of(&payload["args"])],
        E::SlashCommandExecuted => {
            vec![format!("/{}", first([text("/name"), text("/command")])), words_of(&payload["args"])]
        }
        E::CostUpdated => vec![dollars(&payload["cost"]), "of".into(), dollars(&payload["totalCost"]), text("/model")],
        E::BudgetExceeded => vec![dollars(&payload["totalCost"]), "of".into(), dollars(&payload["limit"])],
    };
    let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join(" ")
}

/// The argument that says most about a tool's call.
pub(crate) fn arguments(args: &Value) -> String {
    const TELLING: [&str; 8] = ["command", "path", "filePath", "file_path", "pattern", "url", "query", "description"];
    let telling = TELLING.iter().find_map(|key| args.get(key).filter(|value| value.is_string()));
    telling.or_else(|| args.as_object()?.values().find(|value| value.is_string())).map(words).unwrap_or_default()
}

/// What came of a call: its text, or else its JSON.
pub(crate) fn result(result: &Value) -> String {
    const TELLING: [&str; 6] = ["stdout", "output", "content", "text", "summary", "stderr"];
    let mut telling = TELLING.iter().filter_map(|key| result.get(key));
    let found = telling.find(|value| value.as_str().is_some_and(|text| !text.is_empty()));
    match (found.unwrap_or(result), result.get("exitCode")) {
        (Value::Object(_), Some(code)) => format!("exit code {code}"),
        (object @ Value::Object(_), None) => fit(&printable(&object.to_string()), LONGEST),
        (Value::Array(items), _) => format!("{} items", items.len()),
        (plain, _) => words(plain),
    }
}

fn message(message: &Value) -> String {
    match &message["content"] {
        Value::Array(parts) => parts.iter().find_map(|part| part.get("text")).map(words).unwrap_or_default(),
        content => words(content),
    }
}

fn words_of(args: &Value) -> String {
    match args {
        Value::Array(args) => args.iter().map(words).collect::<Vec<_>>().join(" "),
        args => words(args),
    }
}

fn risk(payload: &Value) -> String {
    payload["risk"].as_str().map(|risk| format!("({} risk)", printable(risk))).unwrap_or_default()
}

fn dollars(value: &Value) -> String {
    value.as_f64().map(|dollars| format!("${dollars:.2}")).unwrap_or_default()
}

fn first<const N: usize>(candidates: [String; N]) -> String {
    candidates.into_iter().find(|candidate| !candidate.is_empty()).unwrap_or_default()
}

/// The start of a value in one line.
fn words(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => {
            let end = text.char_indices().nth(LONGEST).map_or(text.len(), |(end, _)| end);
            let words: Vec<_> = text[..end].split_whitespace().collect();
            printable(&words.join(" "))
        }
        Value::Object(_) | Value::Array(_) => String::new(),
        other => other.to_string(),
    }
}
