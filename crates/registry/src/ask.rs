//! One subscriber and one event: deliver, judge, count.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures::FutureExt as _;
use mimir_shared_config::{Failure as OnFailure, PluginId};
use mimir_shared_platform::within;
use tokio::time::Instant;

use crate::background::Queue;
use crate::plugin_registry::Standing;
use crate::{
    AnswerPolicy, AnswerRecord, ClosedEffect, Delivery, Envelope, Failure, FailureKind, InvalidAnswer, Judgement,
    Notice, Origin, Outcome, PluginRegistry, Reply, Reporter, Subscriber, Subscription, SubscriptionId, Verdict,
};

/// A subscription that is in force, or was until a moment ago.
pub(crate) struct Subscribed {
    pub(crate) id: SubscriptionId,
    pub(crate) subscription: Subscription,
    pub(crate) subscriber: Arc<dyn Subscriber>,
    pub(crate) queue: Queue,
    pub(crate) is_open: AtomicBool,
    pub(crate) in_flight: AtomicUsize,
}

/// What a subscriber's answer came to.
pub(crate) struct Answer {
    pub(crate) record: AnswerRecord,
    /// The event's new payload, if it changed it.
    pub(crate) payload: Option<Arc<str>>,
}

/// What all deliveries share.
pub(crate) struct Desk {
    pub(crate) policy: Arc<dyn AnswerPolicy>,
    pub(crate) registry: Arc<PluginRegistry>,
    pub(crate) reporter: Arc<dyn Reporter>,
}

impl Desk {
    /// Delivers the event and judges the reply; `None` if the subscriber is not to be asked.
    pub(crate) async fn ask(&self, subscribed: &Arc<Subscribed>, envelope: &Envelope) -> Option<Answer> {
        let Subscription { name, .. } = &subscribed.subscription;
        if !subscribed.is_open.load(Ordering::Acquire) || envelope.cause.contains(name) {
            return None;
        }
        match self.registry.standing(name) {
            Standing::Active => {}
            Standing::Off => return None,
            Standing::Held(reason) => {
                subscribed.subscriber.retire();
                return self.hold(subscribed, envelope, reason);
            }
        }
        let delivery = deliver(subscribed, envelope).await?;
        let judged = match delivery.reply {
            Ok(reply) => self.judge(name, envelope, reply),
            Err(failure) => Err(failure),
        };
        let observes = subscribed.subscription.observes;
        let (outcome, reason, payload) = match judged {
            Ok(judgement) => {
                self.registry.record_success(name);
                if let Some(message) = &judgement.notice {
                    let (plugin, message) = (name.clone(), message.clone());
                    self.reporter.notice(&Notice::NotObeyed { plugin, event: envelope.name, message });
                }
                let outcome = judgement.verdict.outcome();
                let (reason, payload) = match judgement.verdict {
                    Verdict::Passed => (None, None),
                    Verdict::Changed { payload, reason } => (reason, Some(payload)),
                    Verdict::Blocked { reason } => (Some(reason), None),
                    Verdict::Approved { reason } | Verdict::Denied { reason } => (reason, None),
                };
                let reason = reason.or(judgement.notice);
                if observes && outcome != Outcome::Passed {
                    let (plugin, reason) = (name.clone(), reason.clone());
                    self.reporter.notice(&Notice::Observed { plugin, event: envelope.name, outcome, reason });
                }
                (outcome, reason, payload)
            }
            Err(failure) => {
                let outcome = self.on_failure(subscribed, envelope);
                self.reporter.notice(&Notice::Failed {
                    plugin: name.clone(),
                    event: envelope.name,
                    failure: failure.clone(),
                    outcome: if observes { Outcome::Failed } else { outcome },
                });
                self.registry.record_failure(name, &failure).await;
                if matches!(self.registry.standing(name), Standing::Held(_)) {
                    subscribed.subscriber.retire();
                }
                (outcome, Some(failure.message), None)
            }
        };
        let Delivery { elapsed, cpu, heap_peak, .. } = delivery;
        let record = AnswerRecord { plugin: name.clone(), outcome, would: None, reason, elapsed, cpu, heap_peak };
        // The payload that it would have left goes no further
        Some(match observes {
            true => Answer { record: record.observed(), payload: None },
            false => Answer { record, payload },
        })
    }

