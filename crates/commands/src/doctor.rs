use anstyle::Style;

use crate::table::wrap;
use crate::wording::plural;
use crate::{Check, CommandError, Exit, Health, PluginStore, Screen, Theme, display_width, printable};

/// Ends with 3 if something that somebody requires is not there, with 1 if something is missing or wrong.
pub(crate) async fn run(store: &dyn PluginStore, screen: &mut Screen<'_>, json: bool) -> Result<Exit, CommandError> {
    let checks = store.doctor().await?;
    if json {
        screen.json(&checks)?;
    } else {
        print(screen, &checks)?;
    }
    let is_short = |check: &&Check| check.health != Health::Good;
    Ok(match () {
        () if checks.iter().filter(is_short).any(|check| check.required_by.is_some()) => Exit::Refused,
        () if checks.iter().any(|check| check.health != Health::Good) => Exit::Failed,
        () => Exit::Done,
    })
}

fn print(screen: &mut Screen<'_>, checks: &[Check]) -> std::io::Result<()> {
    let widest = checks.iter().map(|check| display_width(&printable(&check.name))).max().unwrap_or(0);
    let mut area = "";
    for check in checks {
        if check.area != area {
            if !area.is_empty() {
                screen.line("")?;
            }
            let strong = Theme::STRONG;
            screen.line(format!("{strong}{}{strong:#}", printable(&check.area)))?;
            area = &check.area;
        }
        print_one(screen, check, widest)?;
    }
    screen.line("")?;
    screen.line(verdict(checks))
}

fn print_one(screen: &mut Screen<'_>, check: &Check, widest: usize) -> std::io::Result<()> {
    let (mark, style) = mark(check.health);
    let name = printable(&check.name);
    let pad = widest.saturating_sub(display_width(&name)) + 2;
    let indent = 4 + widest + 2;
    let room = screen.width.saturating_sub(indent).max(20);
    for (index, line) in wrap(&printable(&check.detail), room).iter().enumerate() {
        match index {
            0 => screen.line(format!("  {style}{mark}{style:#} {name}{:pad$}{line}", ""))?,
            _ => screen.line(format!("{:indent$}{line}", ""))?,
        }
    }
    if let Some(by) = check.required_by.as_ref().filter(|_| check.health != Health::Good) {
        let bad = Theme::BAD;
        for line in wrap(&format!("plugins do not start: {} requires it", printable(by)), room) {
            screen.line(format!("{:indent$}{bad}{line}{bad:#}", ""))?;
        }
    }
    for line in check.hint.iter().flat_map(|hint| wrap(&printable(hint), room)) {
        let typed = Theme::TYPE;
        screen.line(format!("{:indent$}{typed}{line}{typed:#}", ""))?;
    }
    Ok(())
}

fn verdict(checks: &[Check]) -> String {
    let short = checks.iter().filter(|check| check.health != Health::Good).count();
    let required = checks.iter().filter(|check| check.health != Health::Good && check.required_by.is_some()).count();
    let (good, bad, warn) = (Theme::GOOD, Theme::BAD, Theme::WARN);
    match (short, required) {
        (0, _) => format!("{good}✓ all of it holds{good:#}"),
        (short, 0) => format!("{warn}! {short} thing{} to look at; plugins run without them{warn:#}", plural(short)),
        (_, required) => {
            format!("{bad}✗ {required} required thing{} missing: plugins do not start{bad:#}", plural(required))
        }
    }
}

fn mark(health: Health) -> (&'static str, Style) {
    match health {
        Health::Good => ("●", Theme::GOOD),
        Health::Partial => ("◐", Theme::WARN),
        Health::Missing => ("○", Theme::WARN),
        Health::Bad => ("✗", Theme::BAD),
    }
}
