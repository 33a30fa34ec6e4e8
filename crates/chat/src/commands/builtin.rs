use std::fmt::Write as _;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use mimir_plugins::events::CompactionTrigger;

use super::text::{number, one_line};
use super::{Failed, Ran, account, history};
use crate::SlashCommand;
use crate::agent::Agent;
use crate::compaction::Compacted;

/// A command of the conversation itself.
pub(crate) struct Builtin {
    pub(crate) name: &'static str,
    pub(crate) usage: Option<&'static str>,
    pub(crate) description: &'static str,
    run: for<'a> fn(&'a Agent, &'a str) -> BoxFuture<'a, Result<Ran, Failed>>,
}

impl Builtin {
    pub(crate) async fn run(&self, agent: &Agent, arguments: &str) -> Result<Ran, Failed> {
        (self.run)(agent, arguments).await
    }
}

/// Builds the list, each entry with what it calls.
macro_rules! builtins {
    ($($name:literal $(, $usage:literal)?: $description:literal => $run:path;)+) => {
        /// All of them, as `/help` lists them.
        pub(crate) const ALL: &[Builtin] = &[$(Builtin {
            name: $name,
            usage: builtins!(@usage $($usage)?),
            description: $description,
            run: |agent, arguments| $run(agent, arguments).boxed(),
        }),+];
    };
    (@usage) => { None };
    (@usage $usage:literal) => { Some($usage) };
}

builtins! {
    "help": "Lists the commands." => help;
    "compact", "[INSTRUCTIONS]": "Sums the conversation up, so that it takes less room." => compact;
    "context": "Shows what the model gets to read, and how long it is." => account::context;
    "cost", "[session | day AMOUNT]": "Shows what was spent, or raises a budget." => account::cost;
    "model", "[MODEL]": "Shows the model, or talks to another from now on." => model;
    "plugins": "Lists the plugins and what they did." => plugins;
    "clear": "Begins anew: the model forgets the conversation, which stays in the session's history." => history::clear;
    "resume", "[ID]": "Lists the sessions of the project, or goes on with one." => history::resume;
    "undo": "Removes what you said last and all that followed. Files are not restored." => history::undo;
    "edit", "TEXT": "Changes what you said last, drops what followed, and asks again." => history::edit;
}

pub(crate) fn find(name: &str) -> Option<&'static Builtin> {
    ALL.iter().find(|command| command.name == name)
}

/// The commands of the conversation itself, for whoever completes names or looks for conflicts.
pub fn builtin_commands() -> Vec<SlashCommand> {
    let all = ALL.iter().map(|command| SlashCommand {
        name: command.name.to_owned(),
        aliases: Vec::new(),
        description: command.description.to_owned(),
        usage: command.usage.map(str::to_owned),
        origin: "mimir".to_owned(),
    });
    all.collect()
}

async fn help(agent: &Agent, _: &str) -> Result<Ran, Failed> {
    let mut outside = agent.live.shared.ports.commands.list().await;
    // A command that has a built-in one's name is never reached by it
    outside.retain(|command| find(&command.name).is_none());
    let call = |command: &SlashCommand| {
        let usage = command.usage.as_deref().map(|usage| format!(" {}", one_line(usage))).unwrap_or_default();
        format!("/{}{usage}", one_line(&command.name))
    };
    let own = builtin_commands();
    let width =
        own.iter().chain(&outside).map(|command| call(command).chars().count()).max().unwrap_or_default().min(32);
    let mut text = String::new();
    for command in own.iter().chain(&outside) {
        let said = one_line(&command.description);
        let _ = write!(text, "{:width$}  {}.", call(command), said.trim_end_matches('.'));
        if !command.aliases.is_empty() {
            let aliases: Vec<String> = command.aliases.iter().map(|alias| format!("/{}", one_line(alias))).collect();
            let _ = write!(text, " Also {}.", aliases.join(", "));
        }
        if command.origin != "mimir" {
            let _ = write!(text, " ({})", one_line(&command.origin));
        }
        text.push('\n');
    }
    text.truncate(text.trim_end().len());
    Ok(Ran::Said(text))
}

async fn compact(agent: &Agent, arguments: &str) -> Result<Ran, Failed> {
    let instructions = Some(arguments.to_owned()).filter(|text| !text.is_empty());
    let Compacted { before, after } = agent.compact(CompactionTrigger::Manual, instructions).await?;
    Ok(Ran::Said(format!("the conversation has {} tokens instead of {}", number(after), number(before))))
}

async fn model(agent: &Agent, arguments: &str) -> Result<Ran, Failed> {
    if arguments.is_empty() {
        return Ok(Ran::Said(one_line(&agent.model)));
    }
    if arguments.contains(char::is_whitespace) {
        return Err(Failed::words("a model's name has no spaces: `/model provider/model`"));
    }
    agent.live.shared.ports.models.check(arguments).map_err(Failed::Words)?;
    agent.live.update(|session| arguments.clone_into(&mut session.model)).await?;
    Ok(Ran::Said(format!("the next answer is that of {}", one_line(arguments))))
}

async fn plugins(agent: &Agent, _: &str) -> Result<Ran, Failed> {
    let plugins = agent.live.shared.ports.commands.plugins().await;
    if plugins.is_empty() {
        return Ok(Ran::Said("there are no plugins".to_owned()));
    }
    let lines = plugins.iter().map(|plugin| {
        let version = plugin.version.as_deref().map(|version| format!(" {}", one_line(version))).unwrap_or_default();
        let did = if plugin.did.is_empty() { "did nothing yet".to_owned() } else { one_line(&plugin.did.join(", ")) };
        format!("{}{version}: {}; {did}", one_line(&plugin.name), one_line(&plugin.state))
    });
    Ok(Ran::Said(lines.collect::<Vec<_>>().join("\n")))
}
