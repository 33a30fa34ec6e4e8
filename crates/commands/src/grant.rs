use mimir_shared_config::widened;
use serde::Serialize;

use crate::info::{bullet, print_asks};
use crate::list::source_name;
use crate::wording::asks;
use crate::{CommandError, Exit, GrantView, Person, PluginStore, Screen, Theme, printable};

/// How much of a hash is shown, in characters: enough to compare by eye.
const SHORT_HASH: usize = 12;

/// What `--json` prints.
#[derive(Serialize)]
struct Granted<'a> {
    id: &'a str,
    granted: bool,
    changed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<&'a GrantView>,
}

pub(crate) async fn run(
    store: &dyn PluginStore,
    person: &dyn Person,
    screen: &mut Screen<'_>,
    name: &str,
    yes: bool,
    json: bool,
) -> Result<Exit, CommandError> {
    let request = store.requested(name).await?;
    let asks_nothing = asks(&request.requested).is_empty() && request.limits.is_empty();
    let changed = !request.granted;
    if !json {
        print_request(screen, &request)?;
    }
    if changed {
        let confirmed = yes || {
            screen.out.flush()?;
            person.confirm("Grant this?").await.ok_or(CommandError::NobodyToAsk)?
        };
        if !confirmed {
            return Err(CommandError::Declined);
        }
        store.grant(&request).await?;
    }
    if json {
        screen.json(&Granted { id: &request.id, granted: true, changed, request: Some(&request) })?;
        return Ok(Exit::Done);
    }
    let (good, strong) = (Theme::GOOD, Theme::STRONG);
    let verdict = match (changed, asks_nothing) {
        (true, _) => "is granted",
        (false, true) => "needs no grant",
        (false, false) => "was granted already",
    };
    let id = printable(&request.id);
    screen.line(format!("{good}✓{good:#} {strong}{id}{strong:#} {verdict}"))?;
    Ok(Exit::Done)
}

pub(crate) async fn revoke(
    store: &dyn PluginStore,
    screen: &mut Screen<'_>,
    name: &str,
    json: bool,
) -> Result<Exit, CommandError> {
    let changed = store.revoke(name).await?;
    if json {
        screen.json(&Granted { id: name, granted: false, changed, request: None })?;
        return Ok(Exit::Done);
    }
    let (dim, strong) = (Theme::DIM, Theme::STRONG);
    let verdict = if changed { "is not granted any more" } else { "was not granted" };
    screen.line(format!("{dim}○{dim:#} {strong}{}{strong:#} {verdict}", printable(name)))?;
    Ok(Exit::Done)
}

fn print_request(screen: &mut Screen<'_>, request: &GrantView) -> std::io::Result<()> {
    let (strong, dim, warn) = (Theme::STRONG, Theme::DIM, Theme::WARN);
    let asked = asks(&request.requested);
    let (id, version) = (printable(&request.id), printable(&request.version));
    let verb = if asked.is_empty() && request.limits.is_empty() { "asks for nothing" } else { "asks to" };
    screen.line(format!("{strong}{id}{strong:#} {version} {verb}"))?;
    print_asks(screen, &asked)?;
    for limit in &request.limits {
        bullet(screen, "•", Theme::WARN, limit)?;
    }
    let new = request.before.as_ref().map(|before| widened(&request.requested, before)).unwrap_or_default();
    if !new.is_empty() {
        screen.line("")?;
        screen.line(format!("{strong}New since you granted it last{strong:#}"))?;
        for line in &new {
            bullet(screen, "+", Theme::WARN, line)?;
        }
    }
    let is_other_content = request.before.is_some() && !request.granted;
    if is_other_content && new.is_empty() {
        screen.line("")?;
        screen.line(format!("{strong}Its content has changed since you granted it{strong:#}"))?;
    }
    for withheld in &request.withheld {
        screen.line(format!("  {warn}! {}{warn:#}", printable(withheld)))?;
    }
    let hash = request.hash.get(..SHORT_HASH).unwrap_or(&request.hash);
    let path = printable(&request.path.to_string_lossy());
    screen.line("")?;
    screen.line(format!("{dim}from {}: {path}{dim:#}", source_name(request.source)))?;
    screen.line(format!("{dim}for exactly this content: {}…{dim:#}", printable(hash)))?;
    screen.line("")
}
