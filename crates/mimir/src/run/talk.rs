//! One session from its beginning, or from where it was left, until nobody has anything to say.

use std::cell::OnceCell;

use mimir_agent::Agent;
use mimir_agent::chat::{ChatError, Conversation, EndReason, Ended};
use mimir_commands::{CommandError, Exit, StoreError, Theme};

use super::Job;
use super::keyboard::Keyboard;
use super::signals::Signals;
use super::view::View;

/// Words that end a talk.
const GOODBYES: [&str; 4] = ["/exit", "/quit", "exit", "quit"];

/// A session with a person or a script.
pub(super) struct Talk<'a> {
    agent: &'a Agent,
    view: &'a View,
    keyboard: &'a Keyboard,
    job: &'a Job,
    /// Its id, as soon as it is open.
    session: OnceCell<String>,
}

/// How it ended.
pub(super) struct Talked {
    /// The exit code.
    pub(super) code: u8,
    pub(super) session: Option<String>,
    /// In a word, and how that looks.
    pub(super) word: &'static str,
    pub(super) style: anstyle::Style,
    /// Why it failed, if it did.
    pub(super) why: Option<String>,
}

impl<'a> Talk<'a> {
    pub(super) fn new(agent: &'a Agent, view: &'a View, keyboard: &'a Keyboard, job: &'a Job) -> Self {
        Self { agent, view, keyboard, job, session: OnceCell::new() }
    }

    /// Says what the job says, and what the person types.
    pub(super) async fn hold(&self) -> Result<Talked, CommandError> {
        let conversation = self.open().await?;
        let _ = self.session.set(conversation.session().id);
        let mut result = Ok(None);
        if self.job.resume.is_some() {
            result = self.work(&conversation, None).await;
        }
        let is_stopped = match &result {
            Ok(None) => self.job.resume.is_some(),
            Ok(Some(ended)) => ended.reason == EndReason::Interrupted,
            // What was left over could not be done; the task is said all the same, or it would be lost
            Err(_) => false,
        };
        if let (Some(task), false) = (&self.job.task, is_stopped) {
            result = self.work(&conversation, Some(task)).await;
        }
        if self.job.is_talk {
            while let Some(line) = self.ask().await {
                if GOODBYES.contains(&line.trim()) {
                    break;
                }
                if !line.trim().is_empty() {
                    result = self.work(&conversation, Some(&line)).await;
                }
            }
        }
        conversation.close().await;
        // `/resume` may have led to another one
        Ok(self.told(result, &conversation.session().id))
    }

    /// What there is to say when a signal ends it, which has this exit code.
    pub(super) fn ended_by(&self, code: u8) -> Talked {
        let session = self.session.get().cloned();
        Talked { code, session, word: "ended from outside", style: Theme::WARN, why: None }
    }

    async fn open(&self) -> Result<Conversation, CommandError> {
        let chat = self.agent.chat();
        let opened = match self.job.resume.as_deref() {
            None => chat.create(self.job.task.as_deref().unwrap_or_default(), self.agent.model_said()).await,
            Some("") => {
                let latest =
                    chat.sessions().await.map_err(|error| failed(&ChatError::Store(error)))?.into_iter().next();
                let latest = latest.ok_or_else(|| {
                    let hint = "begin one: `mimir run \"…\"`".to_owned();
                    StoreError::failed("there is no session of this project to go on with", Some(hint))
                })?;
                chat.resume(&latest.id, self.agent.model_said()).await
            }
            Some(id) => chat.resume(id, self.agent.model_said()).await,
        };
        opened.map_err(|error| failed(&error))
    }

    /// One thing that is said, until the agent rests. Ctrl-C interrupts it.
    async fn work(&self, conversation: &Conversation, text: Option<&str>) -> Result<Option<Ended>, ChatError> {
        let mut working = std::pin::pin!(async {
            match text {
                Some(text) => conversation.send(text).await,
                None => conversation.go_on().await,
            }
        });
        let mut is_interrupted = false;
        loop {
            tokio::select! {
                ended = &mut working => return ended.map(Some),
                _ = tokio::signal::ctrl_c() => {
                    if std::mem::replace(&mut is_interrupted, true) {
                        // The person insists. What is stored is whole, and what is under way will be "outcome unknown"
                        return Ok(None);
                    }
                    self.agent.plugins().interrupt();
                    conversation.interrupt();
                }
            }
        }
    }

    /// The next line that the person types.
    async fn ask(&self) -> Option<String> {
        let View::Terminal(screen) = self.view else { return None };
        screen.make_room();
        let typed = Theme::TYPE;
        screen.prompt(&format!("\n{typed}›{typed:#} "));
        let line = tokio::select! {
            text = self.keyboard.text() => text,
            _ = tokio::signal::ctrl_c() => None,
        }?;
        screen.typed(&line);
        Some(line)
    }

    fn told(&self, result: Result<Option<Ended>, ChatError>, session: &str) -> Talked {
        let mut why = None;
        let (word, style, code) = match result {
            Ok(Some(ended)) => told_of(&ended.reason),
            Ok(None) if self.job.is_talk => told_of(&EndReason::Nothing),
            Ok(None) => told_of(&EndReason::Interrupted),
            Err(error) => {
                why = Some(error.in_one_line());
                ("failed", Theme::BAD, Exit::Failed.code())
            }
        };
        Talked { code, session: Some(session.to_owned()), word, style, why }
    }
}

/// An end in a word, how that looks, and the exit code.
fn told_of(ended: &EndReason) -> (&'static str, anstyle::Style, u8) {
    let (word, style, exit) = match ended {
        EndReason::Completed => ("done", Theme::GOOD, Exit::Done),
        EndReason::Nothing | EndReason::Command { success: true } => ("done", Theme::DIM, Exit::Done),
        EndReason::Command { success: false } => ("failed", Theme::BAD, Exit::Failed),
        EndReason::Truncated => ("cut off at the model's limit", Theme::WARN, Exit::Failed),
        EndReason::Refused => ("declined by the model", Theme::WARN, Exit::Failed),
        EndReason::Interrupted => return ("interrupted", Theme::WARN, Signals::INTERRUPTED),
        EndReason::Blocked { .. } => ("blocked", Theme::BAD, Exit::Refused),
        EndReason::TurnLimit { .. } => ("stopped: too many turns", Theme::WARN, Exit::Failed),
        EndReason::Budget { .. } => ("stopped: the budget is used up", Theme::WARN, Exit::Refused),
    };
    (word, style, exit.code())
}

fn failed(error: &ChatError) -> CommandError {
    let hint = match error {
        ChatError::Store(mimir_agent::chat::StoreError::Unknown { .. }) => {
            Some("`mimir sessions list` shows what there is".to_owned())
        }
        ChatError::Store(mimir_agent::chat::StoreError::InUse { .. }) => {
            Some("end the other one first, or begin a new session".to_owned())
        }
        _ => None,
    };
    CommandError::Store(StoreError::failed(error.in_one_line(), hint))
}
