//! The replay for people: a line an event, and beneath it what plugins did about it.

use std::io::{self, Write};
use std::time::Duration;

use anstyle::Style;
use mimir_commands::{Align, Cell, Column, Fit, Table, Theme, display_width, printable_block};
use mimir_plugins::{AnswerRecord, EventName, Outcome, Traced};
use serde_json::Value;

use super::diff::{diff, fit};
use super::gist::gist;
use super::tally::{Part, Tally};
use crate::number::grouped;

/// Columns of an event's number.
const NUMBER: usize = 5;
/// Columns of an event's name: the longest is `slash.command.executed`.
const NAME: usize = 22;
/// Columns before what stands beneath an event.
pub(super) const INDENT: usize = NUMBER + 3;
/// Lines of a reason that are shown; a stack trace may have more.
const REASON_LINES: usize = 8;

/// Prints what came of one event: the `number`th of the recording.
pub(crate) fn event(
    out: &mut dyn Write,
    width: usize,
    number: u64,
    name: EventName,
    payload: &str,
    traced: &Traced,
) -> io::Result<()> {
    let emission = &traced.emission;
    // What is JSON to a plugin may be no text to us: half a surrogate pair
    let before: Value = serde_json::from_str(payload).unwrap_or_default();
    let (mark, style) = if emission.answers.is_empty() { ("·", Theme::DIM) } else { mark(emission.outcome) };
    let dim = Theme::DIM;
    let is_told_beneath = |answer: &AnswerRecord| is_notable(answer, traced);
    let right = match emission.answers.as_slice() {
        [only] if is_told_beneath(only) => String::new(),
        answers => asked(answers),
    };
    let room = width.saturating_sub(NUMBER + 1 + 2 + NAME + 2 + display_width(&right) + 2);
    let gist = fit(&gist(name, &before), room);
    let pad = room.saturating_sub(display_width(&gist)) + 2;
    let line = format!(
        "{dim}{number:>NUMBER$}{dim:#} {style}{mark}{style:#} {name:<NAME$}  {gist}{:pad$}{dim}{right}{dim:#}",
        ""
    );
    writeln!(out, "{}", line.trim_end())?;
    for answer in &emission.answers {
        let changes = traced.changes.iter().filter(|change| change.plugin == answer.plugin);
        if !is_told_beneath(answer) {
            continue;
        }
        beneath(out, width, answer, traced.failed.contains(&answer.plugin))?;
        for change in changes {
            let (Ok(before), Ok(after)) = (serde_json::from_str(&change.before), serde_json::from_str(&change.after))
            else {
                continue;
            };
            for line in changed_fields(&before, &after, width.saturating_sub(INDENT + 2)) {
                writeln!(out, "{:1$}{line}", "", INDENT + 2)?;
            }
        }
    }
    Ok(())
}

/// Whether there is more to say about an answer than who gave it.
fn is_notable(answer: &AnswerRecord, traced: &Traced) -> bool {
    answer.outcome != Outcome::Passed
        || answer.would.is_some()
        || answer.reason.is_some()
        || traced.failed.contains(&answer.plugin)
}

/// What one plugin did, and why.
fn beneath(out: &mut dyn Write, width: usize, answer: &AnswerRecord, has_failed: bool) -> io::Result<()> {
    let shown = if has_failed && answer.outcome == Outcome::Passed { Outcome::Failed } else { answer.outcome };
    let ((mark, style), dim, plugin) = (mark(shown), Theme::DIM, &answer.plugin);
    // What is only observed looks different at a glance: nothing came of it
    let (mark, style) = if answer.would.is_some() { ("◌", Theme::TYPE) } else { (mark, style) };
    let said = match (answer.outcome, has_failed) {
        _ if answer.would.is_some() => observed(answer, has_failed),
        (Outcome::Passed, false) => format!("passed by {plugin}"),
        (Outcome::Blocked, true) => format!("{plugin} failed, which blocks"),
        (Outcome::Denied, true) => format!("{plugin} failed, which denies"),
        (Outcome::Failed | Outcome::Passed, _) => format!("{plugin} failed"),
        (outcome, _) => format!("{outcome} by {plugin}"),
    };
    let took = duration(answer.elapsed);
    writeln!(out, "{:INDENT$}{style}{mark} {said}{style:#} {dim}in {took}{dim:#}", "")?;
    let Some(reason) = &answer.reason else { return Ok(()) };
    let reason = printable_block(reason);
    let mut lines = reason
        .lines()
        .filter(|line| !line.trim().is_empty())
        .flat_map(|line| mimir_commands::wrap(line, width.saturating_sub(INDENT + 2)));
    for line in lines.by_ref().take(REASON_LINES) {
        writeln!(out, "{:1$}{line}", "", INDENT + 2)?;
    }
    let rest = lines.count();
    if rest > 0 {
        writeln!(out, "{:1$}{dim}… {rest} more lines{dim:#}", "", INDENT + 2)?;
    }
    Ok(())
}

/// What would have come of the answer of a plugin that only observes.
fn observed(answer: &AnswerRecord, has_failed: bool) -> String {
    let plugin = &answer.plugin;
    match answer.would.unwrap_or(answer.outcome) {
        Outcome::Blocked if has_failed => format!("{plugin} failed, which would have blocked (it only observes)"),
        Outcome::Denied if has_failed => format!("{plugin} failed, which would have denied (it only observes)"),
        would if has_failed || would == Outcome::Failed => format!("{plugin} failed (it only observes)"),
        would => format!("would have been {would} by {plugin} (it only observes)"),
    }
}

