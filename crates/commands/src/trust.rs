use crate::info::bullet;
use crate::table::wrap;
use crate::wording::short;
use crate::{CommandError, Exit, Person, PluginStore, RepositoryView, Screen, Theme, TrustView, exact, printable};

/// How many plugins and sentences are shown of each kind.
const MOST_SHOWN: usize = 12;

pub(crate) async fn run(
    store: &dyn PluginStore,
    person: &dyn Person,
    screen: &mut Screen<'_>,
    yes: bool,
    json: bool,
) -> Result<Exit, CommandError> {
    if !yes && !json {
        let brought = store.repository().await?;
        print_brought(screen, &brought)?;
        screen.out.flush()?;
        // To run this command is to say so, and who is not there can't be asked again
        if person.confirm("Trust this repository?").await == Some(false) {
            return Err(CommandError::Declined);
        }
    }
    let trust = store.trust(true).await?;
    print(screen, &trust, json)
}

pub(crate) async fn untrust(
    store: &dyn PluginStore,
    screen: &mut Screen<'_>,
    json: bool,
) -> Result<Exit, CommandError> {
    let trust = store.trust(false).await?;
    print(screen, &trust, json)
}

/// What trust would let in. Says nothing about a repository that brings nothing.
fn print_brought(screen: &mut Screen<'_>, brought: &RepositoryView) -> std::io::Result<()> {
    let RepositoryView { project, plugins, configuration } = brought;
    if plugins.is_empty() && configuration.is_empty() {
        return Ok(());
    }
    let strong = Theme::STRONG;
    screen.line(format!("{strong}{}{strong:#} brings", printable(&project.to_string_lossy())))?;
    for plugin in plugins.iter().take(MOST_SHOWN) {
        let needs = short(&plugin.needs);
        let means = if needs == "nothing" {
            "which then runs: it asks for nothing".to_owned()
        } else {
            format!("which asks to {needs}")
        };
        bullet(screen, "•", Theme::PLAIN, &format!("the plugin {}, {means}", printable(&plugin.id)))?;
        if let Some(hidden) = &plugin.hides {
            let hidden = printable(&hidden.to_string_lossy());
            bullet(screen, "!", Theme::BAD, &format!("in the place of your own in {hidden}"))?;
        }
    }
    for sentence in configuration.iter().take(MOST_SHOWN) {
        bullet(screen, "•", Theme::WARN, &format!("a configuration that wants to {}", exact(sentence)))?;
    }
    let more = plugins.len().saturating_sub(MOST_SHOWN) + configuration.len().saturating_sub(MOST_SHOWN);
    if more > 0 {
        bullet(screen, "…", Theme::BAD, &format!("and {more} things more: look into .mimir/"))?;
    }
    screen.line("")
}

fn print(screen: &mut Screen<'_>, trust: &TrustView, json: bool) -> Result<Exit, CommandError> {
    if json {
        screen.json(trust)?;
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
