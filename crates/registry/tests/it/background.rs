//! Events that nobody waits for.

use std::sync::Arc;
use std::time::Duration;

use mimir_registry::{Reply, Subscriber, Subscription, subscriber_fn};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::setup::{IDLE, Setup, event, hangs, id, says, text};

/// Notes the payload of each event once it may: one permit an event.
fn gated(seen: &Arc<Mutex<Vec<String>>>, gate: &Arc<Semaphore>) -> Arc<dyn Subscriber> {
    let (seen, gate) = (Arc::clone(seen), Arc::clone(gate));
    subscriber_fn(move |envelope| {
        let (seen, gate) = (Arc::clone(&seen), Arc::clone(&gate));
        async move {
            gate.acquire().await.unwrap().forget();
            seen.lock().push(envelope.payload.to_string());
            Ok(Reply::NOTHING)
        }
    })
}

#[tokio::test]
async fn each_subscriber_gets_them_in_order_and_none_waits_for_another() {
    let setup = Setup::new();
    let (slow, fast) = (Arc::new(Mutex::default()), Arc::new(Mutex::default()));
    let (closed, open) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(1000)));
    setup.plugin("a", gated(&slow, &closed)).await;
    setup.bus.subscribe(Subscription::code(id("b"), [IDLE]), gated(&fast, &open));
    let events: Vec<_> = (0..100).map(|i| setup.bus.emit_background(event(IDLE, &i.to_string()))).collect();
    let expected: Vec<_> = (0..100).map(|i| i.to_string()).collect();
    while fast.lock().len() < 100 {
        tokio::task::yield_now().await;
    }
    assert!(slow.lock().is_empty(), "the fast one did not wait");
    closed.add_permits(1000);
    setup.bus.drain().await;
    assert_eq!(*fast.lock(), expected);
    assert_eq!(*slow.lock(), expected);
    for background in events {
        assert!(text(&background.await.unwrap()).starts_with("passed: a passed, b passed = "));
    }
    assert_eq!(setup.emitted().iter().filter(|line| *line == "session.idle passed").count(), 100);
}

#[tokio::test]
async fn drain_waits_for_what_is_under_way_and_returns_at_once_if_nothing_is() {
    let setup = Setup::new();
    setup.bus.drain().await;
    setup.bus.emit_background(event(IDLE, "to nobody"));
    setup.bus.drain().await;
    let (seen, gate) = (Arc::new(Mutex::default()), Arc::new(Semaphore::new(0)));
    setup.plugin("a", gated(&seen, &gate)).await;
    setup.bus.emit_background(event(IDLE, "1"));
    let drain = tokio::spawn({
        let bus = setup.bus.clone();
        async move { bus.drain().await }
    });
    tokio::task::yield_now().await;
    assert!(!drain.is_finished());
    gate.add_permits(1);
    drain.await.unwrap();
    assert_eq!(*seen.lock(), ["1"]);
}

#[tokio::test(start_paused = true)]
async fn who_hangs_is_quarantined_and_drain_ends() {
    let setup = Setup::new();
    setup.plugin("a", hangs()).await;
    setup.plugin("b", says("nothing")).await;
    let start = tokio::time::Instant::now();
    for _ in 0..1000 {
        setup.bus.emit_background(event(IDLE, "p"));
    }
    setup.bus.drain().await;
    assert!(start.elapsed() < Subscription::DEADLINE * 3 + Duration::from_secs(1), "{:?}", start.elapsed());
    assert_eq!(setup.notices().len(), 4, "three failures and a quarantine");
}

#[tokio::test]
async fn a_panic_leaves_the_queue_at_work() {
    let setup = Setup::new();
    setup.bus.subscribe(Subscription::plugin(id("a"), [IDLE]), says("panic"));
    let events: Vec<_> = (0..5).map(|_| setup.bus.emit_background(event(IDLE, "p"))).collect();
    for background in events {
        assert_eq!(text(&background.await.unwrap()), "failed by a (it panicked: a bug): a failed = p");
    }
}

#[tokio::test]
async fn what_waits_is_not_delivered_after_the_end_of_a_subscription() {
    let setup = Setup::new();
    let (seen, gate) = (Arc::new(Mutex::default()), Arc::new(Semaphore::new(0)));
    let subscription = setup.plugin("a", gated(&seen, &gate)).await;
    for payload in ["1", "2", "3"] {
        setup.bus.emit_background(event(IDLE, payload));
    }
    tokio::task::yield_now().await;
    setup.bus.unsubscribe(subscription);
    gate.add_permits(10);
    setup.bus.drain().await;
    assert_eq!(*seen.lock(), ["1"], "the one at hand is finished");
}

#[tokio::test]
async fn who_falls_too_far_behind_loses_the_newest_and_is_told() {
    let setup = Setup::new();
    let (seen, gate) = (Arc::new(Mutex::default()), Arc::new(Semaphore::new(0)));
    setup.plugin("a", gated(&seen, &gate)).await;
    let megabyte = "x".repeat(1 << 20);
    for _ in 0..70 {
        setup.bus.emit_background(event(IDLE, &megabyte));
    }
    let lost = setup.notices();
    assert_eq!(lost.len(), 6, "64 MiB wait");
    assert!(lost[0].contains("more than 10000 events or 64 MiB behind"), "{}", lost[0]);
    gate.add_permits(100);
    setup.bus.drain().await;
    assert_eq!(seen.lock().len(), 64);
    assert_eq!(setup.registry.get(&id("a")).unwrap().failures_in_row, 0, "slow is no failure");
}
