use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mimir_shared_config::{EventName, Failure as OnFailure, PluginId};

use crate::{Delivery, Envelope, Failure, Reply, Subscriber};

/// Who wants which events, where in the order, and what its failure means.
#[derive(Debug, Clone)]
pub struct Subscription {
    /// The plugin, or a name for the Rust code.
    pub name: PluginId,
    /// What kind of subscriber it is.
    pub origin: Origin,
    /// The events to deliver.
    pub events: Vec<EventName>,
    /// Where it stands in the order.
    pub rank: Rank,
    /// What its failure does to the event.
    pub failure: FailureKey,
    /// Whether it only observes: it gets its events, its answers are judged and recorded, and nothing comes of them, nor of
    /// its failures. They count towards quarantine all the same.
    pub observes: bool,
    /// How long the bus waits for an answer. Whoever enforces the plugin's own limits does so earlier; this is the
    /// last resort that keeps the bus alive.
    pub deadline: Duration,
}

impl Subscription {
    /// How long the bus waits unless told otherwise: the default limit of an event (5 s) and of a start (1 s), which
    /// the first event may have to wait for, and a second to be told about it.
    pub const DEADLINE: Duration = Duration::from_secs(7);

    /// A plugin's subscription, at the place that its name gives it.
    pub fn plugin(name: PluginId, events: impl IntoIterator<Item = EventName>) -> Self {
        Self {
            name,
            origin: Origin::Plugin,
            events: events.into_iter().collect(),
            rank: Rank::default(),
            failure: FailureKey::default(),
            observes: false,
            deadline: Self::DEADLINE,
        }
    }

    /// A subscription of Rust code under a name of its own.
    pub fn code(name: PluginId, events: impl IntoIterator<Item = EventName>) -> Self {
        Self { origin: Origin::Code, ..Self::plugin(name, events) }
    }
}

/// What kind of subscriber it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// A plugin in its isolate: its [`Subscriber`] only waits for messages, and is polled where the event is emitted,
    /// which spares a change of threads.
    Plugin,
    /// Rust code of any quality: each delivery is a task of its own, so that code that blocks its thread does not
    /// block the bus (on a runtime with several threads).
    Code,
}

/// Where a subscriber stands in the order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rank {
    /// Whether the company requires it: those come first.
    pub required: bool,
    /// Its place in the configuration; those that are not listed come after those that are, by name.
    pub listed: Option<usize>,
    /// Whom it must precede.
    pub before: Vec<PluginId>,
    /// Whom it must follow.
    pub after: Vec<PluginId>,
}

/// The `failure` key and those who may override it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FailureKey {
    /// As the manifest has it.
    pub manifest: OnFailure,
    /// As the user wants it.
    pub user: Option<OnFailure>,
    /// As the company wants it, which is final.
    pub company: Option<OnFailure>,
}

impl FailureKey {
    /// The key that counts.
    pub fn effective(self) -> OnFailure {
        self.company.or(self.user).unwrap_or(self.manifest)
    }
}

impl From<OnFailure> for FailureKey {
    fn from(manifest: OnFailure) -> Self {
        Self { manifest, user: None, company: None }
    }
}

/// Names a subscription, to end it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubscriptionId(pub(crate) u64);

/// Makes a subscriber of a function: `subscriber_fn(|envelope| async move { Ok(Reply::NOTHING) })`.
pub fn subscriber_fn<F, R>(handler: F) -> Arc<dyn Subscriber>
where
    F: Fn(Envelope) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Reply, Failure>> + Send,
{
    struct Function<F>(F);

    #[async_trait]
    impl<F, R> Subscriber for Function<F>
    where
        F: Fn(Envelope) -> R + Send + Sync,
        R: Future<Output = Result<Reply, Failure>> + Send,
    {
        async fn deliver(&self, envelope: &Envelope) -> Delivery {
            Delivery::unmeasured((self.0)(envelope.clone()).await)
        }
    }

    Arc::new(Function(handler))
}

#[cfg(test)]
mod tests {
    use super::*;
    use mimir_shared_config::Failure::{Closed, Open};

    #[test]
    fn the_company_overrides_the_user_and_the_user_the_manifest() {
        for (manifest, user, company, expected) in [
            (Open, None, None, Open),
            (Closed, None, None, Closed),
            (Open, Some(Closed), None, Closed),
            (Closed, Some(Open), None, Open),
            (Open, Some(Open), Some(Closed), Closed),
            (Closed, Some(Closed), Some(Open), Open),
        ] {
            assert_eq!(FailureKey { manifest, user, company }.effective(), expected);
        }
    }
}
