//! `mimir events`: what plugins can listen to, from the types themselves.

use std::io::{self, Write};

use anstyle::Style;
use mimir_commands::{Align, Cell, Column, CommandError, Exit, Fit, StoreError, Table, Theme, json_text, wrap};
use mimir_hooks::{ClosedEffect, EventEntry, Mode, OnThrow, catalogue};

use crate::cli::Events;
use crate::terminal::Terminal;

pub(crate) fn run(events: &Events, terminal: &mut Terminal) -> Result<Exit, CommandError> {
    let all = catalogue();
    let chosen = match &events.name {
        None => None,
        Some(name) => Some(find(all, name)?),
    };
    let (out, width) = (&mut terminal.out, terminal.width);
    match (chosen, events.json) {
        (None, true) => writeln!(out, "{}", json_text(&all).map_err(io::Error::from)?)?,
        (Some(event), true) => writeln!(out, "{}", json_text(event).map_err(io::Error::from)?)?,
        (None, false) => list(out, all, width)?,
        (Some(event), false) => show(out, event, width)?,
    }
    out.flush()?;
    Ok(Exit::Done)
}

fn find<'a>(all: &'a [EventEntry], name: &str) -> Result<&'a EventEntry, CommandError> {
    let is_it = |event: &&EventEntry| event.name.as_str() == name || event.aliases.contains(&name);
    all.iter().find(is_it).ok_or_else(|| {
        let known = all.iter().map(|event| event.name.as_str().to_owned()).collect();
        StoreError::NoEvent { name: name.to_owned(), known }.into()
    })
}

fn list(out: &mut dyn Write, all: &[EventEntry], width: usize) -> io::Result<()> {
    let column = |title, fit| Column { title, align: Align::Left, fit };
    let mut table = Table::new([
        column("EVENT", Fit::Keep),
        column("PAYLOAD", Fit::Wrap(18)),
        column("ANSWERS", Fit::Wrap(18)),
        column("ORDER", Fit::Keep),
    ]);
    for event in all {
        let fields = event.fields.iter().filter(|field| !is_common(&field.name));
        let fields: Vec<_> =
            fields.map(|field| format!("{}{}", field.name, if field.optional { "?" } else { "" })).collect();
        let answers: Vec<_> = event.answers.iter().map(|answer| answer.form.replace(' ', "\u{a0}")).collect();
        table.row([
            Cell::styled(event.name.as_str(), Theme::STRONG),
            Cell::new(fields.join(", ")),
            match answers.is_empty() {
                true => Cell::styled("–", Theme::DIM),
                false => Cell::new(answers.join(" · ")),
            },
            Cell::styled(mode(event.mode), Theme::DIM),
        ]);
    }
    write!(out, "{}", table.render(width))?;
    let (dim, typed) = (Theme::DIM, Theme::TYPE);
    writeln!(out)?;
    writeln!(
        out,
        "{dim}every payload also has timestamp and sessionId;{dim:#} {typed}mimir events NAME{typed:#} {dim}tells more{dim:#}"
    )
}

fn show(out: &mut dyn Write, event: &EventEntry, width: usize) -> io::Result<()> {
    let (strong, dim) = (Theme::STRONG, Theme::DIM);
    writeln!(out, "{strong}{}{strong:#}", event.name)?;
    for line in wrap(event.description, width) {
        writeln!(out, "{line}")?;
    }
    for alias in &event.aliases {
        writeln!(out, "{dim}also as{dim:#} {alias}")?;
    }
    writeln!(out)?;
    let waits = if event.waits { "the agent waits for it" } else { "in the background" };
    writeln!(out, "{dim}order{dim:#}      {}, {waits}", mode_in_words(event.mode))?;
    let throw = match event.on_throw {
        OnThrow::Blocks => "blocks, with its message as the reason",
        OnThrow::Fails => "is a failure of the plugin",
    };
    writeln!(out, "{dim}a throw{dim:#}    {throw}")?;
    let closed = match event.on_closed {
        ClosedEffect::Blocks => "blocks",
        ClosedEffect::Denies => "denies",
        ClosedEffect::Nothing => "has no effect on the event",
    };
    writeln!(out, "{dim}a failure{dim:#}  of a plugin with `failure: closed` {closed}")?;

    heading(out, "Payload")?;
    let fields = event.fields.iter();
    let rows = fields.map(|field| {
        let name = format!("{}{}", field.name, if field.optional { "?" } else { "" });
        [(name, Theme::TYPE), (field.type_name.clone(), Theme::DIM), (field.description.clone(), Theme::PLAIN)]
    });
    write!(out, "{}", definitions(["FIELD", "TYPE", ""], rows).render(width))?;

    heading(out, "Answers")?;
    if event.answers.is_empty() {
        return writeln!(out, "{dim}none: what a handler returns is a mistake{dim:#}");
    }
    let answers = event.answers.iter();
    let rows = answers.map(|answer| [(answer.form.to_owned(), Theme::TYPE), (answer.effect.to_owned(), Theme::PLAIN)]);
    write!(out, "{}", definitions(["FORM", "EFFECT"], rows).render(width))?;
    if let Some(field) = event.in_place {
        writeln!(out, "\nA change of `event.{field}` in place counts as an answer.")?;
    }
    Ok(())
}

fn heading(out: &mut dyn Write, text: &str) -> io::Result<()> {
    let strong = Theme::STRONG;
    writeln!(out, "\n{strong}{text}{strong:#}")
}

fn definitions<const N: usize>(titles: [&'static str; N], rows: impl Iterator<Item = [(String, Style); N]>) -> Table {
    let mut columns = titles.map(|title| Column { title, align: Align::Left, fit: Fit::Wrap(14) });
    columns[0].fit = Fit::Wrap(10);
    let mut table = Table::new(columns);
    for row in rows {
        table.row(row.map(|(text, style)| Cell::styled(text, style)));
    }
    table
}

fn is_common(field: &str) -> bool {
    matches!(field, "timestamp" | "sessionId")
}

pub(crate) fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Sequential => "in turn",
        Mode::Parallel => "at once",
    }
}

fn mode_in_words(mode: Mode) -> &'static str {
    match mode {
        Mode::Sequential => "one plugin after the other, each seeing what the one before it changed",
        Mode::Parallel => "all plugins at once",
    }
}
