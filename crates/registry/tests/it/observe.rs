//! Subscribers that only observe: nothing comes of what they say.

use mimir_registry::{Outcome, PluginState, Subscription};
use mimir_shared_config::{EventName, Failure as OnFailure};

use crate::setup::{ASK, BEFORE, IDLE, Setup, event, id, says};

fn observer(failure: OnFailure) -> Subscription {
    let subscription = Subscription::plugin(id("observer"), EventName::ALL);
    Subscription { observes: true, failure: failure.into(), ..subscription }
}

/// An observer that answers so, before another plugin that passes or changes: what becomes of the event is what becomes
/// of it without the observer, and the record holds what it would have done.
#[tokio::test]
async fn it_changes_nothing_and_all_is_recorded() {
    use Outcome::{Approved, Blocked, Changed, Denied, Failed};
    let cases = [
        (BEFORE, "nothing", OnFailure::Open, None),
        (BEFORE, "add 9", OnFailure::Open, Some(Changed)),
        (BEFORE, "block no", OnFailure::Open, Some(Blocked)),
        (ASK, "allow", OnFailure::Open, Some(Approved)),
        (ASK, "deny", OnFailure::Open, Some(Denied)),
        (BEFORE, "cpu", OnFailure::Open, Some(Failed)),
        (BEFORE, "cpu", OnFailure::Closed, Some(Blocked)),
        (BEFORE, "panic", OnFailure::Closed, Some(Blocked)),
        (BEFORE, "number", OnFailure::Closed, Some(Blocked)),
        (ASK, "throw x", OnFailure::Closed, Some(Denied)),
        (IDLE, "crashed", OnFailure::Closed, Some(Failed)),
    ];
    for (name, answer, failure, would) in cases {
        for other in ["nothing", "add 1", "block it"] {
            let (with, without) = (Setup::new(), Setup::new());
            with.subscribed(observer(failure), says(answer)).await;
            with.plugin("other", says(other)).await;
            without.plugin("other", says(other)).await;
            let (emission, expected) =
                (with.bus.emit(event(name, "p")).await, without.bus.emit(event(name, "p")).await);
            let of = |emission: &mimir_registry::Emission| {
                (emission.outcome, emission.by.clone(), emission.reason.clone(), emission.payload.clone())
            };
            assert_eq!(of(&emission), of(&expected), "{answer}, then {other}");
            let record = &emission.answers[0];
            assert_eq!((record.outcome, record.would), (Outcome::Passed, would), "{answer}");
        }
    }
}

#[tokio::test]
async fn what_it_would_have_done_is_told() {
    let setup = Setup::new();
    setup.subscribed(observer(OnFailure::Closed), says("block no")).await;
    setup.emit(event(BEFORE, "p")).await;
    assert_eq!(setup.notices(), ["plugin `observer` would have blocked tool.execute.before: no"]);

    let setup = Setup::new();
    setup.subscribed(observer(OnFailure::Closed), says("cpu")).await;
    setup.emit(event(BEFORE, "p")).await;
    let told = "plugin `observer` failed in tool.execute.before: it used more than 100 ms of CPU time";
    assert_eq!(setup.notices(), [told]);
}

/// Failures count all the same, and a `closed` observer in quarantine blocks as little as before.
#[tokio::test]
async fn failures_quarantine_it_and_it_goes_on_blocking_nothing() {
    let setup = Setup::new();
    setup.subscribed(observer(OnFailure::Closed), says("cpu")).await;
    for _ in 0..4 {
        assert!(setup.emit(event(BEFORE, "p")).await.starts_with("passed:"));
    }
    assert!(matches!(setup.registry.get(&id("observer")).unwrap().state, PluginState::Quarantined { .. }));
    let background = setup.bus.emit_background(event(IDLE, "p")).await.unwrap();
    assert_eq!((background.outcome, background.answers.len()), (Outcome::Passed, 0));
}
