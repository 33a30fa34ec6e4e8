//! Which plugins there are, and who gets which event in which order.
//!
//! [`PluginRegistry`] knows what is loaded and in which state: active, disabled, failed, or quarantined after failures
//! in a row. [`EventBus`] takes an [`Envelope`] to those who subscribed: in order or at once, each by its deadline,
//! never to a plugin that caused the event, and folds what they said into one [`Emission`].
//!
//! This crate deliberately does not know what an event means. A payload is JSON text that it never reads; which events
//! take answers, and what an answer does, it asks its port [`AnswerPolicy`]. Nor does it know where a plugin runs: a
//! [`Subscriber`] may be an isolate in another process or a closure in this one.

#![forbid(unsafe_code)]

mod ask;
mod background;
mod bus;
mod delivery;
mod emission;
mod envelope;
mod error;
mod notice;
mod order;
mod plugin_registry;
mod ports;
mod state_store;
mod subscription;
#[cfg(test)]
mod testing;

pub use background::Background;
pub use bus::EventBus;
pub use delivery::{Delivery, Failure, FailureKind, Reply};
pub use emission::{AnswerRecord, Emission, Outcome};
pub use envelope::{Cause, Envelope};
pub use error::RegistryError;
pub use notice::Notice;
pub use plugin_registry::{PluginRecord, PluginRegistry, PluginState, Registration};
pub use ports::{
    AnswerPolicy, ClosedEffect, InvalidAnswer, Judgement, Mode, Reporter, StateStore, StateStoreError,
    StoredQuarantine, Subscriber, Verdict,
};
pub use state_store::InMemoryStates;
pub use subscription::{FailureKey, Origin, Rank, Subscription, SubscriptionId, subscriber_fn};
