use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use futures::future::join_all;
use mimir_shared_config::{EventName, PluginId};
use parking_lot::{Mutex, RwLock};

use crate::ask::{Desk, Subscribed};
use crate::background::{self, Pending, Queue};
use crate::order::order;
use crate::{
    AnswerPolicy, Background, Emission, Envelope, Mode, Notice, Outcome, PluginRegistry, Reporter, Subscriber,
    Subscription, SubscriptionId,
};

/// Takes events to those who subscribed, and folds what they said.
///
/// A clone is another handle to the same bus. Its futures need tokio's timer; [`EventBus::emit_background`] and
/// subscribers of [`Origin::Code`](crate::Origin::Code) start tasks, so both panic outside a tokio runtime.
#[derive(Clone)]
pub struct EventBus(Arc<Bus>);

struct Bus {
    desk: Arc<Desk>,
    table: RwLock<Arc<Table>>,
    /// Held while the table is rebuilt, so that no subscription is lost between two changes. Holds what was reported
    /// about the order already.
    told: Mutex<Vec<Notice>>,
    next_id: AtomicU64,
    emissions: AtomicU64,
    pending: Arc<Pending>,
}

/// All subscriptions in order, and those of each event.
#[derive(Default)]
struct Table {
    all: Vec<Arc<Subscribed>>,
    by_event: Vec<Arc<[Arc<Subscribed>]>>,
}

impl EventBus {
    /// A bus without subscribers. States and failures of plugins are `registry`'s.
    pub fn new(policy: Arc<dyn AnswerPolicy>, registry: Arc<PluginRegistry>, reporter: Arc<dyn Reporter>) -> Self {
        Self(Arc::new(Bus {
            desk: Arc::new(Desk { policy, registry, reporter }),
            table: RwLock::default(),
            told: Mutex::default(),
            next_id: AtomicU64::new(1),
            emissions: AtomicU64::new(1),
            pending: Arc::default(),
        }))
    }

    /// Delivers events to `subscriber` from now on. Contradictions in the order are reported as notices.
    pub fn subscribe(&self, subscription: Subscription, subscriber: Arc<dyn Subscriber>) -> SubscriptionId {
        let subscribed = self.subscribed(subscription, subscriber);
        let id = subscribed.id;
        self.rebuild(|all| all.push(subscribed));
        id
    }

    /// The same for many at once, among which the order is found once.
    pub fn subscribe_all(&self, subscribers: impl IntoIterator<Item = (Subscription, Arc<dyn Subscriber>)>) {
        let subscribed: Vec<_> = subscribers.into_iter().map(|(how, who)| self.subscribed(how, who)).collect();
        if !subscribed.is_empty() {
            self.rebuild(|all| all.extend(subscribed));
        }
    }

    fn subscribed(&self, subscription: Subscription, subscriber: Arc<dyn Subscriber>) -> Arc<Subscribed> {
        Arc::new(Subscribed {
            id: SubscriptionId(self.0.next_id.fetch_add(1, Ordering::Relaxed)),
            subscription,
            subscriber,
            queue: Queue::default(),
            is_open: AtomicBool::new(true),
            in_flight: AtomicUsize::new(0),
        })
    }

    /// Ends a subscription; what waits in its queue is not delivered any more. Tells whether there was one.
    pub fn unsubscribe(&self, id: SubscriptionId) -> bool {
        self.remove(|subscribed| subscribed.id == id)
    }

    /// Ends all subscriptions under a name. Tells whether there was one.
    pub fn unsubscribe_all(&self, name: &PluginId) -> bool {
        self.remove(|subscribed| subscribed.subscription.name == *name)
    }

    /// Ends all subscriptions, and lets go of the subscribers.
    pub fn close(&self) {
        self.remove(|_| true);
    }

    /// Who would get `event`, in order.
    pub fn subscribers(&self, event: EventName) -> Vec<PluginId> {
        self.of(event).iter().map(|subscribed| subscribed.subscription.name.clone()).collect()
    }

    /// Delivers an event and waits for all answers.
    ///
    /// In a sequential event each subscriber sees what the one before it changed, and once somebody has blocked it the
    /// others are not asked: there is nothing left to decide, and they would be told of something that will not happen.
    pub async fn emit(&self, envelope: Envelope) -> Emission {
        let envelope = self.begin(envelope);
        let mut under_way = UnderWay { reporter: self.0.desk.reporter.as_ref(), envelope: &envelope, is_over: false };
        let subscribers = self.of(envelope.name);
        let emission = match self.0.desk.policy.mode(envelope.name) {
            Mode::Sequential => self.in_turn(&envelope, &subscribers).await,
            Mode::Parallel => self.at_once(&envelope, &subscribers).await,
        };
        under_way.is_over = true;
        self.0.desk.reporter.emitted(&envelope, &emission);
        emission
    }

