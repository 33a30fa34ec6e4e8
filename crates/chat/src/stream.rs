//! Asking a model once, and again if that may help.

use futures::StreamExt as _;
use mimir_shared_providers::{ChatEvent, ChatRequest, ChatResponse, Message, ProviderError, Role, Usage};
use serde_json::Value;

use crate::agent::Agent;
use crate::ended::Halt;
use crate::{ChatError, Shown, context};

/// The longest answer that is taken, in bytes: no model writes that much, but a server may send it.
const MAX_ANSWER: usize = 16 * 1024 * 1024;

/// Who gets to see the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audience {
    /// The person, while it comes; it is part of the conversation, also if it is interrupted.
    Person,
    /// Nobody: it is a summary.
    Nobody,
}

impl Agent {
    /// Gives the whole answer, which is paid for and not stored yet.
    pub(crate) async fn ask(&self, request: &ChatRequest, audience: Audience) -> Result<ChatResponse, Halt> {
        let ports = &self.live.shared.ports;
        let mut attempt = 1;
        loop {
            if audience == Audience::Person {
                self.live.show(Shown::Asking { agent_id: self.id(), model: &request.model });
            }
            let mut said = String::new();
            let error = match self.interruption.race(self.attempt(request, audience, &mut said)).await {
                Ok(Ok(answer)) => {
                    self.spend(&request.model, &answer).await?;
                    return Ok(answer);
                }
                Ok(Err(error)) => error,
                Err(halt) => {
                    self.cut_off(request, audience, said).await?;
                    return Err(halt);
                }
            };
            if let Some(partial) = error.partial() {
                self.spend(&request.model, partial).await?;
            } else if !said.is_empty() {
                self.spend_estimated(&request.model, estimated(request, &said)).await?;
            }
            let chance = ports.clock.monotonic().subsec_nanos() as u8;
            let Some(wait) = self.live.shared.settings.retries.wait(attempt, &error, chance) else {
                let model = request.model.clone();
                return Err(Halt::Failed(ChatError::Model { model, attempts: attempt, source: error }));
            };
            attempt += 1;
            self.live.show(Shown::Retry { attempt, wait, why: &error.to_string() });
            self.interruption.race(ports.sleeper.sleep(wait)).await?;
        }
    }

    /// One attempt. What came of a text until it failed, or was dropped, is in `said`.
    async fn attempt(
        &self,
        request: &ChatRequest,
        audience: Audience,
        said: &mut String,
    ) -> Result<ChatResponse, ProviderError> {
        let provider = &self.live.shared.ports.provider;
        let mut stream = provider.stream(request).await?;
        while let Some(event) = stream.next().await {
            match event? {
                ChatEvent::Text(piece) => {
                    said.push_str(&piece);
                    if said.len() > MAX_ANSWER {
                        let detail = format!("it is longer than {MAX_ANSWER} bytes");
                        return Err(ProviderError::InvalidReply { provider: provider.name().to_owned(), detail });
                    }
                    if audience == Audience::Person {
                        self.live.show(Shown::Text { agent_id: self.id(), piece: &piece });
                    }
                }
                ChatEvent::ToolCall { .. } => {}
                ChatEvent::Done(answer) => return Ok(*answer),
            }
        }
        Err(ProviderError::Transport {
            provider: provider.name().to_owned(),
            source: "the answer ended before it was whole".into(),
        })
    }

    /// Keeps what the model had said when the person interrupted it. That it asked for tools is not kept: it had not finished.
    async fn cut_off(&self, request: &ChatRequest, audience: Audience, said: String) -> Result<(), Halt> {
        if said.trim().is_empty() {
            return Ok(());
        }
        self.spend_estimated(&request.model, estimated(request, &said)).await?;
        if audience == Audience::Person {
            let mut message = Message::text(Role::Assistant, said);
            message.extra.insert(context::INTERRUPTED.to_owned(), Value::Bool(true));
            self.append(message).await?;
        }
        Ok(())
    }
}

fn estimated(request: &ChatRequest, said: &str) -> Usage {
    Usage::new(context::estimate(&request.messages) + context::estimate(&request.tools), context::estimate(said))
}
