//! `mimir run`: the agent at work.

mod hanging;
mod json;
pub(crate) mod keyboard;
mod person;
mod prose;
mod screen;
mod signals;
mod spinner;
mod talk;
pub(crate) mod view;

use std::io::{self, Read};
use std::process::ExitCode;
use std::sync::Arc;

use mimir_agent::events::CommandExecuted;
use mimir_agent::{Agent, AgentBuilder, AgentError};
use mimir_commands::{CommandError, StoreError, printable, with_causes};
use mimir_plugins::{Plugins, PluginsBuilder, PluginsError};

use self::keyboard::Keyboard;
use self::person::AtKeyboard;
use self::signals::Signals;
use self::talk::{Talk, Talked};
use self::view::View;
use crate::cli::{Global, Run};
use crate::finish;
use crate::runtime::runtime;
use crate::terminal::Terminal;

/// The longest task that is read from standard input, in bytes.
const LONGEST_TASK: u64 = 1 << 20;

/// What the agent is to do, and in which session.
pub(crate) struct Job {
    /// What to say first; nothing where the person is asked.
    pub(crate) task: Option<String>,
    /// The session to go on with; empty for the latest of the project.
    pub(crate) resume: Option<String>,
    /// Whether the person is asked for more when the task is done.
    pub(crate) is_talk: bool,
    /// The command's name, for `command.executed`.
    pub(crate) command: &'static str,
    /// What stood behind it.
    pub(crate) args: Vec<String>,
    /// Whether it is said how to go on with the session.
    pub(crate) tells_resume: bool,
}

/// Runs, and gives the exit code.
pub(crate) fn main(run: &Run, global: &Global, terminal: &mut Terminal) -> ExitCode {
    let (keyboard, view) = (Keyboard::new(), View::new(terminal, run.json));
    let job = match job(run, &keyboard) {
        Ok(job) => job,
        Err(error) => return not_begun(error, &view, terminal),
    };
    let mut plugins = Plugins::builder().without_plugins(global.no_plugins).plugins(run.plugins.iter().cloned());
    if let Some(project) = &global.project {
        plugins = plugins.project(project);
    }
    let builder = agent(plugins, &view, &keyboard)
        .model(run.model.clone())
        .scenario(run.scenario.clone())
        .record(run.record.clone())
        .resumes(job.resume.is_some())
        .yes(run.yes);
    work(builder, &job, &view, &keyboard, terminal)
}

/// An agent that shows what it does in `view`, and asks at the keyboard.
pub(crate) fn agent(plugins: PluginsBuilder, view: &View, keyboard: &Keyboard) -> AgentBuilder {
    let reports = view.clone();
    let plugins = plugins.on_report(move |report| reports.report(report));
    match view {
        View::Terminal(screen) if keyboard.is_terminal() => {
            let person = Arc::new(AtKeyboard::new(keyboard.clone(), screen.clone()));
            AgentBuilder::new(plugins.asker(person.clone()), view.screen()).person(person)
        }
        View::Terminal(_) | View::Json(_) => AgentBuilder::new(plugins, view.screen()),
    }
}

/// Starts the agent, lets it do the job, and gives the exit code.
pub(crate) fn work(
    builder: AgentBuilder,
    job: &Job,
    view: &View,
    keyboard: &Keyboard,
    terminal: &mut Terminal,
) -> ExitCode {
    let talked = (|| {
        let prepared = builder.prepare().map_err(agent_error)?;
        runtime()?.block_on(async {
            let agent = prepared.start().await.map_err(agent_error)?;
            let mut signals = Signals::listen()?;
            let talked = {
                let talk = Talk::new(&agent, view, keyboard, job);
                tokio::select! {
                    talked = talk.hold() => talked,
                    // What is under way is dropped, and stopped by that; what is stored is whole
                    code = signals.next() => Ok(talk.ended_by(code)),
                }
            };
            tokio::select! {
                () = end(agent, job, &talked) => {}
                // Who does not want to wait for plugins that finish need not
                _ = signals.next() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            talked
        })
    })();
    match talked {
        Ok(talked) => {
            // Plugins say their last words before: nothing comes behind the end
            let resume = talked.session.as_deref().filter(|_| job.tells_resume);
            view.end(talked.word, talked.style, resume, talked.why.as_deref());
            ExitCode::from(talked.code)
        }
        Err(error) => not_begun(error, view, terminal),
    }
}

/// Says why nothing could begin, and gives the exit code.
pub(crate) fn not_begun(error: CommandError, view: &View, terminal: &Terminal) -> ExitCode {
    view.failed(&error);
    ExitCode::from(finish(Err(error), terminal).code())
}

/// Tells the plugins how the command ended, and lets them finish.
async fn end(agent: Agent, job: &Job, talked: &Result<Talked, CommandError>) {
    let exit_code = match talked {
        Ok(Talked { code, .. }) => i32::from(*code),
        Err(error) => i32::from(error.exit().code()),
    };
    let session_id = talked.as_ref().ok().and_then(|talked| talked.session.clone()).unwrap_or_default();
    agent.plugins().hooks().commands().executed(&CommandExecuted {
        timestamp: agent.now_ms(),
        session_id,
        command: job.command.to_owned(),
        args: job.args.clone(),
        exit_code,
        extra: serde_json::Map::new(),
    });
    agent.shutdown().await;
}

fn job(run: &Run, keyboard: &Keyboard) -> Result<Job, CommandError> {
    let task = match run.task.as_deref() {
        Some("-") => Some(piped()?),
        Some(task) if task.trim().is_empty() => return Err(usage("the task is empty", "say what to do")),
        Some(task) => Some(task.to_owned()),
        None => None,
    };
    let is_talk = task.is_none() && keyboard.is_terminal() && !run.json;
    let resume = if run.goes_on { Some(String::new()) } else { run.resume.clone() };
    if task.is_none() && !is_talk && resume.is_none() {
        return Err(usage(
            "there is no task, and nobody at a terminal to ask",
            "say what to do: `mimir run \"…\"`, or `mimir run -` to read it from standard input",
        ));
    }
    if let (Some(model), Some(_)) = (&run.model, &run.scenario)
        && model != "scripted"
        && !model.starts_with("scripted/")
    {
        return Err(usage(
            &format!("a scenario is played by the scripted model, and `{}` is another", printable(model)),
            "leave out `--model` or `--scenario`",
        ));
    }
    let args = std::env::args().skip(2).collect();
    Ok(Job { task, resume, is_talk, command: "run", args, tells_resume: true })
}

fn piped() -> Result<String, CommandError> {
    let mut task = String::new();
    io::stdin().take(LONGEST_TASK).read_to_string(&mut task)?;
    match task.trim() {
        "" => Err(usage("standard input holds no task", "pipe what to do into it")),
        task => Ok(task.to_owned()),
    }
}

fn usage(message: &str, hint: &str) -> CommandError {
    CommandError::Usage { message: message.to_owned(), hint: hint.to_owned() }
}

fn agent_error(error: AgentError) -> CommandError {
    match error {
        AgentError::Plugins(error) => error.into(),
        AgentError::File(error) => PluginsError::Configuration(error).into(),
        other => {
            let hint = other.hint();
            CommandError::Store(StoreError::failed(with_causes(&other), hint))
        }
    }
}
