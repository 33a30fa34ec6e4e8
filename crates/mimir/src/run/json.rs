//! A run for programs: one JSON object a line, each with a `type`. The shapes are part of the contract.

use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use mimir_agent::chat::{Screen, Shown, ToolCall, ToolOutcome, Totals};
use mimir_commands::json_text;
use mimir_plugins::{Level, Report, ReportKind};
use serde_json::{Value, json};

use crate::terminal::Terminal;

/// Writes a run as JSON.
pub(crate) struct JsonScreen {
    out: Mutex<Box<dyn Write + Send>>,
}

impl JsonScreen {
    /// Takes the terminal's output.
    pub(crate) fn new(terminal: &mut Terminal) -> Self {
        Self { out: Mutex::new(std::mem::replace(&mut terminal.out, Box::new(io::sink()))) }
    }

    /// Says something about a plugin.
    pub(crate) fn report(&self, report: &Report) {
        self.write(&json!({
            "type": "report",
            "kind": kind(report.kind),
            "level": level(report.level),
            "plugin": report.plugin,
            "message": report.message,
            "hint": report.hint,
        }));
    }

    /// The last line.
    pub(crate) fn end(&self, ended: &str, session: Option<&str>, error: Option<&str>) {
        self.write(&json!({ "type": "end", "ended": ended, "session": session, "error": error }));
    }

    fn write(&self, line: &Value) {
        let Ok(line) = json_text(line) else { return };
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever read the output has seen enough; the agent's work is not lost by that
        let _ = writeln!(out, "{line}").and_then(|()| out.flush());
    }
}

impl Screen for JsonScreen {
    fn show(&self, shown: Shown<'_>) {
        self.write(&line(shown));
    }
}

fn line(shown: Shown<'_>) -> Value {
    match shown {
        Shown::Opened { session, is_resumed, messages } => {
            json!({ "type": "session", "session": session, "resumed": is_resumed, "messages": messages })
        }
        Shown::OutcomeUnknown { call } => json!({ "type": "outcomeUnknown", "call": called(call) }),
        Shown::NotRun { call } => json!({ "type": "notRun", "call": called(call) }),
        Shown::User { text } => json!({ "type": "user", "text": text }),
        Shown::Asking { agent_id, model } => json!({ "type": "asking", "agentId": agent_id, "model": model }),
        Shown::Text { agent_id, piece } => json!({ "type": "text", "agentId": agent_id, "text": piece }),
        Shown::Answered { agent_id, text } => json!({ "type": "answer", "agentId": agent_id, "text": text }),
        Shown::Retry { attempt, wait, why } => {
            json!({ "type": "retry", "attempt": attempt, "waitMs": millis(wait), "why": why })
        }
        Shown::Blocked { by, reason } => json!({ "type": "blocked", "by": by, "reason": reason }),
        Shown::ToolStarted { agent_id, call } => {
            json!({ "type": "toolStarted", "agentId": agent_id, "call": called(call) })
        }
        Shown::ToolEnded { agent_id, call, outcome } => {
            json!({ "type": "toolEnded", "agentId": agent_id, "call": called(call), "outcome": ended(outcome) })
        }
        Shown::AgentStarted { agent } => json!({ "type": "agentStarted", "agent": agent }),
        Shown::AgentEnded { agent, error } => json!({ "type": "agentEnded", "agent": agent, "error": error }),
        Shown::Compacting { trigger, tokens } => {
            json!({ "type": "compacting", "trigger": trigger, "tokens": tokens })
        }
        Shown::Compacted { before, after } => {
            json!({ "type": "compacted", "tokensBefore": before, "tokensAfter": after })
        }
        Shown::Cost { cost, totals } => json!({ "type": "cost", "cost": cost, "totals": spent(totals) }),
        Shown::Budget { limit, total, stops, by, reason } => json!({
            "type": "budget", "limit": limit, "totalCost": total, "stops": stops, "by": by, "reason": reason,
        }),
        Shown::Said { command, text, is_error } => {
            json!({ "type": "said", "command": command, "text": text, "isError": is_error })
        }
        Shown::Interrupted => json!({ "type": "interrupted" }),
        Shown::Notice { text } => json!({ "type": "notice", "text": text }),
        Shown::Failed { error } => json!({ "type": "failed", "error": error }),
    }
}

fn called(call: &ToolCall) -> Value {
    json!({ "id": call.id, "tool": call.name, "args": call.args })
}

fn ended(outcome: &ToolOutcome) -> Value {
    let remarks = outcome.remarks.iter();
    let remarks: Vec<_> = remarks
        .map(|remark| json!({ "plugin": remark.plugin, "what": remark.what, "reason": remark.reason }))
        .collect();
    json!({
        "args": outcome.args,
        "result": outcome.result,
        "isError": outcome.is_error,
        "durationMs": outcome.duration_ms,
        "remarks": remarks,
    })
}

fn spent(totals: &Totals) -> Value {
    json!({ "session": totals.session, "day": totals.day, "usage": totals.usage })
}

fn level(level: Level) -> &'static str {
    match level {
        Level::Info => "info",
        Level::Warning => "warning",
        Level::Error => "error",
    }
}

fn kind(kind: ReportKind) -> &'static str {
    match kind {
        ReportKind::Configuration => "configuration",
        ReportKind::NotLoaded => "notLoaded",
        ReportKind::Warning => "warning",
        ReportKind::Failed => "failed",
        ReportKind::FailedAlone => "failedAlone",
        ReportKind::Quarantined => "quarantined",
        ReportKind::NotObeyed => "notObeyed",
        ReportKind::Observed => "observed",
        ReportKind::Log => "log",
        ReportKind::Notified => "notified",
    }
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
