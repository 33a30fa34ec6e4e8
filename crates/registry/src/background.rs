//! Events that nobody waits for: a queue for each subscriber, which keeps the order.

use std::collections::VecDeque;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt as _;
use parking_lot::Mutex;
use tokio::sync::{oneshot, watch};

use crate::ask::{Desk, Subscribed};
use crate::{AnswerRecord, Emission, Envelope, Failure, FailureKind, Notice, Outcome};

/// Events that may wait for one subscriber. A subscriber that falls further behind loses the newest, and is told so.
const QUEUE_EVENTS: usize = 10_000;
/// Bytes of payload that may wait for one subscriber.
const QUEUE_BYTES: usize = 64 << 20;

/// An event on its way in the background. It is delivered whether or not this is awaited; awaited, it gives the
/// emission once all subscribers had the event.
#[derive(Debug)]
pub struct Background(oneshot::Receiver<Emission>);

impl Future for Background {
    /// `None` if the runtime was shut down before.
    type Output = Option<Emission>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(Result::ok)
    }
}

/// What waits for one subscriber.
#[derive(Default)]
pub(crate) struct Queue(Mutex<QueueState>);

#[derive(Default)]
struct QueueState {
    items: VecDeque<Item>,
    bytes: usize,
    has_worker: bool,
}

struct Item {
    collector: Arc<Collector>,
    /// The subscriber's place among those who get this event.
    slot: usize,
}

/// How many background events are under way.
pub(crate) struct Pending(watch::Sender<usize>);

impl Default for Pending {
    fn default() -> Self {
        Self(watch::Sender::new(0))
    }
}

impl Pending {
    pub(crate) async fn none_left(&self) {
        // The sender lives as long as `self`.
        let _ = self.0.subscribe().wait_for(|&left| left == 0).await;
    }
}

/// Gathers the answers to one event. When the last queue has let go of it, the event is through.
struct Collector {
    envelope: Envelope,
    records: Mutex<Vec<Option<AnswerRecord>>>,
    result: Mutex<Option<oneshot::Sender<Emission>>>,
    desk: Arc<Desk>,
    pending: Arc<Pending>,
}

impl Drop for Collector {
    fn drop(&mut self) {
        let answers = std::mem::take(self.records.get_mut()).into_iter().flatten().collect();
        let emission = Emission::fold(Arc::clone(&self.envelope.payload), answers);
        let reported = AssertUnwindSafe(|| self.desk.reporter.emitted(&self.envelope, &emission));
        // A reporter that panics must not keep `drain` waiting.
        let _ = std::panic::catch_unwind(reported);
        if let Some(result) = self.result.get_mut().take() {
            let _ = result.send(emission);
        }
        self.pending.0.send_modify(|left| *left -= 1);
    }
}

/// Puts an event into the queues of `subscribers`.
pub(crate) fn enqueue(
    desk: &Arc<Desk>,
    pending: &Arc<Pending>,
    envelope: Envelope,
    subscribers: &[Arc<Subscribed>],
) -> Background {
    let (sender, receiver) = oneshot::channel();
    pending.0.send_modify(|left| *left += 1);
    let collector = Arc::new(Collector {
        envelope,
        records: Mutex::new(vec![None; subscribers.len()]),
        result: Mutex::new(Some(sender)),
        desk: Arc::clone(desk),
        pending: Arc::clone(pending),
    });
    for (slot, subscribed) in subscribers.iter().enumerate() {
        if !collector.envelope.cause.contains(&subscribed.subscription.name) {
            push(subscribed, Item { collector: Arc::clone(&collector), slot });
        }
    }
    Background(receiver)
}

fn push(subscribed: &Arc<Subscribed>, item: Item) {
    let bytes = item.collector.envelope.payload.len();
    let mut queue = subscribed.queue.0.lock();
    let is_full = queue.items.len() >= QUEUE_EVENTS || (queue.bytes + bytes > QUEUE_BYTES && !queue.items.is_empty());
    if is_full {
        drop(queue);
        lose(subscribed, &item);
        return;
    }
    queue.bytes += bytes;
    queue.items.push_back(item);
    if !std::mem::replace(&mut queue.has_worker, true) {
        drop(queue);
        tokio::spawn(work(Arc::clone(subscribed)));
    }
}

/// Answers for a subscriber that has fallen too far behind.
fn lose(subscribed: &Subscribed, Item { collector, slot }: &Item) {
    let message = format!(
        "it is more than {QUEUE_EVENTS} events or {} MiB behind, so it does not get this one",
        QUEUE_BYTES >> 20
    );
    let (plugin, event) = (subscribed.subscription.name.clone(), collector.envelope.name);
    let outcome = collector.desk.on_failure(subscribed, &collector.envelope);
    let record = AnswerRecord {
        plugin: plugin.clone(),
        outcome,
        would: None,
        reason: Some(message.clone()),
        elapsed: Duration::ZERO,
        cpu: Duration::ZERO,
        heap_peak: 0,
    };
    let observes = subscribed.subscription.observes;
    let outcome = if observes { Outcome::Failed } else { outcome };
    collector.records.lock()[*slot] = Some(if observes { record.observed() } else { record });
    let failure = Failure::new(FailureKind::Unavailable, message);
    collector.desk.reporter.notice(&Notice::Failed { plugin, event, failure, outcome });
}

/// Delivers what is in the queue, one after the other, and ends when it is empty.
async fn work(subscribed: Arc<Subscribed>) {
    loop {
        let Item { collector, slot } = {
            let mut queue = subscribed.queue.0.lock();
            let Some(item) = queue.items.pop_front() else {
                queue.has_worker = false;
                return;
            };
            queue.bytes -= item.collector.envelope.payload.len();
            item
        };
        // The subscriber's own panics are caught nearer to it; this is for those of the ports, which must not leave a
        // queue without its worker.
        let asked = AssertUnwindSafe(collector.desk.ask(&subscribed, &collector.envelope)).catch_unwind().await;
        if let Ok(Some(answer)) = asked {
            collector.records.lock()[slot] = Some(answer.record);
        }
    }
}
