//! Who gets an event, in which order, and what comes of it.

use std::sync::Arc;

use mimir_registry::{Cause, Rank, Reply, Subscriber, Subscription, subscriber_fn};
use parking_lot::Mutex;
use tokio::sync::Barrier;

use crate::setup::{ASK, BEFORE, IDLE, Measured, Setup, event, hangs, id, says, says_in_turn};

#[tokio::test]
async fn nobody_listens() {
    let setup = Setup::new();
    assert_eq!(setup.emit(event(BEFORE, "p")).await, "passed:  = p");
    assert_eq!(setup.emitted(), ["tool.execute.before passed"]);
}

#[tokio::test]
async fn each_sees_what_the_one_before_it_changed() {
    let setup = Setup::new();
    for (name, answer) in [("c", "add 3"), ("a", "add 1"), ("b", "nothing")] {
        setup.plugin(name, says(answer)).await;
    }
    let told = setup.emit(event(BEFORE, "p")).await;
    assert_eq!(told, "changed by a: a changed, b passed, c changed = p13");
}

#[tokio::test]
async fn who_subscribes_together_with_others_has_the_same_place_as_alone() {
    let setup = Setup::new();
    let plugin = |name: &str, rank| Subscription { rank, ..Subscription::plugin(id(name), [BEFORE]) };
    let first = Rank { before: vec![id("a")], ..Rank::default() };
    let others = [(plugin("c", Rank::default()), says("add 3")), (plugin("z", first), says("add 9"))];
    setup.bus.subscribe(plugin("a", Rank::default()), says("add 1"));
    setup.bus.subscribe_all(others);
    setup.bus.subscribe_all([]);
    setup.bus.subscribe(plugin("b", Rank::default()), says("add 2"));
    let told = setup.emit(event(BEFORE, "p")).await;
    assert_eq!(told, "changed by z: z changed, a changed, b changed, c changed = p9123");
}

#[tokio::test]
async fn after_a_block_the_others_are_not_asked() {
    let setup = Setup::new();
    for (name, answer) in [("a", "add 1"), ("b", "block no"), ("c", "panic")] {
        setup.plugin(name, says(answer)).await;
    }
    assert_eq!(setup.emit(event(BEFORE, "p")).await, "blocked by b (no): a changed, b blocked = p1");
    assert!(setup.notices().is_empty());
}

#[tokio::test]
async fn the_text_is_the_same_for_all() {
    let setup = Setup::new();
    let seen = Arc::new(Mutex::new(Vec::new()));
    for name in ["a", "b", "c"] {
        let seen = Arc::clone(&seen);
        let remember = subscriber_fn(move |envelope| {
            seen.lock().push(envelope.payload);
            async { Ok(Reply::NOTHING) }
        });
        setup.plugin(name, remember).await;
    }
    let envelope = event(BEFORE, "p");
    let emission = setup.bus.emit(envelope.clone()).await;
    let seen = seen.lock();
    assert_eq!(seen.len(), 3);
    assert!(seen.iter().chain([&emission.payload]).all(|payload| Arc::ptr_eq(payload, &envelope.payload)));
}

#[tokio::test]
async fn parallel_events_go_to_all_at_once() {
    let setup = Setup::new();
    let barrier = Arc::new(Barrier::new(2));
    for name in ["a", "b"] {
        let barrier = Arc::clone(&barrier);
        let meet = subscriber_fn(move |_| {
            let barrier = Arc::clone(&barrier);
            async move {
                barrier.wait().await;
                Ok(Reply::NOTHING)
            }
        });
        setup.plugin(name, meet).await;
    }
    assert_eq!(setup.emit(event(ASK, "p")).await, "passed: a passed, b passed = p");
}

#[tokio::test]
async fn deny_wins_over_allow_whatever_the_order() {
    for (a, b, expected) in [
        ("allow", "deny", "denied by b: a approved, b denied = p"),
        ("deny", "allow", "denied by a: a denied, b approved = p"),
        ("nothing", "allow", "approved by b: a passed, b approved = p"),
        ("cpu", "allow", "approved by b: a failed, b approved = p"),
        ("add x", "nothing", "changed by a: a changed, b passed = p"),
    ] {
        let setup = Setup::new();
        setup.plugin("a", says(a)).await;
        setup.plugin("b", says(b)).await;
        assert_eq!(setup.emit(event(ASK, "p")).await, expected);
    }
}

#[tokio::test]
async fn an_event_is_not_delivered_to_those_who_caused_it() {
    let setup = Setup::new();
    for name in ["a", "b", "c"] {
        setup.plugin(name, says("nothing")).await;
    }
    let cause = Cause::default().then(&id("a")).then(&id("c"));
    let caused = event(BEFORE, "p").caused_by(cause);
    assert_eq!(setup.emit(caused.clone()).await, "passed: b passed = p");
    let told = setup.bus.emit_background(caused).await.unwrap();
    assert_eq!(told.answers.len(), 1);
}

#[tokio::test]
async fn plugins_that_cause_each_others_events_do_not_loop() {
    let setup = Setup::new();
    let depths = Arc::new(Mutex::new(Vec::new()));
    for name in ["a", "b"] {
        let (bus, depths) = (setup.bus.clone(), Arc::clone(&depths));
        let raise = subscriber_fn(move |envelope| {
            depths.lock().push(envelope.cause.chain().len());
            let (bus, cause) = (bus.clone(), envelope.cause.then(&id(name)));
            async move {
                bus.emit(event(BEFORE, "again").caused_by(cause)).await;
                Ok(Reply::NOTHING)
            }
        });
        setup.plugin(name, raise).await;
    }
    setup.emit(event(BEFORE, "p")).await;
    assert_eq!(*depths.lock(), [0, 1, 0, 1], "a, b because of a, b, a because of b");
}