    /// Delivers an event in the background: each subscriber gets its background events in the order of emission,
    /// whatever the others do. Answers are judged and recorded, but come too late to change anything.
    pub fn emit_background(&self, envelope: Envelope) -> Background {
        let envelope = self.begin(envelope);
        let subscribers = self.of(envelope.name);
        background::enqueue(&self.0.desk, &self.0.pending, envelope, &subscribers)
    }

    /// Delivers an event the way its policy says: `Some` if the agent waits for it, else in the background.
    pub async fn dispatch(&self, envelope: Envelope) -> Option<Emission> {
        if self.0.desk.policy.waits(envelope.name) {
            Some(self.emit(envelope).await)
        } else {
            drop(self.emit_background(envelope));
            None
        }
    }

    /// Waits until no background event is under way; what is emitted meanwhile is waited for as well.
    ///
    /// Each delivery has a deadline, and a plugin that misses three goes into quarantine, so plugins cannot hold it up
    /// for long. Rust code is never in quarantine: where that may hang, put a timeout around this.
    pub async fn drain(&self) {
        self.0.pending.none_left().await;
    }

    /// Tells everyone who has an event at hand that the user interrupted.
    pub fn interrupt(&self) {
        let table = Arc::clone(&self.0.table.read());
        for subscribed in table.all.iter().filter(|subscribed| subscribed.in_flight.load(Ordering::Acquire) > 0) {
            subscribed.subscriber.interrupt();
        }
    }

    /// Gives an emission its number.
    fn begin(&self, envelope: Envelope) -> Envelope {
        let envelope = Envelope { number: self.0.emissions.fetch_add(1, Ordering::Relaxed), ..envelope };
        self.0.desk.reporter.begun(&envelope);
        envelope
    }

    async fn in_turn(&self, envelope: &Envelope, subscribers: &[Arc<Subscribed>]) -> Emission {
        let mut current = envelope.clone();
        let mut records = Vec::new();
        for subscribed in subscribers {
            let Some(answer) = self.0.desk.ask(subscribed, &current).await else { continue };
            if let Some(payload) = answer.payload {
                current.payload = payload;
            }
            let is_over = matches!(answer.record.outcome, Outcome::Blocked | Outcome::Denied);
            records.push(answer.record);
            if is_over {
                break;
            }
        }
        Emission::fold(current.payload, records)
    }

    async fn at_once(&self, envelope: &Envelope, subscribers: &[Arc<Subscribed>]) -> Emission {
        let answers = match subscribers {
            [] => Vec::new(),
            [only] => vec![self.0.desk.ask(only, envelope).await],
            several => join_all(several.iter().map(|subscribed| self.0.desk.ask(subscribed, envelope))).await,
        };
        // Several changes at once would contradict each other: parallel events take none.
        let records = answers.into_iter().flatten().map(|answer| answer.record).collect();
        Emission::fold(Arc::clone(&envelope.payload), records)
    }

    fn of(&self, event: EventName) -> Arc<[Arc<Subscribed>]> {
        self.0.table.read().by_event.get(event as usize).cloned().unwrap_or_default()
    }

    fn remove(&self, mut is_meant: impl FnMut(&Subscribed) -> bool) -> bool {
        let mut found = false;
        self.rebuild(|all| {
            all.retain(|subscribed| {
                let is_meant = is_meant(subscribed);
                if is_meant {
                    subscribed.is_open.store(false, Ordering::Release);
                    found = true;
                }
                !is_meant
            });
        });
        found
    }

    fn rebuild(&self, change: impl FnOnce(&mut Vec<Arc<Subscribed>>)) {
        let mut told = self.0.told.lock();
        let mut all = self.0.table.read().all.clone();
        change(&mut all);
        // A stable basis for equal ranks, whatever the order was before.
        all.sort_by_key(|subscribed| subscribed.id);
        let ranks: Vec<_> = all.iter().map(|s| (&s.subscription.name, &s.subscription.rank)).collect();
        let ordered = order(&ranks);
        let all: Vec<_> = ordered.indices.into_iter().map(|index| Arc::clone(&all[index])).collect();
        let by_event = EventName::ALL
            .map(|event| all.iter().filter(|s| s.subscription.events.contains(&event)).cloned().collect())
            .into();
        *self.0.table.write() = Arc::new(Table { all, by_event });
        let mut fresh = ordered.notices;
        fresh.retain(|notice| !told.contains(notice));
        told.extend(fresh.iter().cloned());
        drop(told);
        for notice in &fresh {
            self.0.desk.reporter.notice(notice);
        }
    }
}

/// Tells if whoever waited for an emission has gone before its end.
struct UnderWay<'a> {
    reporter: &'a dyn Reporter,
    envelope: &'a Envelope,
    is_over: bool,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.reporter.dropped(self.envelope);
        }
    }
}
