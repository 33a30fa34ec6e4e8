//! What the failure of a subscriber does, to the event and to the subscriber.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use mimir_registry::{
    Delivery, Envelope, Failure, FailureKind, InMemoryStates, PluginState, Registration, RegistryError, Reply,
    StateStore, Subscriber, Subscription, subscriber_fn,
};
use mimir_shared_config::{EventName, Failure as OnFailure};

use crate::setup::{ASK, BEFORE, IDLE, Setup, event, hangs, id, says, says_in_turn};

fn closed(name: &str) -> Subscription {
    Subscription { failure: OnFailure::Closed.into(), ..Subscription::plugin(id(name), EventName::ALL) }
}

#[tokio::test]
async fn a_failure_stops_nobody_else_and_is_told() {
    let setup = Setup::new();
    setup.plugin("a", says_in_turn(&["throw boom", "number", "nothing", "unjudgeable"])).await;
    setup.plugin("b", says("add 1")).await;
    let expected = "changed by b: a failed, b changed = p1";
    assert_eq!(setup.emit(event(BEFORE, "p")).await, expected);
    assert_eq!(setup.emit(event(BEFORE, "p")).await, expected);
    setup.emit(event(BEFORE, "p")).await;
    assert_eq!(setup.emit(event(BEFORE, "p")).await, expected);
    assert_eq!(
        setup.notices(),
        [
            "plugin `a` failed in tool.execute.before: it threw: boom",
            "plugin `a` failed in tool.execute.before: wrong: 5",
            "plugin `a` failed in tool.execute.before: its answer could not be judged: cannot judge unjudgeable",
        ]
    );
}

#[tokio::test]
async fn alone_it_makes_the_event_a_failed_one() {
    let setup = Setup::new();
    setup.plugin("a", says("cpu")).await;
    let told = setup.emit(event(BEFORE, "p")).await;
    assert_eq!(told, "failed by a (it used more than 100 ms of CPU time): a failed = p");
}

#[tokio::test]
async fn a_closed_guard_blocks_or_denies_when_it_fails() {
    for failure in ["cpu", "crashed", "lost", "interrupted", "panic", "throw x", "number"] {
        for (name, outcome) in [(BEFORE, "blocked"), (ASK, "denied"), (IDLE, "failed")] {
            let setup = Setup::new();
            setup.subscribed(closed("guard"), says(failure)).await;
            setup.plugin("late", says("nothing")).await;
            let told = setup.emit(event(name, "p")).await;
            assert!(told.starts_with(&format!("{outcome} by guard (")), "{name}, {failure}: {told}");
            assert_eq!(told.contains("late passed"), name != BEFORE, "{name}, {failure}: {told}");
        }
    }
    let setup = Setup::new();
    setup.subscribed(closed("guard"), says("cpu")).await;
    setup.emit(event(BEFORE, "p")).await;
    assert_eq!(
        setup.notices(),
        [
            "plugin `guard` failed in tool.execute.before, which is blocked therefore: it used more than 100 ms of CPU time",
        ]
    );
}

