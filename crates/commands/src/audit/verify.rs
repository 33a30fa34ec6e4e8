//! `audit --verify`.

use super::entry::gap;
use super::time::day_and_hour;
use crate::table::wrap;
use crate::wording::plural;
use crate::{AuditPlace, AuditVerdict, CommandError, Exit, PluginStore, Screen, Theme, printable};

/// No more places are shown of each kind; `--json` has all of them.
const MOST: usize = 50;

pub(crate) async fn verify(store: &dyn PluginStore, screen: &mut Screen<'_>, json: bool) -> Result<Exit, CommandError> {
    let verdict = store.verify_audit().await?;
    let exit = if verdict.intact { Exit::Done } else { Exit::Failed };
    if json {
        screen.json(&verdict)?;
        return Ok(exit);
    }
    let AuditVerdict { segments, lines, anchors, open, removed, .. } = verdict;
    let (good, bad, warn, dim) = (Theme::GOOD, Theme::BAD, Theme::WARN, Theme::DIM);
    let size = format!("{segments} segment{}, {lines} lines, {anchors} anchors", ends(segments));
    if verdict.intact {
        screen.line(format!("{good}✓{good:#} the audit log is as it was written: {size}"))?;
    } else {
        let count = verdict.problems.len();
        screen.line(format!(
            "{bad}✗{bad:#} the audit log is not as it was written: {count} problem{}, {size}",
            plural(count)
        ))?;
    }
    if open > 0 || removed > 0 {
        let (is, were) = (if open == 1 { "is" } else { "are" }, if removed == 1 { "was" } else { "were" });
        screen.line(format!(
            "  {dim}{open} {is} still written, {removed} {were} removed as too old or too many{dim:#}"
        ))?;
    }
    places(screen, &verdict.problems, |screen, place| {
        screen.line(format!("  {bad}{}{bad:#}", at(place)))?;
        sentence(screen, &place.message)
    })?;
    if !verdict.intact {
        let advice = "Keep the folder as it is for whoever looks into it. A power loss can leave the same as a cut.";
        screen.line("")?;
        for line in wrap(advice, screen.width) {
            screen.line(line)?;
        }
    }
    if !verdict.gaps.is_empty() {
        let count = verdict.gaps.len();
        screen.line("")?;
        screen.line(format!("{warn}!{warn:#} {count} gap{} that nobody is to blame for", plural(count)))?;
    }
    places(screen, &verdict.gaps, |screen, place| {
        let (day, hour) = day_and_hour(place.time.unwrap_or(0));
        screen.line(format!("  {warn}{}{warn:#}  {dim}{day} {}{dim:#}", at(place), &hour[..8]))?;
        let detail = serde_json::from_str(&place.message).unwrap_or_default();
        sentence(screen, &gap(&detail))
    })?;
    Ok(exit)
}

fn places(
    screen: &mut Screen<'_>,
    places: &[AuditPlace],
    print: impl Fn(&mut Screen<'_>, &AuditPlace) -> std::io::Result<()>,
) -> std::io::Result<()> {
    for place in places.iter().take(MOST) {
        print(screen, place)?;
    }
    match places.len().saturating_sub(MOST) {
        0 => Ok(()),
        more => screen.line(format!("  and {more} more: --json shows all of them")),
    }
}

fn sentence(screen: &mut Screen<'_>, text: &str) -> std::io::Result<()> {
    for line in wrap(&printable(text), screen.width.saturating_sub(4)) {
        screen.line(format!("    {line}"))?;
    }
    Ok(())
}

/// `file:line`, as editors take it.
fn at(place: &AuditPlace) -> String {
    let file = printable(&place.file.to_string_lossy());
    place.line.map_or(file.clone(), |line| format!("{file}:{line}"))
}

fn ends(count: u64) -> &'static str {
    if count == 1 { "" } else { "s" }
}
