use crate::table::wrap;
use crate::{CommandError, Exit, PluginStore, Screen, Theme, printable};

pub(crate) async fn run(
    store: &dyn PluginStore,
    screen: &mut Screen<'_>,
    revoke: bool,
    json: bool,
) -> Result<Exit, CommandError> {
    let trust = store.trust(!revoke).await?;
    if json {
        screen.json(&trust)?;
        return Ok(Exit::Done);
    }
    let strong = Theme::STRONG;
    let project = printable(&trust.project.to_string_lossy());
    let (mark, style, means) = if trust.trusted {
        ("✓", Theme::GOOD, "its plugins run once they are granted, and its configuration counts in full")
    } else {
        ("○", Theme::DIM, "its plugins do not run, and its configuration can only narrow yours")
    };
    let verdict = match (trust.trusted, trust.changed) {
        (true, true) => "is trusted now",
        (true, false) => "was trusted already",
        (false, true) => "is not trusted any more",
        (false, false) => "was not trusted",
    };
    screen.line(format!("{style}{mark}{style:#} {strong}{project}{strong:#} {verdict}"))?;
    for line in wrap(means, screen.width.saturating_sub(2)) {
        screen.line(format!("  {line}"))?;
    }
    Ok(Exit::Done)
}