#[tokio::test]
async fn three_failures_in_a_row_quarantine() {
    let cases: &[(&[&'static str], bool)] = &[
        (&["cpu", "throw x", "number"], true),
        (&["panic", "panic", "panic"], true),
        (&["cpu", "cpu", "nothing", "cpu", "cpu"], false),
        (&["cpu", "cpu", "lost", "interrupted"], false),
        (&["cpu", "cpu", "lost", "cpu"], true),
        (&["lost", "lost", "lost", "lost"], false),
        (&["crashed"], true),
        (&["add 1", "overreach", "overreach", "overreach"], false),
    ];
    for (answers, is_quarantined) in cases {
        let setup = Setup::new();
        setup.plugin("a", says_in_turn(answers)).await;
        for _ in *answers {
            setup.emit(event(BEFORE, "p")).await;
        }
        let state = setup.registry.get(&id("a")).unwrap().state;
        assert_eq!(matches!(state, PluginState::Quarantined { .. }), *is_quarantined, "{answers:?}");
        let asked = setup.emit(event(BEFORE, "p")).await;
        assert_eq!(asked == "passed:  = p", *is_quarantined, "{answers:?}: {asked}");
        let told = setup.notices().iter().filter(|notice| notice.contains("in quarantine")).count();
        assert_eq!(told, usize::from(*is_quarantined), "{answers:?}");
    }
}

#[tokio::test]
async fn the_configuration_says_how_many_failures_quarantine() {
    for (quarantine_after, reason) in [
        (1, "it used more than 100 ms of CPU time"),
        (5, "5 failures in a row, the last: it used more than 100 ms of CPU time"),
    ] {
        let setup = Setup::with(Arc::new(InMemoryStates::default()), quarantine_after);
        setup.plugin("a", says("cpu")).await;
        for _ in 1..quarantine_after {
            setup.emit(event(BEFORE, "p")).await;
        }
        assert_eq!(setup.registry.get(&id("a")).unwrap().state, PluginState::Active);
        setup.emit(event(BEFORE, "p")).await;
        let state = setup.registry.get(&id("a")).unwrap().state;
        assert_eq!(state, PluginState::Quarantined { reason: reason.to_owned() });
    }
}

/// What is said about one plugin counts for no other.
#[tokio::test]
async fn each_plugin_has_a_number_of_failures_of_its_own() {
    let setup = Setup::new();
    for (name, quarantine_after) in [("once", 1), ("twice", 2), ("thrice", 3)] {
        let (version, state) = ("1.0.0".to_owned(), PluginState::Active);
        let registration = Registration { name: id(name), version, state, quarantine_after };
        setup.registry.register(registration).await.unwrap();
        setup.bus.subscribe(Subscription::plugin(id(name), EventName::ALL), says("cpu"));
    }
    for active in [&["thrice", "twice"][..], &["thrice"], &[]] {
        setup.emit(event(BEFORE, "p")).await;
        let mut left = setup.registry.list();
        left.retain(|record| record.state == PluginState::Active);
        let mut left: Vec<_> = left.iter().map(|record| record.name.as_str()).collect();
        left.sort_unstable();
        assert_eq!(left, active);
    }
}

#[tokio::test]
async fn who_is_put_into_quarantine_is_told_to_retire() {
    #[derive(Default)]
    struct Fails(AtomicUsize);
    #[async_trait::async_trait]
    impl Subscriber for Fails {
        async fn deliver(&self, _: &Envelope) -> Delivery {
            Delivery::unmeasured(Err(Failure::new(FailureKind::Threw, "it threw")))
        }
        fn retire(&self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let (setup, fails) = (Setup::new(), Arc::new(Fails::default()));
    setup.plugin("a", fails.clone()).await;
    for (event_number, retired) in [(1, 0), (2, 0), (3, 1), (4, 2)] {
        setup.emit(event(BEFORE, "p")).await;
        assert_eq!(fails.0.load(Ordering::Relaxed), retired, "event {event_number}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_keeps_a_subscriber_waiting_is_not_its_time() {
    struct Waits;
    #[async_trait::async_trait]
    impl Subscriber for Waits {
        async fn prepare(&self) {
            tokio::time::sleep(Duration::from_secs(3_600)).await;
        }
        async fn deliver(&self, _: &Envelope) -> Delivery {
            Delivery::unmeasured(Ok(Reply::NOTHING))
        }
    }
    let setup = Setup::new();
    setup.plugin("a", Arc::new(Waits)).await;
    assert_eq!(setup.emit(event(BEFORE, "p")).await, "passed: a passed = p");
}

#[tokio::test]
async fn no_answer_makes_up_for_failures_outside_of_events() {
    let setup = Setup::new();
    let a = id("a");
    setup.plugin("a", says("nothing")).await;
    let fails = async |kind| setup.registry.record_failure_alone(&a, &Failure::new(kind, "it looped")).await;
    for _ in 0..3 {
        assert_eq!(setup.emit(event(BEFORE, "p")).await, "passed: a passed = p");
        fails(FailureKind::Lost).await;
        fails(FailureKind::Cpu).await;
    }
    let notices = setup.notices();
    assert_eq!(notices[0], "plugin `a` failed outside of any event: it looped");
    assert!(
        notices[6].contains("is in quarantine (3 failures outside of any event, the last: it looped)"),
        "{notices:?}"
    );
    assert_eq!(notices.len(), 7);
    assert_eq!(setup.emit(event(BEFORE, "p")).await, "passed:  = p");

    setup.registry.enable(&a).await.unwrap();
    fails(FailureKind::Cpu).await;
    assert_eq!(setup.registry.get(&a).unwrap().state, PluginState::Active, "counted anew");
    fails(FailureKind::Crashed).await;
    assert_eq!(setup.registry.get(&a).unwrap().state, PluginState::Quarantined { reason: "it looped".to_owned() });
}

#[tokio::test]
async fn a_closed_guard_in_quarantine_goes_on_blocking_and_says_how_to_get_out() {
    let setup = Setup::new();
    setup.subscribed(closed("guard"), says_in_turn(&["cpu", "cpu", "cpu"])).await;
    for _ in 0..3 {
        setup.emit(event(BEFORE, "p")).await;
    }
    let way_out = "`mimir plugin enable guard` puts it back to work";
    assert_eq!(
        setup.notices().last().unwrap(),
        &format!(
            "plugin `guard` is in quarantine (3 failures in a row, the last: it used more than 100 ms of CPU time); \
             {way_out}"
        )
    );
    for (name, outcome) in [(BEFORE, "blocked"), (ASK, "denied")] {
        let told = setup.emit(event(name, "p")).await;
        assert!(told.starts_with(&format!("{outcome} by guard (plugin `guard` is in quarantine")), "{told}");
        assert!(told.contains(way_out), "{told}");
    }
    assert_eq!(setup.emit(event(IDLE, "p")).await, "passed:  = p", "there is nothing to block");
    assert!(setup.notices().is_empty(), "told once");
    setup.registry.enable(&id("guard")).await.unwrap();
    assert_eq!(setup.emit(event(BEFORE, "p")).await, "passed: guard passed = p");
}

#[tokio::test]
async fn quarantine_outlives_the_process_until_re_enabled() {
    let states = Arc::new(InMemoryStates::default());
    let run = async || {
        let setup = Setup::with_states(Arc::clone(&states) as Arc<dyn StateStore>);
        setup.plugin("a", says("crashed")).await;
        setup
    };
    let first = run().await;
    first.emit(event(BEFORE, "p")).await;
    let second = run().await;
    let record = second.registry.get(&id("a")).unwrap();
    assert_eq!(record.state, PluginState::Quarantined { reason: "it brought its process down".to_owned() });
    assert_eq!(
        serde_json::to_value(&record).unwrap(),
        serde_json::json!({
            "name": "a", "version": "1.0.0", "state": "quarantined", "reason": "it brought its process down",
            "failuresInRow": 0, "failuresAlone": 0,
        })
    );
    second.registry.enable(&id("a")).await.unwrap();
    assert_eq!(run().await.registry.get(&id("a")).unwrap().state, PluginState::Active);
}

#[tokio::test]
async fn states_that_are_set_from_outside() {
    let setup = Setup::new();
    let a = id("a");
    setup.subscribed(closed("a"), says("add 1")).await;
    setup.registry.disable(&a).unwrap();
    assert_eq!(setup.emit(event(BEFORE, "p")).await, "passed:  = p", "switched off on purpose: blocks nothing");
    setup.registry.mark_failed(&a, "no default export").unwrap();
    let told = setup.emit(event(BEFORE, "p")).await;
    assert!(told.starts_with("blocked by a (plugin `a` could not be loaded"), "{told}");
    assert!(told.contains("mimir plugin disable a") && told.contains("no default export"), "{told}");
    setup.registry.enable(&a).await.unwrap();
    assert_eq!(setup.emit(event(BEFORE, "p")).await, "changed by a: a changed = p1");
    setup.registry.quarantine(&a, "hung").await.unwrap();
    assert_eq!(setup.registry.list()[0].state, PluginState::Quarantined { reason: "hung".to_owned() });

    let again =
        Registration { name: a.clone(), version: String::new(), state: PluginState::Active, quarantine_after: 3 };
    assert!(matches!(setup.registry.register(again).await, Err(RegistryError::AlreadyLoaded(name)) if name == a));
    assert_eq!(setup.registry.unregister(&a).unwrap().name, a);
    assert!(matches!(setup.registry.enable(&a).await, Err(RegistryError::NotLoaded(_))));
}

#[tokio::test]
async fn an_answer_that_is_not_obeyed_is_told() {
    let setup = Setup::new();
    setup.plugin("a", says("overreach")).await;
    let emission = setup.bus.emit(event(ASK, "p")).await;
    assert_eq!(emission.answers[0].reason.as_deref(), Some("not obeyed"));
    assert_eq!(setup.notices(), ["plugin `a` in permission.ask: not obeyed"]);
}

#[tokio::test(start_paused = true)]
async fn who_hangs_misses_its_deadline_and_no_more() {
    for origin in [Subscription::plugin(id("a"), [BEFORE, ASK]), Subscription::code(id("a"), [BEFORE, ASK])] {
        let setup = Setup::new();
        setup.bus.subscribe(Subscription { deadline: Duration::from_millis(5500), ..origin }, hangs());
        setup.plugin("b", says("nothing")).await;
        for name in [BEFORE, ASK] {
            let emission = setup.bus.emit(event(name, "p")).await;
            assert_eq!(emission.reason.as_deref(), Some("it did not answer within 5500 ms"));
            assert_eq!(emission.answers[0].elapsed, Duration::from_millis(5500));
            assert_eq!(emission.answers.len(), 2);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rust_code_that_blocks_its_thread_does_not_block_the_bus() {
    let setup = Setup::new();
    let (release, released) = mpsc::channel::<()>();
    let released = Arc::new(parking_lot::Mutex::new(released));
    let blocks = subscriber_fn(move |_| {
        let released = Arc::clone(&released);
        async move {
            let _ = released.lock().recv();
            Ok(Reply::NOTHING)
        }
    });
    let deadline = Duration::from_millis(50);
    setup.bus.subscribe(Subscription { deadline, ..Subscription::code(id("a"), [BEFORE]) }, blocks);
    setup.plugin("b", says("add 1")).await;
    assert_eq!(setup.emit(event(BEFORE, "p")).await, "changed by b: a failed, b changed = p1");
    drop(release);
}

#[tokio::test]
async fn panics_are_failures_of_those_who_panic() {
    for origin in [Subscription::plugin(id("a"), [BEFORE]), Subscription::code(id("a"), [BEFORE])] {
        let setup = Setup::new();
        setup.bus.subscribe(origin, says("panic"));
        setup.plugin("b", says("add 1")).await;
        assert_eq!(setup.emit(event(BEFORE, "p")).await, "changed by b: a failed, b changed = p1");
        assert_eq!(setup.notices(), ["plugin `a` failed in tool.execute.before: it panicked: a bug"]);
    }
}

#[tokio::test]
async fn an_interrupt_reaches_those_who_have_an_event_at_hand() {
    #[derive(Default)]
    struct Waits(tokio::sync::Notify);
    #[async_trait::async_trait]
    impl Subscriber for Waits {
        async fn deliver(&self, _: &Envelope) -> Delivery {
            self.0.notified().await;
            let failure = Failure::new(FailureKind::Interrupted, "interrupted");
            Delivery::unmeasured(Err(failure))
        }
        fn interrupt(&self) {
            self.0.notify_one();
        }
    }
    let setup = Setup::new();
    setup.plugin("a", Arc::new(Waits::default())).await;
    setup.bus.interrupt();
    let emission = setup.bus.emit(event(BEFORE, "p"));
    let interrupt = async {
        tokio::task::yield_now().await;
        setup.bus.interrupt();
    };
    let (emission, ()) = tokio::join!(emission, interrupt);
    assert_eq!(crate::setup::text(&emission), "failed by a (interrupted): a failed = p");
    assert_eq!(setup.registry.get(&id("a")).unwrap().failures_in_row, 0);
}