#[tokio::test]
async fn the_order_follows_ranks_and_changes_with_the_subscriptions() {
    let setup = Setup::new();
    let subscribe = |name: &str, rank: Rank| {
        let subscription = Subscription { rank, ..Subscription::plugin(id(name), [BEFORE]) };
        setup.bus.subscribe(subscription, says("nothing"))
    };
    let order = || setup.bus.subscribers(BEFORE).iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    subscribe("b", Rank::default());
    let a = subscribe("a", Rank::default());
    subscribe("z", Rank { listed: Some(0), ..Rank::default() });
    subscribe("guard", Rank { required: true, ..Rank::default() });
    assert_eq!(order(), "guard z a b");
    subscribe("y", Rank { before: vec![id("z"), id("guard")], ..Rank::default() });
    assert_eq!(order(), "guard y z a b");
    assert_eq!(setup.notices(), ["plugin `y` cannot come before `guard`, which the company requires"]);
    assert!(setup.bus.unsubscribe(a) && !setup.bus.unsubscribe(a));
    assert!(setup.bus.unsubscribe_all(&id("z")));
    assert_eq!(order(), "guard b y", "without `z` nothing pulls `y` ahead");
    assert!(setup.notices().is_empty(), "told once");
    assert!(setup.bus.subscribers(ASK).is_empty());
}

#[tokio::test]
async fn rust_code_takes_part_like_a_plugin() {
    let setup = Setup::new();
    setup.plugin("b", says("add 2")).await;
    setup.bus.subscribe(Subscription::code(id("a"), [BEFORE]), says("add 1"));
    assert_eq!(setup.emit(event(BEFORE, "p")).await, "changed by a: a changed, b changed = p12");
}

#[tokio::test]
async fn who_unsubscribes_during_an_event_does_not_get_it() {
    let setup = Setup::new();
    let late = setup.plugin("z", says("panic")).await;
    let bus = setup.bus.clone();
    let remove = subscriber_fn(move |_| {
        bus.unsubscribe(late);
        async { Ok(Reply::NOTHING) }
    });
    setup.plugin("a", remove).await;
    assert_eq!(setup.emit(event(BEFORE, "p")).await, "passed: a passed = p");
}

#[tokio::test]
async fn what_does_not_concern_a_subscriber_is_no_answer() {
    struct Never;
    #[async_trait::async_trait]
    impl Subscriber for Never {
        async fn deliver(&self, _: &mimir_registry::Envelope) -> mimir_registry::Delivery {
            panic!("not wanted")
        }
        fn wants(&self, envelope: &mimir_registry::Envelope) -> bool {
            envelope.payload.contains("completed")
        }
    }
    let setup = Setup::new();
    setup.plugin("a", Arc::new(Never)).await;
    assert_eq!(setup.emit(event(IDLE, "waiting")).await, "passed:  = waiting");
    assert!(setup.emit(event(IDLE, "completed")).await.starts_with("failed by a (it panicked: not wanted)"));
}

#[tokio::test(start_paused = true)]
async fn figures_are_handed_on_and_wall_time_is_filled_in() {
    let setup = Setup::new();
    setup.plugin("a", Arc::new(Measured)).await;
    let slow = subscriber_fn(|_| async {
        tokio::time::sleep(std::time::Duration::from_millis(30)).await;
        Ok(Reply::NOTHING)
    });
    setup.plugin("b", slow).await;
    let answers = setup.bus.emit(event(ASK, "p")).await.answers;
    let figures: Vec<_> = answers.iter().map(|a| (a.cpu.as_millis(), a.heap_peak)).collect();
    assert_eq!(figures, [(2, 1 << 20), (0, 0)]);
    assert_eq!(answers[0].elapsed.as_millis(), 7, "as measured nearer to it");
    // Tokio's timer counts whole milliseconds.
    assert!((30..=31).contains(&answers[1].elapsed.as_millis()), "{:?}", answers[1].elapsed);
}

#[tokio::test]
async fn the_policy_says_which_events_are_waited_for() {
    let setup = Setup::new();
    setup.plugin("a", says_in_turn(&["nothing", "nothing"])).await;
    assert!(setup.bus.dispatch(event(BEFORE, "p")).await.is_some());
    assert!(setup.bus.dispatch(event(IDLE, "p")).await.is_none());
    setup.bus.drain().await;
    assert_eq!(setup.emitted(), ["tool.execute.before passed", "session.idle passed"]);
}

#[tokio::test]
async fn each_emission_has_a_number_and_an_end() {
    let setup = Setup::new();
    setup.bus.emit(event(BEFORE, "p")).await;
    setup.bus.emit_background(event(IDLE, "p")).await.unwrap();
    setup.plugin("a", hangs()).await;
    {
        let mut waits = std::pin::pin!(setup.bus.emit(event(BEFORE, "p")));
        let is_ready = std::future::poll_fn(|context| std::task::Poll::Ready(waits.as_mut().poll(context).is_ready()));
        assert!(!is_ready.await);
    }
    assert_eq!(setup.ways(), ["1 begun", "1 over", "2 begun", "2 over", "3 begun", "3 dropped"]);
}