/// The differences of two payloads, field by field.
fn changed_fields(before: &Value, after: &Value, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let (Some(old), Some(new)) = (before.as_object(), after.as_object()) else {
        return diff("payload", Some(before), Some(after), width);
    };
    for (key, value) in new {
        lines.extend(diff(key, old.get(key), Some(value), width));
    }
    for (key, value) in old.iter().filter(|(key, _)| !new.contains_key(*key)) {
        lines.extend(diff(key, Some(value), None, width));
    }
    lines
}

fn asked(answers: &[AnswerRecord]) -> String {
    let slowest = answers.iter().map(|answer| answer.elapsed).max();
    match (answers, slowest) {
        ([], _) | (_, None) => String::new(),
        ([only], Some(took)) => format!("{} {:>7}", only.plugin, duration(took)),
        (several, Some(took)) => format!("{} plugins {:>7}", several.len(), duration(took)),
    }
}

fn mark(outcome: Outcome) -> (&'static str, Style) {
    match outcome {
        Outcome::Passed => ("✓", Theme::DIM),
        Outcome::Changed => ("~", Theme::WARN),
        Outcome::Blocked | Outcome::Denied => ("✗", Theme::BAD),
        Outcome::Approved => ("✓", Theme::GOOD),
        Outcome::Failed => ("!", Theme::BAD),
    }
}

/// Prints the counts and the table of plugins.
pub(crate) fn summary(out: &mut dyn Write, width: usize, tally: &Tally) -> io::Result<()> {
    let (dim, strong) = (Theme::DIM, Theme::STRONG);
    let plural = if tally.events == 1 { "" } else { "s" };
    let took = duration(tally.elapsed);
    let end = if tally.is_interrupted { ", interrupted" } else { "" };
    writeln!(out)?;
    write!(out, "{strong}{} event{plural}{strong:#} {dim}in {took}{end}{dim:#}", grouped(tally.events))?;
    for (outcome, count) in tally.outcomes.each().into_iter().filter(|(_, count)| *count > 0) {
        let (_, style) = mark(outcome);
        write!(out, "  {style}{} {outcome}{style:#}", grouped(count))?;
    }
    if tally.unknown > 0 {
        write!(out, "  {dim}{} unknown{dim:#}", grouped(tally.unknown))?;
    }
    writeln!(out)?;
    if tally.parts.is_empty() {
        return writeln!(out, "{dim}no plugin was loaded{dim:#}");
    }
    writeln!(out)?;
    write!(out, "{}", parts(tally).render(width))
}

fn parts(tally: &Tally) -> Table {
    type Count = fn(&Part) -> u64;
    let counts: [(&'static str, Style, Count); 7] = [
        ("EVENTS", Theme::PLAIN, |part| part.events),
        ("CHANGES", Theme::WARN, |part| part.outcomes.changed),
        ("BLOCKS", Theme::BAD, |part| part.outcomes.blocked),
        ("APPROVED", Theme::GOOD, |part| part.outcomes.approved),
        ("DENIED", Theme::BAD, |part| part.outcomes.denied),
        ("FAILED", Theme::BAD, |part| part.failures),
        ("OBSERVED", Theme::TYPE, |part| part.observed),
    ];
    // Few plugins answer permission requests, and few only observe
    let is_shown = |(title, _, count): &(&str, Style, Count)| {
        !matches!(*title, "APPROVED" | "DENIED" | "OBSERVED") || tally.parts.values().any(|part| count(part) > 0)
    };
    let counts: Vec<_> = counts.into_iter().filter(is_shown).collect();
    let number = |title| Column { title, align: Align::Right, fit: Fit::Keep };
    let mut columns = vec![Column { title: "PLUGIN", align: Align::Left, fit: Fit::Cut(12) }];
    columns.extend(counts.iter().map(|(title, ..)| number(title)));
    columns.extend(["CPU TIME", "PEAK HEAP"].map(number));
    let mut table = Table::new(columns);
    for (plugin, part) in &tally.parts {
        let none = || Cell::styled("–", Theme::DIM);
        let mut row = vec![Cell::styled(plugin.as_str(), Theme::STRONG)];
        row.extend(counts.iter().map(|(_, style, count)| match count(part) {
            0 => none(),
            count => Cell::styled(grouped(count), *style),
        }));
        row.push(if part.events == 0 { none() } else { Cell::new(duration(part.cpu)) });
        row.push(if part.peak_heap == 0 { none() } else { Cell::new(bytes(part.peak_heap)) });
        table.row(row);
    }
    table
}

fn duration(duration: Duration) -> String {
    let ms = duration.as_secs_f64() * 1e3;
    match ms {
        ms if ms < 10.0 => format!("{ms:.2} ms"),
        ms if ms < 100.0 => format!("{ms:.1} ms"),
        ms if ms < 1_000.0 => format!("{ms:.0} ms"),
        ms => format!("{:.2} s", ms / 1e3),
    }
}

#[allow(clippy::cast_precision_loss, reason = "two digits are shown")]
fn bytes(bytes: usize) -> String {
    const MIB: f64 = 1_048_576.0;
    let bytes = bytes as f64;
    if bytes < MIB { format!("{:.0} KiB", bytes / 1_024.0) } else { format!("{:.1} MiB", bytes / MIB) }
}
