//! Slash commands: those of the conversation itself, and the way to the others.

mod account;
mod builtin;
mod history;
mod text;

use std::sync::Arc;

use crate::agent::Agent;
use crate::compaction::NotCompacted;
use crate::ended::Halt;
use crate::live::Live;
use crate::{CommandOutcome, StoreError};

pub use builtin::builtin_commands;

/// What a command came to.
pub(crate) enum Ran {
    /// The person is told this.
    Said(String),
    /// The person is told this, and the conversation, which was changed, goes on.
    Changed(String),
    /// This is said to the model as if the person had.
    Prompt(String),
    /// It goes on in another session.
    Turned(Arc<Live>),
}

/// Why a command failed.
pub(crate) enum Failed {
    /// For the person to read.
    Words(String),
    /// Nothing goes on.
    Halt(Halt),
}

impl Failed {
    fn words(text: impl Into<String>) -> Self {
        Self::Words(text.into())
    }
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self::Halt(error.into())
    }
}

impl From<Halt> for Failed {
    fn from(halt: Halt) -> Self {
        Self::Halt(halt)
    }
}

impl From<NotCompacted> for Failed {
    fn from(why: NotCompacted) -> Self {
        match why {
            NotCompacted::Halt(halt) => Self::Halt(halt),
            why => Self::Words(why.in_words()),
        }
    }
}

/// The name of a command and what stands after it, if the text is one. A path, such as `/etc/hosts`, is none.
pub(crate) fn parse(text: &str) -> Option<(&str, &str)> {
    let command = text.trim().strip_prefix('/')?;
    let (name, arguments) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b':'));
    is_name.then_some((name, arguments.trim()))
}

/// Runs a command: one of the conversation's own, else one from outside.
pub(crate) async fn run(agent: &Agent, name: &str, arguments: &str) -> Result<Ran, Failed> {
    if let Some(builtin) = builtin::find(name) {
        return builtin.run(agent, arguments).await;
    }
    let outside = agent.live.shared.ports.commands.run(agent.live.id(), name, arguments);
    match agent.interruption.race(outside).await? {
        Some(Ok(CommandOutcome::Say(text))) => Ok(Ran::Said(text)),
        Some(Ok(CommandOutcome::Prompt(text))) => Ok(Ran::Prompt(text)),
        Some(Err(why)) => Err(Failed::Words(why)),
        None => Err(Failed::Words(unknown(agent, name).await)),
    }
}

async fn unknown(agent: &Agent, name: &str) -> String {
    let outside = agent.live.shared.ports.commands.list().await;
    let outside = outside.into_iter().flat_map(|command| std::iter::once(command.name).chain(command.aliases));
    let known: Vec<String> = builtin::ALL.iter().map(|command| command.name.to_owned()).chain(outside).collect();
    match nearest(name, &known) {
        Some(nearest) => format!("there is no command `/{name}`; did you mean `/{nearest}`?"),
        None => format!("there is no command `/{name}`; `/help` lists those that there are"),
    }
}

/// The known name that is spelt most like this one, if one is near.
fn nearest<'a>(name: &str, known: &'a [String]) -> Option<&'a str> {
    let name = name.to_lowercase();
    let near = known.iter().map(|known| (strsim::osa_distance(&name, &known.to_lowercase()), known)).min()?;
    (near.0 <= 1 + name.len() / 4).then_some(near.1.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<(&str, &str)>) {
        assert_eq!(parse(text), expected, "{text}");
    }

    #[test]
    fn what_is_a_command() {
        check("/help", Some(("help", "")));
        check("  /edit  two words \n", Some(("edit", "two words")));
        check("/edit\nnew\nlines", Some(("edit", "new\nlines")));
        check("/jira:show X-1", Some(("jira:show", "X-1")));
        check("help", None);
        check("/", None);
        check("/etc/hosts is wrong", None);
        check("/1", None);
        check("// a comment", None);
    }

    #[test]
    fn the_nearest_name() {
        let known = ["help", "compact", "context", "cost"].map(str::to_owned);
        for (name, expected) in
            [("hlep", Some("help")), ("compat", Some("compact")), ("COST", Some("cost")), ("deploy", None), ("x", None)]
        {
            assert_eq!(nearest(name, &known), expected, "{name}");
        }
    }
}
