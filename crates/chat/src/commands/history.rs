use mimir_shared_providers::{Content, Message};

use super::text::{dollars, number, one_line};
use super::{Failed, Ran};
use crate::agent::Agent;
use crate::chat::lock;
use crate::live::{Live, Measured};
use crate::{Stored, context};

/// How many sessions `/resume` lists.
const LISTED: usize = 20;

/// The messages are put away like those of a compaction, all at once, and stay in the store's history.
pub(super) async fn clear(agent: &Agent, _: &str) -> Result<Ran, Failed> {
    let live = &agent.live;
    let stored = live.conversation().await?;
    let is_mark =
        |stored: &Stored| stored.message.extra.get(context::MARK).is_some_and(|mark| mark == context::CLEARED);
    let Some(last) = stored.last().filter(|_| !stored.iter().all(is_mark)).and_then(|last| last.message.id.clone())
    else {
        return Ok(Ran::Said("there is nothing to forget yet".to_owned()));
    };
    let mark = context::marked(context::CLEARED, "The conversation begins anew here.".to_owned());
    let mark = live.shared.ports.store.compact(live.id(), &last, mark).await?;
    *lock(&live.measured) = Measured::default();
    for stored in &stored {
        live.announcer.removed(&stored.message);
    }
    live.announcer.added(&mark.message);
    Ok(Ran::Said(format!(
        "the model begins anew; {} left the conversation and stay in the session's history",
        messages(stored.len())
    )))
}

pub(super) async fn undo(agent: &Agent, _: &str) -> Result<Ran, Failed> {
    let stored = agent.live.conversation().await?;
    let Some(at) = last_of_person(&stored) else {
        return Err(Failed::words("there is nothing to undo: what you said is summed up, or you said nothing yet"));
    };
    let count = agent.live.remove(&stored[at..]).await?;
    let said = one_line(&stored[at].message.plain_text());
    Ok(Ran::Said(format!(
        "removed {}, from “{}” on. Files that were changed since are not restored",
        messages(count),
        context::clipped(&said, 80)
    )))
}

pub(super) async fn edit(agent: &Agent, text: &str) -> Result<Ran, Failed> {
    if text.is_empty() {
        return Err(Failed::words("`/edit TEXT` says what should stand there instead"));
    }
    let mut stored = agent.live.conversation().await?;
    let Some(at) = last_of_person(&stored) else {
        return Err(Failed::words("there is nothing to edit: what you said is summed up, or you said nothing yet"));
    };
    // What followed goes first: broken off in between, the old words are there and wait for an answer
    let count = agent.live.remove(&stored[at + 1..]).await?;
    let message = Message { content: Content::Text(text.to_owned()), ..stored.swap_remove(at).message };
    let replaced = agent.live.shared.ports.store.replace(agent.live.id(), &message).await?;
    let Some(replaced) = replaced else { return Err(Failed::words("the message is not there any more")) };
    *lock(&agent.live.measured) = Measured::default();
    agent.announcer.updated(&replaced.message);
    let dropped =
        if count > 0 { format!(", and {} dropped. Files are not restored", messages(count)) } else { String::new() };
    Ok(Ran::Changed(format!("what you said last is changed{dropped}")))
}

pub(super) async fn resume(agent: &Agent, id: &str) -> Result<Ran, Failed> {
    if id.is_empty() {
        return list(agent).await;
    }
    if agent.live.id().starts_with(id) {
        return Err(Failed::words("this is the session that you are in"));
    }
    match Live::reopen(&agent.live.shared, id, None).await {
        Ok(live) => Ok(Ran::Turned(live)),
        // The session at hand is as it was
        Err(error) => Err(Failed::Words(error.in_one_line())),
    }
}

async fn list(agent: &Agent) -> Result<Ran, Failed> {
    let sessions = agent.live.shared.sessions().await?;
    let lines = sessions.iter().take(LISTED).map(|session| {
        let here = if session.id == agent.live.id() { " (this one)" } else { "" };
        let count = if session.messages == 1 { "message" } else { "messages" };
        let (title, count) = (one_line(&session.title), format!("{} {count}", number(session.messages)));
        format!("{}  {}  {count}, {}{here}", session.id, context::clipped(&title, 60), dollars(session.cost))
    });
    let mut lines: Vec<String> = lines.collect();
    if sessions.len() > LISTED {
        lines.push(format!("and {} more: `mimir sessions list`", sessions.len() - LISTED));
    }
    lines.push("`/resume ID` goes on with one; the beginning of the id is enough".to_owned());
    Ok(Ran::Said(lines.join("\n")))
}

fn last_of_person(stored: &[Stored]) -> Option<usize> {
    stored.iter().rposition(|stored| context::is_by_person(&stored.message))
}

fn messages(count: usize) -> String {
    if count == 1 { "1 message".to_owned() } else { format!("{count} messages") }
}
