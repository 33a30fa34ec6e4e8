//! A session for reading elsewhere.

use std::fmt::Write as _;

use mimir_chat::Exported;
use mimir_commands::{printable, printable_block};
use serde_json::Value;

use super::money::{dollars, duration};
use super::transcript::{Call, End, Item, as_text, entries};
use super::when::minute;

/// The whole session as Markdown.
pub(super) fn markdown(exported: &Exported) -> String {
    let session = &exported.session;
    let title = if session.title.trim().is_empty() { &session.id } else { &session.title };
    let mut out = format!("# {}\n\n", escaped(title));
    let facts = [
        ("session", session.id.clone()),
        ("project", session.project.clone()),
        ("model", session.model.clone()),
        ("begun", minute(session.created_at)),
        ("last written to", minute(session.updated_at)),
        ("messages", session.messages.to_string()),
        ("cost", dollars(session.cost)),
    ];
    for (name, fact) in facts {
        let _ = writeln!(out, "- {name}: {}", escaped(&fact));
    }
    let role = |id: &str| {
        let found = exported.agents.iter().find(|record| record.agent.id == id);
        found.map_or(id, |record| record.agent.role.as_str()).to_owned()
    };
    let mut is_put_away = false;
    for entry in entries(exported) {
        if entry.is_compacted != is_put_away {
            is_put_away = entry.is_compacted;
            out.push_str(match is_put_away {
                true => "\n---\n\n*What follows was put away by a compaction.*\n",
                false => "\n---\n",
            });
        }
        let who = entry.agent.map(|id| format!("{}: ", escaped(&role(id)))).unwrap_or_default();
        match entry.item {
            Item::Person(text) if who.is_empty() => section(&mut out, "Person", &text),
            Item::Person(text) => section(&mut out, &format!("{who}task"), &text),
            Item::Model(text) => section(&mut out, &format!("{who}Model"), &text),
            Item::Summary(text) => section(&mut out, "Summary of what was put away", &text),
            Item::Cleared => out.push_str("\n*The conversation was cleared and began anew.*\n"),
            Item::Other { who: other, text } => section(&mut out, &format!("{who}{}", escaped(&other)), &text),
            Item::Call(call) => tool(&mut out, &who, &call),
            Item::Result { call, result, .. } => {
                let _ = writeln!(out, "\n**Result of `{}`**\n", code(call));
                fence(&mut out, "", &as_text(result));
            }
            Item::AgentBegan(record) => {
                let (role, task) = (escaped(&record.agent.role), escaped(&record.agent.task));
                let _ = writeln!(out, "\n*{role} begins: {task}*");
            }
            Item::AgentEnded(record) => {
                let end = match (&record.error, record.ended_at) {
                    (Some(error), _) => format!("gave up: {}", escaped(error)),
                    (None, Some(_)) => "is done".to_owned(),
                    (None, None) => "has no known end".to_owned(),
                };
                let _ = writeln!(out, "\n*{} {end}*", escaped(&record.agent.role));
            }
        }
    }
    out
}

fn section(out: &mut String, heading: &str, text: &str) {
    let _ = writeln!(out, "\n## {heading}\n\n{}", printable_block(text.trim()));
}

fn tool(out: &mut String, who: &str, call: &Call<'_>) {
    let end = match (call.end, call.is_error, call.duration_ms) {
        (End::Cut, ..) => ", outcome unknown".to_owned(),
        (End::Open, ..) => ", no known end".to_owned(),
        (End::NeverBegan, ..) => ", never began".to_owned(),
        (End::Known, true, _) => ", failed".to_owned(),
        (End::Known, false, Some(ms)) => format!(", {}", duration(ms)),
        (End::Known, false, None) => String::new(),
    };
    let _ = writeln!(out, "\n**{who}`{}`**{end}\n", code(call.name));
    fence(out, "json", &serde_json::to_string_pretty(&call.args).unwrap_or_default());
    if !call.remarks.is_empty() {
        out.push('\n');
    }
    for remark in call.remarks {
        let by = remark.plugin.as_ref().map(|plugin| format!(" by {}", escaped(plugin))).unwrap_or_default();
        let reason = remark.reason.as_ref().map(|reason| format!(": {}", escaped(reason))).unwrap_or_default();
        let _ = writeln!(out, "- {}{by}{reason}", escaped(&remark.what));
    }
    if let Some(result) = call.result.filter(|result| **result != Value::Null) {
        out.push('\n');
        fence(out, "", &as_text(result));
    }
}

/// A block of code that nothing in it ends.
fn fence(out: &mut String, language: &str, text: &str) {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat((longest + 1).max(3));
    let _ = writeln!(out, "{fence}{language}\n{}\n{fence}", printable_block(text.trim_end()));
}

/// One line that is only text to Markdown.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in printable(text).chars() {
        if matches!(c, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '|' | '&') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// One line between backticks.
fn code(text: &str) -> String {
    printable(text).replace('`', "'")
}
