//! The replay as JSON: one object a line. The shapes are part of the contract.

use std::io::{self, Write};

use mimir_commands::json_text;
use mimir_plugins::{EventName, Outcome, PluginId, Traced};
use serde::Serialize;
use serde_json::value::RawValue;

use super::tally::{Outcomes, Tally, millis};

#[derive(Serialize)]
struct EventLine<'a> {
    event: EventName,
    outcome: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    payload: &'a RawValue,
    answers: Vec<AnswerLine<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AnswerLine<'a> {
    plugin: &'a str,
    outcome: &'a str,
    /// What would have come of it, if the plugin only observes.
    #[serde(skip_serializing_if = "Option::is_none")]
    would: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    ms: f64,
    cpu_ms: f64,
}

#[derive(Serialize)]
struct SummaryLine<'a> {
    summary: Summary<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary<'a> {
    events: u64,
    outcomes: Outcomes,
    /// Lines with events that Mimir does not know.
    unknown: u64,
    interrupted: bool,
    ms: f64,
    plugins: Vec<PartLine<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PartLine<'a> {
    plugin: &'a str,
    events: u64,
    changes: u64,
    blocks: u64,
    approvals: u64,
    denials: u64,
    failures: u64,
    /// Answers that would have done something, if the plugin only observes.
    #[serde(skip_serializing_if = "is_zero")]
    observed: u64,
    ms: f64,
    cpu_ms: f64,
    peak_heap_bytes: usize,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Prints what came of one event.
pub(crate) fn event(out: &mut dyn Write, name: EventName, traced: &Traced) -> io::Result<()> {
    let emission = &traced.emission;
    let answers = emission.answers.iter().map(|answer| AnswerLine {
        plugin: answer.plugin.as_str(),
        outcome: answer.outcome.as_str(),
        would: answer.would.map(Outcome::as_str),
        reason: answer.reason.as_deref(),
        ms: millis(answer.elapsed),
        cpu_ms: millis(answer.cpu),
    });
    let payload: &RawValue = serde_json::from_str(&emission.payload)?;
    let line = EventLine {
        event: name,
        outcome: emission.outcome.as_str(),
        by: emission.by.as_ref().map(PluginId::as_str),
        reason: emission.reason.as_deref(),
        payload,
        answers: answers.collect(),
    };
    writeln!(out, "{}", json_text(&line)?)
}

/// Prints the last line.
pub(crate) fn summary(out: &mut dyn Write, tally: &Tally) -> io::Result<()> {
    let plugins = tally.parts.iter().map(|(plugin, part)| PartLine {
        plugin: plugin.as_str(),
        events: part.events,
        changes: part.outcomes.changed,
        blocks: part.outcomes.blocked,
        approvals: part.outcomes.approved,
        denials: part.outcomes.denied,
        failures: part.failures,
        observed: part.observed,
        ms: millis(part.wall),
        cpu_ms: millis(part.cpu),
        peak_heap_bytes: part.peak_heap,
    });
    let summary = Summary {
        events: tally.events,
        outcomes: tally.outcomes,
        unknown: tally.unknown,
        interrupted: tally.is_interrupted,
        ms: millis(tally.elapsed),
        plugins: plugins.collect(),
    };
    writeln!(out, "{}", json_text(&SummaryLine { summary })?)
}
