use std::sync::Arc;

use async_trait::async_trait;
use mimir_shared_config::{EventName, PluginId};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{Delivery, Emission, Envelope, Notice, Reply};

/// Whoever takes events: a plugin in its isolate, or Rust code.
#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub trait Subscriber: Send + Sync {
    /// What there is to do before it can be asked, and which is none of its own time: others may keep it waiting.
    async fn prepare(&self) {}

    /// Hands the event over and waits for the answer. The future is dropped at the subscription's deadline, and a panic
    /// in it is a failure of this subscriber alone.
    async fn deliver(&self, envelope: &Envelope) -> Delivery;

    /// Whether this very event concerns it. A subscription to an alias uses this: `session.completed` is a
    /// `session.idle` whose reason says so. No answer is recorded for what does not concern it.
    fn wants(&self, envelope: &Envelope) -> bool {
        let _ = envelope;
        true
    }

    /// It is in quarantine: what it holds should go, since no event will come before it is enabled again. Is called when
    /// the quarantine begins, and again for each event that it would get. Must not block.
    fn retire(&self) {}

    /// The user interrupted: whatever is in flight should be answered now. Must not block.
    fn interrupt(&self) {}
}

/// How an event reaches its subscribers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// One after the other, each seeing what the one before it changed.
    Sequential,
    /// All at once.
    Parallel,
}

/// What the failure of a `closed` plugin does to the event that it was asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClosedEffect {
    /// It blocks.
    Blocks,
    /// It denies.
    Denies,
    /// Nothing: the event only tells of something that has happened, so there is nothing to hold back.
    Nothing,
}

/// What an answer does to its event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing.
    Passed,
    /// The event goes on with this payload, JSON text.
    Changed {
        /// The whole new payload.
        payload: Arc<str>,
        /// Why, if the plugin said so.
        reason: Option<String>,
    },
    /// What the event announced must not happen.
    Blocked {
        /// Why.
        reason: String,
    },
    /// The request is allowed.
    Approved {
        /// Why, if the plugin said so.
        reason: Option<String>,
    },
    /// The request is refused.
    Denied {
        /// Why, if the plugin said so.
        reason: Option<String>,
    },
}

/// A verdict, and what the user should be told about how it came about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// What the answer does.
    pub verdict: Verdict,
    /// A part of the answer that was not obeyed, and why.
    pub notice: Option<String>,
}

impl From<Verdict> for Judgement {
    fn from(verdict: Verdict) -> Self {
        Self { verdict, notice: None }
    }
}

/// An answer that the event does not take: a failure of the plugin that gave it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidAnswer {
    /// The handler threw, and in this event a throw means nothing.
    #[error("{0}")]
    Threw(String),
    /// The answer is of the wrong shape.
    #[error("{0}")]
    Wrong(String),
}

/// What events mean, as far as the bus must know.
#[cfg_attr(test, mockall::automock)]
pub trait AnswerPolicy: Send + Sync {
    /// One after the other, or at once.
    fn mode(&self, event: EventName) -> Mode;

    /// Whether the agent waits for the answers.
    fn waits(&self, event: EventName) -> bool;

    /// What the failure of a `closed` plugin does.
    fn on_closed_failure(&self, event: EventName) -> ClosedEffect;

    /// What `plugin`'s reply does to the event in `envelope`, which carries what the plugins before it changed.
    fn judge(&self, plugin: &PluginId, envelope: &Envelope, reply: Reply) -> Result<Judgement, InvalidAnswer>;
}

/// A quarantine that outlives the process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredQuarantine {
    /// Why, for people.
    pub reason: String,
}

/// The state could not be read or written.
#[derive(Debug, Error)]
#[error("the state of plugin `{plugin}` could not be {action}")]
pub struct StateStoreError {
    /// Whose state.
    pub plugin: PluginId,
    /// `read` or `written`.
    pub action: &'static str,
    /// What went wrong.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// Keeps quarantines from one run to the next. The key is the plugin's name; an implementation that knows more binds
/// it to the plugin's whole identity.
#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub trait StateStore: Send + Sync {
    /// The quarantine that `plugin` is in.
    async fn quarantine(&self, plugin: &PluginId) -> Result<Option<StoredQuarantine>, StateStoreError>;

    /// Puts `plugin` into quarantine, or with `None` ends it.
    async fn set_quarantine<'a>(
        &self,
        plugin: &PluginId,
        quarantine: Option<&'a StoredQuarantine>,
    ) -> Result<(), StateStoreError>;
}

/// Gets to know what happens, for the user and the audit log. Must not block.
#[cfg_attr(test, mockall::automock)]
pub trait Reporter: Send + Sync {
    /// Something that the user should know.
    fn notice(&self, notice: &Notice);

    /// An event begins its way, and has its number.
    fn begun(&self, envelope: &Envelope) {
        let _ = envelope;
    }

    /// Nobody waits for an event any more that has not been through all its subscribers.
    fn dropped(&self, envelope: &Envelope) {
        let _ = envelope;
    }

    /// An event has been through all its subscribers. `envelope` is as it was emitted.
    fn emitted(&self, envelope: &Envelope, emission: &Emission) {
        let _ = (envelope, emission);
    }
}
