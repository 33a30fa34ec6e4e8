//! One session from its beginning, or from where it was left, until nobody has anything to say.

use mimir_agent::Agent;
use mimir_agent::chat::{ChatError, Conversation, EndReason, Ended};
use mimir_commands::{CommandError, Exit, StoreError, Theme};

use super::Job;
use super::keyboard::Keyboard;
use super::view::View;

/// Words that end a talk.
const GOODBYES: [&str; 4] = ["/exit", "/quit", "exit", "quit"];

/// A session with a person or a script.
pub(super) struct Talk<'a> {
    pub(super) agent: &'a Agent,
    pub(super) view: &'a View,
    pub(super) keyboard: &'a Keyboard,
    pub(super) job: &'a Job,
}

/// How it ended.
pub(super) struct Talked {
    pub(super) exit: Exit,
    pub(super) is_interrupted: bool,
    pub(super) session: Option<String>,
}

impl Talk<'_> {
    /// Says what the job says, and what the person types.
    pub(super) async fn hold(&self) -> Result<Talked, CommandError> {
        let conversation = self.open().await?;
        let mut result = Ok(None);
        if self.job.resume.is_some() {
            result = self.work(&conversation, None).await;
        }
        if let (Some(task), Ok(_)) = (&self.job.task, &result) {
            result = self.work(&conversation, Some(task)).await;
        }
        while self.job.is_talk {
            let Some(line) = self.ask().await else { break };
            if GOODBYES.contains(&line.trim()) {
                break;
            }
            if !line.trim().is_empty() {
                result = self.work(&conversation, Some(&line)).await;
            }
        }
        conversation.close().await;
        Ok(self.told(result, conversation.session().id))
    }

    async fn open(&self) -> Result<Conversation, CommandError> {
        let chat = self.agent.chat();
        let opened = match self.job.resume.as_deref() {
            None => chat.create(self.job.task.as_deref().unwrap_or_default(), self.agent.model_said()).await,
            Some("") => {
                let latest = chat.sessions().await.map_err(ChatError::Store).map_err(failed)?.into_iter().next();
                let latest = latest.ok_or_else(|| {
                    let hint = "begin one: `mimir run \"…\"`".to_owned();
                    StoreError::failed("there is no session of this project to go on with", Some(hint))
                })?;
                chat.resume(&latest.id, self.agent.model_said()).await
            }
            Some(id) => chat.resume(id, self.agent.model_said()).await,
        };
        opened.map_err(failed)
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
        tokio::select! {
            line = self.keyboard.line() => line,
            _ = tokio::signal::ctrl_c() => None,
        }
    }

    fn told(&self, result: Result<Option<Ended>, ChatError>, session: String) -> Talked {
        let talked = |exit, is_interrupted| Talked { exit, is_interrupted, session: Some(session.clone()) };
        let resume = self.job.tells_resume.then_some(session.as_str());
        let ended = match result {
            Ok(Some(ended)) => ended.reason,
            Ok(None) if self.job.is_talk => EndReason::Nothing,
            Ok(None) => EndReason::Interrupted,
            Err(error) => {
                let why = error.in_one_line();
                self.view.end("failed", Theme::BAD, resume, Some(&why));
                return talked(Exit::Failed, false);
            }
        };
        let (word, style, exit) = match &ended {
            EndReason::Completed => ("done", Theme::GOOD, Exit::Done),
            EndReason::Nothing | EndReason::Command { success: true } => ("done", Theme::DIM, Exit::Done),
            EndReason::Command { success: false } => ("failed", Theme::BAD, Exit::Failed),
            EndReason::Truncated => ("cut off at the model's limit", Theme::WARN, Exit::Failed),
            EndReason::Refused => ("declined by the model", Theme::WARN, Exit::Failed),
            EndReason::Interrupted => ("interrupted", Theme::WARN, Exit::Done),
            EndReason::Blocked { .. } => ("blocked", Theme::BAD, Exit::Refused),
            EndReason::TurnLimit { .. } => ("stopped: too many turns", Theme::WARN, Exit::Failed),
            EndReason::Budget { .. } => ("stopped: the budget is used up", Theme::WARN, Exit::Refused),
        };
        self.view.end(word, style, resume, None);
        talked(exit, matches!(ended, EndReason::Interrupted))
    }
}

fn failed(error: ChatError) -> CommandError {
    let hint = match &error {
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
