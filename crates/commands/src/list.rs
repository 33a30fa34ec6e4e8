use anstyle::Style;
use mimir_shared_config::PluginMode;

use crate::table::wrap;
use crate::wording::{plural, short};
use crate::{
    Align, Cell, Column, CommandError, Exit, Fit, GrantState, PluginState, PluginStore, PluginSummary, Screen, Source,
    Table, Theme, printable,
};

pub(crate) async fn run(store: &dyn PluginStore, screen: &mut Screen<'_>, json: bool) -> Result<Exit, CommandError> {
    let plugins = store.list().await?;
    if json {
        screen.json(&plugins)?;
        return Ok(Exit::Done);
    }
    if plugins.is_empty() {
        screen.line("no plugins: put one into .mimir/plugins/, or list a package under `plugins.enabled`")?;
        return Ok(Exit::Done);
    }
    let left = Align::Left;
    let mut table = Table::new([
        Column { title: "", align: left, fit: Fit::Keep },
        Column { title: "PLUGIN", align: left, fit: Fit::Cut(16) },
        Column { title: "VERSION", align: left, fit: Fit::Cut(7) },
        Column { title: "STATE", align: left, fit: Fit::Keep },
        Column { title: "FROM", align: left, fit: Fit::Keep },
        Column { title: "EVENTS", align: Align::Right, fit: Fit::Keep },
        Column { title: "ASKS FOR", align: left, fit: Fit::Wrap(16) },
    ]);
    for plugin in &plugins {
        let (mark, style) = mark_of(plugin);
        let style_of_rest = if plugin.state == PluginState::Disabled { Theme::DIM } else { Theme::PLAIN };
        let granted = match plugin.granted {
            GrantState::Missing => Theme::DIM,
            _ => style_of_rest,
        };
        table.row([
            Cell::styled(mark, style),
            Cell::styled(&plugin.id, if plugin.state == PluginState::Disabled { Theme::DIM } else { Theme::STRONG }),
            Cell::styled(plugin.version.as_deref().unwrap_or("–"), style_of_rest),
            Cell::styled(if observes(plugin) { "observes" } else { state_name(plugin.state) }, style),
            Cell::styled(source_name(plugin.source), style_of_rest),
            Cell::styled(plugin.events.len().to_string(), style_of_rest),
            Cell::styled(short(&plugin.needs), granted),
        ]);
    }
    write!(screen.out, "{}", table.render(screen.width))?;
    remarks(screen, &plugins)?;
    for plugin in plugins.iter().filter(|plugin| !plugin.shadows.is_empty()) {
        shadows(screen, plugin)?;
    }
    Ok(Exit::Done)
}

/// What the table has no room for: why plugins do not run and what to do. Said once for those that share it.
fn remarks(screen: &mut Screen<'_>, plugins: &[PluginSummary]) -> std::io::Result<()> {
    let is_remarkable = |plugin: &&PluginSummary| !matches!(plugin.state, PluginState::Ready | PluginState::Disabled);
    let mut told: Vec<(&str, Option<&str>)> = Vec::new();
    for plugin in plugins.iter().filter(is_remarkable) {
        let remark = (plugin.why.as_str(), plugin.hint.as_deref());
        if told.contains(&remark) {
            continue;
        }
        told.push(remark);
        let alike =
            plugins.iter().filter(is_remarkable).filter(|other| (other.why.as_str(), other.hint.as_deref()) == remark);
        let names: Vec<_> = alike.map(|plugin| printable(&plugin.id)).collect();
        let ((mark, style), strong, typed) = (mark(plugin.state), Theme::STRONG, Theme::TYPE);
        screen.line("")?;
        for (index, line) in wrap(&names.join(", "), screen.width.saturating_sub(2)).iter().enumerate() {
            let mark = if index == 0 { mark } else { " " };
            screen.line(format!("{style}{mark}{style:#} {strong}{line}{strong:#}"))?;
        }
        for line in wrap(&printable(&plugin.why), screen.width.saturating_sub(2)) {
            screen.line(format!("  {line}"))?;
        }
        if let Some(hint) = &plugin.hint {
            screen.line(format!("  {typed}{}{typed:#}", printable(hint)))?;
        }
    }
    Ok(())
}

fn shadows(screen: &mut Screen<'_>, plugin: &PluginSummary) -> std::io::Result<()> {
    let (dim, id, count) = (Theme::DIM, printable(&plugin.id), plugin.shadows.len());
    screen.line("")?;
    screen.line(format!("{dim}{id} hides {count} other{} of its name:{dim:#}", plural(count)))?;
    for path in &plugin.shadows {
        screen.line(format!("  {dim}{}{dim:#}", printable(&path.to_string_lossy())))?;
    }
    Ok(())
}

/// Whether it runs, and nothing comes of what it says.
pub(crate) fn observes(plugin: &PluginSummary) -> bool {
    plugin.state == PluginState::Ready && plugin.mode == PluginMode::Observe
}

pub(crate) fn mark_of(plugin: &PluginSummary) -> (&'static str, Style) {
    if observes(plugin) { ("◌", Theme::TYPE) } else { mark(plugin.state) }
}

fn mark(state: PluginState) -> (&'static str, Style) {
    match state {
        PluginState::Ready => ("●", Theme::GOOD),
        PluginState::NotGranted | PluginState::NotTrusted => ("◐", Theme::WARN),
        PluginState::Disabled => ("○", Theme::DIM),
        PluginState::Refused | PluginState::Quarantined | PluginState::Broken => ("✗", Theme::BAD),
    }
}

pub(crate) fn state_name(state: PluginState) -> &'static str {
    match state {
        PluginState::Ready => "ready",
        PluginState::NotGranted => "not granted",
        PluginState::NotTrusted => "not trusted",
        PluginState::Disabled => "disabled",
        PluginState::Refused => "refused",
        PluginState::Quarantined => "quarantined",
        PluginState::Broken => "broken",
    }
}

pub(crate) fn source_name(source: Source) -> &'static str {
    match source {
        Source::BuiltIn => "built in",
        Source::Flag => "--plugins",
        Source::Project => "project",
        Source::User => "user",
        Source::Package => "package",
        Source::Configured => "configured",
    }
}