    /// An answer that the policy cannot even judge is a failure of whoever gave it, not of the bus.
    fn judge(&self, name: &PluginId, envelope: &Envelope, reply: Reply) -> Result<Judgement, Failure> {
        let judged = AssertUnwindSafe(|| self.policy.judge(name, envelope, reply));
        match std::panic::catch_unwind(judged) {
            Ok(judged) => judged.map_err(Failure::from),
            Err(panic) => {
                let message = format!("its answer could not be judged: {}", panic_message(panic.as_ref()));
                Err(Failure::new(FailureKind::Invalid, message))
            }
        }
    }

    /// What a subscriber's failure does to the event.
    pub(crate) fn on_failure(&self, subscribed: &Subscribed, envelope: &Envelope) -> Outcome {
        match subscribed.subscription.failure.effective() {
            OnFailure::Open => Outcome::Failed,
            OnFailure::Closed => match self.policy.on_closed_failure(envelope.name) {
                ClosedEffect::Blocks => Outcome::Blocked,
                ClosedEffect::Denies => Outcome::Denied,
                ClosedEffect::Nothing => Outcome::Failed,
            },
        }
    }

    /// A guard that cannot be asked goes on blocking if its failures do; anyone else is passed over.
    fn hold(&self, subscribed: &Subscribed, envelope: &Envelope, reason: String) -> Option<Answer> {
        if subscribed.subscription.observes {
            return None;
        }
        let outcome = self.on_failure(subscribed, envelope);
        let is_guard = outcome != Outcome::Failed && subscribed.subscriber_wants(envelope);
        is_guard.then(|| {
            let record = AnswerRecord {
                plugin: subscribed.subscription.name.clone(),
                outcome,
                would: None,
                reason: Some(reason),
                elapsed: Duration::ZERO,
                cpu: Duration::ZERO,
                heap_peak: 0,
            };
            Answer { record, payload: None }
        })
    }
}

impl Subscribed {
    /// A filter that panics wants everything, so that the failure shows in the delivery and no guard is passed over.
    fn subscriber_wants(&self, envelope: &Envelope) -> bool {
        std::panic::catch_unwind(AssertUnwindSafe(|| self.subscriber.wants(envelope))).unwrap_or(true)
    }
}

/// Delivers by the deadline, whatever the subscriber does; `None` if the event does not concern it.
async fn deliver(subscribed: &Arc<Subscribed>, envelope: &Envelope) -> Option<Delivery> {
    if !subscribed.subscriber_wants(envelope) {
        return None;
    }
    let _in_flight = InFlight::new(subscribed);
    // What goes wrong with it is its failure when it is asked
    let _ = AssertUnwindSafe(subscribed.subscriber.prepare()).catch_unwind().await;
    let start = Instant::now();
    let deadline = subscribed.subscription.deadline;
    let outcome = match subscribed.subscription.origin {
        Origin::Plugin => {
            let delivery = async { subscribed.subscriber.deliver(envelope).await };
            within(deadline, AssertUnwindSafe(delivery).catch_unwind()).await
        }
        Origin::Code => {
            let (subscriber, envelope) = (Arc::clone(&subscribed.subscriber), envelope.clone());
            let mut task = tokio::spawn(async move { subscriber.deliver(&envelope).await });
            let outcome = within(deadline, &mut task).await;
            if outcome.is_none() {
                task.abort();
            }
            outcome.map(|joined| {
                joined.map_err(|error| match error.try_into_panic() {
                    Ok(panic) => panic,
                    Err(_) => Box::new("its task was cancelled"),
                })
            })
        }
    };
    let mut delivery = match outcome {
        Some(Ok(delivery)) => delivery,
        Some(Err(panic)) => {
            let message = format!("it panicked: {}", panic_message(panic.as_ref()));
            Delivery::unmeasured(Err(Failure::new(FailureKind::Panicked, message)))
        }
        None => {
            let message = format!("it did not answer within {} ms", deadline.as_millis());
            Delivery::unmeasured(Err(Failure::new(FailureKind::Time, message)))
        }
    };
    if delivery.elapsed.is_zero() {
        delivery.elapsed = start.elapsed();
    }
    Some(delivery)
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&'static str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message")
}

/// Counts a delivery for as long as it is under way, also if its future is dropped.
struct InFlight<'a>(&'a Subscribed);

impl<'a> InFlight<'a> {
    fn new(subscribed: &'a Subscribed) -> Self {
        subscribed.in_flight.fetch_add(1, Ordering::AcqRel);
        Self(subscribed)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::AcqRel);
    }
}

impl From<InvalidAnswer> for Failure {
    fn from(answer: InvalidAnswer) -> Self {
        match answer {
            InvalidAnswer::Threw(message) => Self::new(FailureKind::Threw, message),
            InvalidAnswer::Wrong(message) => Self::new(FailureKind::Invalid, message),
        }
    }
}
