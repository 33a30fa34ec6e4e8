use std::sync::{Arc, Mutex};

use mimir_plugins::events::IdleReason;
use mimir_shared_providers::{Message, Role};

use crate::agent::Agent;
use crate::chat::{lock, title_of};
use crate::commands::{self, Ran};
use crate::ended::Halt;
use crate::interruption::Interrupter;
use crate::live::Live;
use crate::mend::Cut;
use crate::turn::Way;
use crate::{ChatError, EndReason, Ended, Session, Shown, context};

/// A conversation with the main agent. A clone is the same, so that one can interrupt what the other waits for.
#[derive(Clone)]
pub struct Conversation {
    inner: Arc<Inner>,
}

struct Inner {
    /// The session; `/resume` turns to another.
    live: Mutex<Arc<Live>>,
    interrupter: Interrupter,
    /// One thing after the other.
    turn: tokio::sync::Mutex<()>,
}

impl Conversation {
    pub(crate) fn new(live: Arc<Live>) -> Self {
        let inner =
            Inner { live: Mutex::new(live), interrupter: Interrupter::new(), turn: tokio::sync::Mutex::default() };
        Self { inner: Arc::new(inner) }
    }

    pub(crate) fn live(&self) -> Arc<Live> {
        Arc::clone(&lock(&self.inner.live))
    }

    /// The session as it was last read or changed here: its id, title and model are right, its counts may be old.
    pub fn session(&self) -> Session {
        self.live().session()
    }

    /// Talks to another model from now on.
    ///
    /// # Errors
    /// If that can't be stored.
    pub async fn set_model(&self, model: &str) -> Result<(), ChatError> {
        Ok(self.live().update(|session| model.clone_into(&mut session.model)).await?)
    }

    /// Takes in what the person says and goes on until the model is done. What begins with `/` and a name is a slash command.
    ///
    /// If the future is dropped, nothing is lost that was stored, and the next call first tells the model what was cut; whoever
    /// wants to stop it should rather [interrupt](Self::interrupt) it.
    ///
    /// # Errors
    /// If the model gives no answer, or nothing can be stored. The session stays usable.
    pub async fn send(&self, text: &str) -> Result<Ended, ChatError> {
        let _turn = self.inner.turn.lock().await;
        let live = self.live();
        let agent = self.agent(&live);
        if let Err(error) = live.mend(Cut::ProcessEnded, Default::default()).await {
            return self.rest(&agent, Way::default(), Err(error.into())).await;
        }
        let mut way = Way::default();
        let reason = match commands::parse(text) {
            Some((name, arguments)) => self.command(&agent, name, arguments, &mut way).await,
            None => self.say(&agent, text, Message::text(Role::User, text), &mut way).await,
        };
        self.rest(&agent, way, reason).await
    }

