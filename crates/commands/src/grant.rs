use mimir_shared_config::{Capabilities, Risk, widened};
use serde::Serialize;

use crate::info::{bullet, print_asks};
use crate::list::source_name;
use crate::part::{Part, only};
use crate::wording::asks;
use crate::{Ask, CommandError, Exit, GrantView, Person, PluginStore, Screen, Theme, exact, printable};

/// How much of a hash is shown, in characters: enough to compare by eye.
const SHORT_HASH: usize = 12;
/// How many things are shown, and how many items of one: the question must not scroll away what it is about. The worst come
/// first.
const MOST_SHOWN: usize = 12;

/// What `--json` prints.
#[derive(Serialize)]
struct Granted<'a> {
    id: &'a str,
    granted: bool,
    changed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    capabilities: Option<&'a Capabilities>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<&'a GrantView>,
}

pub(crate) async fn run(
    store: &dyn PluginStore,
    person: &dyn Person,
    screen: &mut Screen<'_>,
    name: &str,
    parts: &[Part],
    yes: bool,
    json: bool,
) -> Result<Exit, CommandError> {
    let request = store.requested(name).await?;
    let asks_nothing = asks(&request.requested).is_empty() && request.limits.is_empty();
    let wanted = if parts.is_empty() { request.requested.clone() } else { only(&request.requested, parts) };
    let with_limits = parts.is_empty() || parts.contains(&Part::Limits);
    let is_held = request.held.as_ref().is_some_and(|held| held.canonical() == wanted.canonical());
    let changed = !asks_nothing && !(if parts.is_empty() { request.granted } else { is_held });
    let mut shown = Shown::default();
    if !json {
        shown = print_request(screen, &request, (!parts.is_empty()).then_some((&wanted, with_limits)))?;
    }
    if changed {
        // Nobody says yes to what was not shown
        let asked = if json { None } else { Some(shown.question(&request.id)) };
        let confirmed = yes
            || match asked {
                Some(question) => {
                    screen.out.flush()?;
                    person.confirm(&question).await.ok_or(CommandError::NobodyToAsk)?
                }
                None => return Err(CommandError::NobodyToAsk),
            };
        if !confirmed {
            return Err(CommandError::Declined);
        }
        store.grant(&request, &wanted, with_limits).await?;
    }
    if json {
        let capabilities = Some(&wanted);
        screen.json(&Granted { id: &request.id, granted: true, changed, capabilities, request: Some(&request) })?;
        return Ok(Exit::Done);
    }
    let (good, strong) = (Theme::GOOD, Theme::STRONG);
    let verdict = match (changed, asks_nothing) {
        (true, _) if !parts.is_empty() => "is granted this part of it",
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
        screen.json(&Granted { id: name, granted: false, changed, capabilities: None, request: None })?;
        return Ok(Exit::Done);
    }
    let (dim, strong) = (Theme::DIM, Theme::STRONG);
    let verdict = if changed { "is not granted any more" } else { "was not granted" };
    screen.line(format!("{dim}○{dim:#} {strong}{}{strong:#} {verdict}", printable(name)))?;
    if changed {
        screen.line("  a session that runs already keeps it until it ends; the next one starts without")?;
    }
    Ok(Exit::Done)
}

/// What the question is about, in numbers.
#[derive(Debug, Default)]
struct Shown {
    /// Things that would be granted, items counted singly.
    things: usize,
    /// Those of them that there was no room for.
    hidden: usize,
    worst: Option<Risk>,
}

impl Shown {
    fn question(&self, id: &str) -> String {
        let Self { things, hidden, worst } = self;
        let id = printable(id);
        let what = match hidden {
            0 => "this".to_owned(),
            hidden => format!("all {things} things, {hidden} of them not shown above,"),
        };
        let risk = match worst {
            Some(Risk::Critical) => " It could do anything that you can do.",
            _ => "",
        };
        format!("Grant {what} to {id}?{risk}")
    }
}

fn print_request(
    screen: &mut Screen<'_>,
    request: &GrantView,
    part: Option<(&Capabilities, bool)>,
) -> std::io::Result<Shown> {
    let (strong, dim, warn) = (Theme::STRONG, Theme::DIM, Theme::WARN);
    let (wanted, with_limits) = part.unwrap_or((&request.requested, true));
    let limits = if with_limits { request.limits.as_slice() } else { &[] };
    let mut asked = asks(wanted);
    let (id, version) = (printable(&request.id), exact(&request.version));
    let verb = match part {
        Some(_) => "asks to (only what you named)",
        None if asked.is_empty() && request.limits.is_empty() => "asks for nothing",
        None => "asks to",
    };
    screen.line(format!("{strong}{id}{strong:#} {version} {verb}"))?;
    let things = asked.iter().map(things_in).sum::<usize>() + limits.len();
    let worst = asked.iter().map(|ask| ask.risk).max();
    let hidden = cut(&mut asked);
    print_asks(screen, &asked)?;
    for limit in limits {
        bullet(screen, "•", Theme::WARN, limit)?;
    }
    if hidden > 0 {
        let more = format!("and {hidden} more: `mimir plugin info {id}` shows them all");
        bullet(screen, "…", Theme::BAD, &more)?;
    }
    print_new(screen, request)?;
    for withheld in &request.withheld {
        screen.line(format!("  {warn}! {}{warn:#}", exact(withheld)))?;
    }
    let hash = request.hash.get(..SHORT_HASH).unwrap_or(&request.hash);
    let path = printable(&request.path.to_string_lossy());
    screen.line("")?;
    screen.line(format!("{dim}from {}: {path}{dim:#}", source_name(request.source)))?;
    screen.line(format!("{dim}for exactly this content: {}…{dim:#}", printable(hash)))?;
    screen.line("")?;
    Ok(Shown { things, hidden, worst })
}

/// What is different from the last grant.
fn print_new(screen: &mut Screen<'_>, request: &GrantView) -> std::io::Result<()> {
    let strong = Theme::STRONG;
    let Some(before) = &request.before else { return Ok(()) };
    let mut new = widened(&request.requested, before);
    new.extend(request.new_limits.iter().cloned());
    if new.is_empty() {
        if request.granted || request.held.is_some() {
            return Ok(());
        }
        screen.line("")?;
        return screen.line(format!("{strong}Its content has changed since you granted it{strong:#}"));
    }
    screen.line("")?;
    screen.line(format!("{strong}New since you granted it last{strong:#}"))?;
    for line in new.iter().take(MOST_SHOWN) {
        bullet(screen, "+", Theme::WARN, &exact(line))?;
    }
    let more = new.len().saturating_sub(MOST_SHOWN);
    if more > 0 {
        bullet(screen, "…", Theme::BAD, &format!("and {more} more that are new"))?;
    }
    Ok(())
}

fn things_in(ask: &Ask) -> usize {
    ask.items.len().max(1)
}

/// Leaves the first of what is asked, and gives how many things that took away. An ask that is left says so itself.
fn cut(asked: &mut Vec<Ask>) -> usize {
    let mut hidden: usize = asked.iter().skip(MOST_SHOWN).map(things_in).sum();
    asked.truncate(MOST_SHOWN);
    for ask in asked {
        let more = ask.items.len().saturating_sub(MOST_SHOWN);
        if more > 0 {
            hidden += more;
            ask.items.truncate(MOST_SHOWN);
            ask.items.push(format!("… {more} more of these"));
        }
    }
    hidden
}
