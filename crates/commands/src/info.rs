use anstyle::Style;
use mimir_shared_config::{PluginMode, Risk};

use crate::list::{mark_of, observes, source_name, state_name};
use crate::table::wrap;
use crate::wording::asks;
use crate::{
    Ask, CommandError, Exit, GrantState, PluginInfo, PluginState, PluginStore, Registered, Screen, Theme, printable,
};

/// Columns of the heading at the left.
const HEADING: usize = 12;

pub(crate) async fn run(
    store: &dyn PluginStore,
    screen: &mut Screen<'_>,
    name: &str,
    start: bool,
    json: bool,
) -> Result<Exit, CommandError> {
    let info = store.info(name, start).await?;
    if json {
        screen.json(&info)?;
    } else {
        print(screen, &info, start)?;
    }
    let has_not_started = start && info.registered.is_none();
    Ok(if has_not_started { Exit::Failed } else { Exit::Done })
}

fn print(screen: &mut Screen<'_>, info: &PluginInfo, was_started: bool) -> std::io::Result<()> {
    let summary = &info.summary;
    let (strong, dim, typed) = (Theme::STRONG, Theme::DIM, Theme::TYPE);
    let version = summary.version.as_deref().unwrap_or_default();
    screen.line(format!("{strong}{}{strong:#} {}", printable(&summary.id), printable(version)))?;
    if let Some(description) = &info.description {
        for line in wrap(&printable(description), screen.width) {
            screen.line(line)?;
        }
    }
    screen.line("")?;
    let (mark, style) = mark_of(summary);
    let name = if observes(summary) { "observes" } else { state_name(summary.state) };
    let state = format!("{style}{mark} {name}{style:#}");
    screen.line(format!("{dim}{:HEADING$}{dim:#}{state}, {}", "state", printable(&summary.why)))?;
    if let Some(hint) = &summary.hint {
        screen.line(format!("{:HEADING$}{typed}{}{typed:#}", "", printable(hint)))?;
    }
    row(screen, "from", &format!("{}: {}", source_name(summary.source), summary.path.display()))?;
    for path in &summary.shadows {
        row(screen, "hides", &path.to_string_lossy())?;
    }
    for (heading, value) in [("author", &info.author), ("license", &info.license), ("content", &info.hash)] {
        if let Some(value) = value {
            row(screen, heading, value)?;
        }
    }
    let events = if summary.events.is_empty() { "none".to_owned() } else { summary.events.join(", ") };
    row(screen, "events", &events)?;
    if summary.mode == PluginMode::Observe {
        row(screen, "mode", "observe: its answers are recorded, and nothing comes of them")?;
    }
    let failure = if info.failure == "closed" { "closed: the call is blocked" } else { "open: the call goes on" };
    row(screen, "on failure", failure)?;
    match &info.registered {
        Some(registered) => print_registered(screen, registered)?,
        None if summary.state == PluginState::Ready && !was_started => {
            row(screen, "adds", &format!("not known until it starts: mimir plugin info {} --start", summary.id))?;
        }
        None => {}
    }
    screen.line("")?;
    let granted = match summary.granted {
        GrantState::NotNeeded => "asks for nothing",
        GrantState::Granted => "asks to, and is granted",
        GrantState::ThisRun => "asks to, and is granted for this run",
        GrantState::Partly => "asks to, and is granted a part of it",
        GrantState::Missing => "asks to (not granted)",
    };
    screen.line(format!("{strong}It {granted}{strong:#}"))?;
    print_asks(screen, &asks(&summary.needs))?;
    if summary.granted == GrantState::Partly {
        screen.line("")?;
        screen.line(format!("{strong}It may{strong:#}"))?;
        print_asks(screen, &asks(&info.effective))?;
    }
    if !info.limits.is_empty() {
        screen.line("")?;
        let widest = info.limits.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        screen.line(format!("{strong}Limits{strong:#}"))?;
        for (name, value) in &info.limits {
            screen.line(format!("  {dim}{name:widest$}{dim:#}  {value}"))?;
        }
    }
    for problem in &info.problems {
        screen.line("")?;
        screen.line(problem.report(screen.width).trim_end())?;
    }
    Ok(())
}

/// What it adds to the agent, a row each. Tools and commands start with what they are called.
fn print_registered(screen: &mut Screen<'_>, registered: &Registered) -> std::io::Result<()> {
    let Registered { tools, commands, auth_providers } = registered;
    if tools.is_empty() && commands.is_empty() && auth_providers.is_empty() {
        return row(screen, "adds", "no tools, commands or auth providers");
    }
    let tools = tools.iter().map(|tool| format!("{}: {}", tool.name, tool.description));
    let commands = commands.iter().map(|command| match command.description.as_str() {
        "" => format!("/{}", command.name),
        description => format!("/{}: {description}", command.name),
    });
    for (heading, items) in [
        ("tools", tools.collect::<Vec<_>>()),
        ("commands", commands.collect()),
        ("signs in to", auth_providers.clone()),
    ] {
        // One item a row, and the heading beside the first
        for (index, item) in items.iter().enumerate() {
            row(screen, if index == 0 { heading } else { "" }, item)?;
        }
    }
    Ok(())
}

/// One line for each thing that is asked for, in the colour of its risk.
pub(crate) fn print_asks(screen: &mut Screen<'_>, asks: &[Ask]) -> std::io::Result<()> {
    for ask in asks {
        let style = match ask.risk {
            Risk::Low => Theme::PLAIN,
            Risk::Medium => Theme::WARN,
            Risk::High | Risk::Critical => Theme::BAD,
        };
        bullet(screen, "•", style, &ask.what)?;
        for item in &ask.items {
            bullet(screen, " ", style, item)?;
        }
    }
    Ok(())
}

/// An item of a list, in as many lines as it takes.
pub(crate) fn bullet(screen: &mut Screen<'_>, mark: &str, style: Style, text: &str) -> std::io::Result<()> {
    for (index, line) in wrap(&printable(text), screen.width.saturating_sub(6)).iter().enumerate() {
        let mark = if index == 0 { mark } else { " " };
        screen.line(format!("  {style}{mark} {line}{style:#}"))?;
    }
    Ok(())
}

fn row(screen: &mut Screen<'_>, heading: &str, value: &str) -> std::io::Result<()> {
    let dim = Theme::DIM;
    let width = screen.width.saturating_sub(HEADING).max(20);
    for (index, line) in wrap(&printable(value), width).iter().enumerate() {
        let heading = if index == 0 { heading } else { "" };
        screen.line(format!("{dim}{heading:HEADING$}{dim:#}{line}"))?;
    }
    Ok(())
}
