//! `docs/events.md`, from the same source as `mimir events`.

use std::fmt::Write;

use mimir_hooks::{ClosedEffect, EventEntry, OnThrow};

use crate::events::mode;

const HEAD: &str = "\
# Events

What plugins can listen to, what each event carries, and what an answer to it does. This page is made by
`cargo xtask codegen` from the types; `mimir events` shows the same in a terminal.

An event in turn goes to one plugin after the other, each seeing what the one before it changed. An event at once goes to
all of them at the same time. Every payload has `timestamp` (milliseconds since 1970) and `sessionId`.
";

/// The page.
pub(crate) fn events_page(all: &[EventEntry]) -> String {
    let mut page = HEAD.to_owned();
    page.push_str("\n| event | answers | order | the agent waits |\n|---|---|---|---|\n");
    for event in all {
        let answers: Vec<_> = event.answers.iter().map(|answer| format!("`{}`", cell(answer.form))).collect();
        let answers = if answers.is_empty() { "–".to_owned() } else { answers.join(" · ") };
        let anchor = event.name.as_str().replace('.', "");
        let waits = if event.waits { "yes" } else { "no" };
        line(&mut page, format_args!("| [`{}`](#{anchor}) | {answers} | {} | {waits} |", event.name, mode(event.mode)));
    }
    for event in all {
        section(&mut page, event);
    }
    page
}

fn section(page: &mut String, event: &EventEntry) {
    line(page, format_args!("\n## `{}`\n\n{}", event.name, event.description));
    for alias in &event.aliases {
        line(page, format_args!("\n`{alias}` is an accepted alias, for those whose `reason` is `completed`."));
    }
    page.push_str("\n| field | type | |\n|---|---|---|\n");
    for field in event.fields.iter().filter(|field| !matches!(field.name.as_str(), "timestamp" | "sessionId")) {
        let optional = if field.optional { "?" } else { "" };
        let (kind, description) = (cell(&field.type_name), cell(&field.description));
        line(page, format_args!("| `{}{optional}` | `{kind}` | {description} |", field.name));
    }
    page.push('\n');
    if event.answers.is_empty() {
        page.push_str("It takes no answer.");
    } else {
        page.push_str("| answer | effect |\n|---|---|\n");
        for answer in &event.answers {
            line(page, format_args!("| `{}` | {} |", cell(answer.form), cell(answer.effect)));
        }
        if let Some(field) = event.in_place {
            line(page, format_args!("\nA change of `event.{field}` in place counts as an answer."));
        } else {
            page.push('\n');
        }
    }
    let throw = match event.on_throw {
        OnThrow::Blocks => "A throw blocks, with its message as the reason.",
        OnThrow::Fails => "A throw is a failure of the plugin.",
    };
    let closed = match event.on_closed {
        ClosedEffect::Blocks => " The failure of a plugin with `failure: closed` blocks.",
        ClosedEffect::Denies => " The failure of a plugin with `failure: closed` denies.",
        ClosedEffect::Nothing => "",
    };
    line(page, format_args!("{}{throw}{closed}", if event.answers.is_empty() { " " } else { "" }));
}

/// Text within a table's cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

fn line(page: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string can't fail.
    let _ = writeln!(page, "{text}");
}
