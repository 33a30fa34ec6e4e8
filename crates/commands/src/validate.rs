use std::path::Path;

use crate::wording::plural;
use crate::{CommandError, Exit, PluginStore, Screen, Severity, Theme, printable};

pub(crate) async fn run(
    store: &dyn PluginStore,
    screen: &mut Screen<'_>,
    path: Option<&Path>,
    json: bool,
) -> Result<Exit, CommandError> {
    let validations = store.validate(path).await?;
    let invalid = validations.iter().filter(|validation| !validation.valid).count();
    let exit = if invalid == 0 { Exit::Done } else { Exit::Failed };
    if json {
        screen.json(&validations)?;
        return Ok(exit);
    }
    let strong = Theme::STRONG;
    for validation in &validations {
        let warnings = validation.problems.iter().filter(|problem| problem.severity == Severity::Warning).count();
        let errors = validation.problems.len() - warnings;
        let (mark, style, verdict) = match (validation.valid, warnings) {
            (true, 0) => ("✓", Theme::GOOD, "is valid".to_owned()),
            (true, _) => ("!", Theme::WARN, format!("is valid, with {warnings} warning{}", plural(warnings))),
            (false, _) => ("✗", Theme::BAD, format!("has {errors} error{}", plural(errors))),
        };
        let id = printable(&validation.id);
        screen.line(format!("{style}{mark}{style:#} {strong}{id}{strong:#} {verdict}"))?;
        for problem in &validation.problems {
            screen.line("")?;
            screen.line(problem.report(screen.width).trim_end())?;
            screen.line("")?;
        }
    }
    if validations.is_empty() {
        screen.line("there is no plugin to check here")?;
    }
    Ok(exit)
}