    /// Goes on where the conversation was: if its last message waits for an answer, the model is asked.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn go_on(&self) -> Result<Ended, ChatError> {
        let _turn = self.inner.turn.lock().await;
        let live = self.live();
        let agent = self.agent(&live);
        let mut way = Way::default();
        let reason = async {
            live.mend(Cut::ProcessEnded, Default::default()).await?;
            let stored = live.conversation().await?;
            if !context::wants_answer(stored.last().map(|stored| &stored.message)) {
                return Ok(EndReason::Nothing);
            }
            agent.converse(&mut way).await
        };
        let reason = reason.await;
        self.rest(&agent, way, reason).await
    }

    /// Interrupts what goes on just now, if anything does: the model's answer, tools, sub-agents, a wait. What the model said
    /// until then is kept, and [`send`](Self::send) comes back with [`EndReason::Interrupted`].
    pub fn interrupt(&self) {
        self.inner.interrupter.interrupt();
    }

    /// Says that the session ends here, and lets go of it.
    pub async fn close(&self) {
        let live = self.live();
        live.idle(IdleReason::Exit);
        live.shared.let_go(live.id()).await;
    }

    fn agent(&self, live: &Arc<Live>) -> Agent {
        Agent::main(live, self.inner.interrupter.listen())
    }

    async fn say(&self, agent: &Agent, text: &str, message: Message, way: &mut Way) -> Result<EndReason, Halt> {
        if agent.live.session().title.is_empty() {
            agent.live.update(|session| session.title = title_of(text)).await?;
        }
        agent.append(message).await?;
        agent.live.show(Shown::User { text });
        agent.converse(way).await
    }

    async fn command(&self, agent: &Agent, name: &str, arguments: &str, way: &mut Way) -> Result<EndReason, Halt> {
        let ran = commands::run(agent, name, arguments).await;
        let success = ran.is_ok();
        agent.announcer.slash_command(name, arguments, success);
        match ran {
            Ok(Ran::Said(text)) => agent.live.show(Shown::Said { command: name, text: &text, is_error: false }),
            Ok(Ran::Changed(text)) => {
                agent.live.show(Shown::Said { command: name, text: &text, is_error: false });
                return agent.converse(way).await;
            }
            Ok(Ran::Prompt(text)) => {
                let mut message = Message::text(Role::User, text.as_str());
                message.extra.insert("command".to_owned(), format!("/{name} {arguments}").trim_end().into());
                return self.say(agent, &text, message, way).await;
            }
            Ok(Ran::Turned(live)) => {
                agent.live.idle(IdleReason::Exit);
                agent.live.shared.let_go(agent.live.id()).await;
                *lock(&self.inner.live) = live;
            }
            Err(commands::Failed::Words(text)) => {
                agent.live.show(Shown::Said { command: name, text: &text, is_error: true });
            }
            Err(commands::Failed::Halt(halt)) => return Err(halt),
        }
        Ok(EndReason::Command { success })
    }

    /// Says how it ended, to the person and to plugins.
    async fn rest(&self, agent: &Agent, way: Way, reason: Result<EndReason, Halt>) -> Result<Ended, ChatError> {
        let reason = match reason {
            Ok(reason) => Ok(reason),
            Err(Halt::Stopped(reason)) => Ok(reason),
            Err(Halt::Interrupted) => {
                agent.live.show(Shown::Interrupted);
                agent
                    .live
                    .mend(Cut::Interrupted, Default::default())
                    .await
                    .map(|()| EndReason::Interrupted)
                    .map_err(Into::into)
            }
            Err(Halt::Failed(error)) => Err(error),
        };
        // The command `/resume` may have turned to another session
        let live = self.live();
        match reason {
            Ok(reason) => {
                self.explain(&live, &reason);
                live.idle(if reason == EndReason::Completed { IdleReason::Completed } else { IdleReason::Waiting });
                Ok(way.ends(reason))
            }
            Err(error) => {
                live.announcer.error(&error);
                live.show(Shown::Failed { error: &error.in_one_line() });
                live.idle(IdleReason::Waiting);
                Err(error)
            }
        }
    }

    fn explain(&self, live: &Live, reason: &EndReason) {
        match reason {
            EndReason::Truncated => {
                let limit = live.shared.settings.max_output_tokens;
                live.notice(&format!(
                    "the answer was cut at the limit of {limit} output tokens; say `go on` for the rest"
                ));
            }
            EndReason::Refused => live.notice("the model declined to answer"),
            EndReason::TurnLimit { turns } => {
                live.notice(&format!("the agent is not done after {turns} turns; say `go on` to let it go on"));
            }
            EndReason::Budget { reason, .. } => live.notice(&format!("the agent stops: {reason}")),
            EndReason::Blocked { by: Some(plugin), .. } => {
                live.notice(&format!("nothing was sent to the model: the plugin {plugin} blocked it"));
            }
            EndReason::Blocked { by: None, .. } => live.notice("nothing was sent to the model: it was blocked"),
            EndReason::Completed | EndReason::Nothing | EndReason::Interrupted | EndReason::Command { .. } => {}
        }
    }
}
