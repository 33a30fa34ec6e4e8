//! A process may end at any moment, and whoever waits for an answer may go away at any moment.

use std::collections::{HashMap, HashSet};

use futures::FutureExt as _;
use futures::task::noop_waker_ref;
use mimir_chat::{Conversation, EndReason};
use mimir_plugins::EventName;
use mimir_shared_providers::{ChatRequest, Role};
use serde_json::json;
use std::task::Context;

use super::agents::role;
use super::world::{Answer, World, answers, asks, line};

/// A task with calls at once, a sub-agent with calls of its own, and one call more. What comes next follows from what the
/// model reads, so that it does not matter how often it was asked.
fn plays(request: &ChatRequest, number: usize) -> Answer {
    let said = request.messages.iter().filter(|message| message.role == Role::Assistant).count();
    let is_agent = request.messages.iter().any(|message| line(message).contains("explore well"));
    let call = |at: usize, tool: &str| (format!("c{number}-{at}"), tool.to_owned(), json!({}));
    match (is_agent, said) {
        (true, 0) => Answer::Says(vec!["I ", "look"], vec![call(0, "bash"), call(1, "read")]),
        (true, _) => Answer::text("found it"),
        (false, 0) => {
            Answer::Says(vec!["first"], vec![call(0, "read"), call(1, "list"), call(2, "bash"), call(3, "bash")])
        }
        (false, 1) => Answer::call(&format!("c{number}-0"), "task", json!({"role": "explore", "prompt": "look"})),
        (false, 2) => Answer::Says(Vec::new(), vec![call(0, "bash")]),
        (false, _) => Answer::Says(vec!["all ", "done"], Vec::new()),
    }
}

fn world() -> World {
    World::new(plays).with(|it| it.roles = vec![role("explore")])
}

/// Polls so often, and drops the future then. Whether it came to an end.
fn polled<T>(future: impl Future<Output = T>, times: usize) -> bool {
    let mut future = Box::pin(future);
    let mut context = Context::from_waker(noop_waker_ref());
    (0..times).any(|_| future.poll_unpin(&mut context).is_ready())
}

/// Every call has one result and ran at most once, and what was stored before is still there.
fn check(world: &World, before: &[String], at: usize) {
    let stored = world.store.history_now("s1");
    let mut calls: HashMap<String, usize> = HashMap::new();
    for stored in &stored {
        for id in asks(&stored.message) {
            assert!(calls.insert(id, 0).is_none(), "two calls have one name, at {at}");
        }
    }
    for stored in stored.iter().filter(|stored| stored.message.role == Role::Tool) {
        *calls.get_mut(&answers(&stored.message)).unwrap() += 1;
    }
    let lines: Vec<String> = stored.iter().map(|stored| line(&stored.message)).collect();
    for (id, results) in calls {
        assert_eq!(results, 1, "{id} at {at}: {lines:#?}");
    }
    let begun = world.store.begun("s1");
    for (id, times) in world.runs() {
        assert_eq!(times, 1, "{id} at {at}");
        assert!(begun.contains(&id), "{id} ran and is not in the journal, at {at}");
    }
    assert_eq!(lines[..before.len()], *before, "nothing is lost, at {at}");
    let ids: HashSet<_> = stored.iter().map(|stored| stored.message.id.clone()).collect();
    assert_eq!(ids.len(), stored.len());
    assert_eq!(lines.iter().filter(|line| *line == "user: do it").count(), 1, "at {at}");
    assert_eq!(lines.iter().filter(|line| *line == "assistant: all done").count(), 1, "at {at}: {lines:#?}");
}

fn history(world: &World) -> Vec<String> {
    world.store.history_now("s1").iter().map(|stored| line(&stored.message)).collect()
}

async fn finish(world: &World, conversation: &Conversation, at: usize) {
    let before = history(world);
    let ended = conversation.go_on().await.unwrap();
    if before.is_empty() {
        assert_eq!(ended.reason, EndReason::Nothing);
        conversation.send("do it").await.unwrap();
    }
    check(world, &before, at);
}

#[tokio::test]
async fn a_process_that_ends_at_any_moment() {
    let mut moments = 0;
    loop {
        let world = world();
        let (_chat, conversation) = world.begin().await;
        let is_over = polled(conversation.send("do it"), moments);
        drop(conversation);
        let conversation = world.chat().resume("s1", None).await.unwrap();
        finish(&world, &conversation, moments).await;
        // What the store has is what plugins were told, but for the last message before the end
        let told = world.payloads(EventName::MessageAdded).len();
        assert!(world.store.history_now("s1").len() - told <= 2, "at {moments}");
        if is_over {
            break;
        }
        moments += 1;
    }
    assert!(moments > 100, "there were {moments} moments");
}

#[tokio::test]
async fn whoever_waits_goes_away_at_any_moment() {
    let mut moments = 0;
    loop {
        let world = world();
        let (_chat, conversation) = world.begin().await;
        let is_over = polled(conversation.send("do it"), moments);
        finish(&world, &conversation, moments).await;
        if is_over {
            break;
        }
        moments += 1;
    }
    assert!(moments > 100, "there were {moments} moments");
}

#[tokio::test]
async fn one_process_after_the_other_ends() {
    for first in (1..150).step_by(7) {
        for second in (0..60).step_by(11) {
            let world = world();
            let (_chat, conversation) = world.begin().await;
            polled(conversation.send("do it"), first);
            drop(conversation);
            let before = history(&world);
            let chat = world.chat();
            polled(async { chat.resume("s1", None).await.unwrap().go_on().await }, second);
            assert_eq!(history(&world)[..before.len()], before);
            let conversation = world.chat().resume("s1", None).await.unwrap();
            finish(&world, &conversation, first * 1000 + second).await;
        }
    }
}

#[tokio::test]
async fn an_interruption_at_any_moment() {
    let mut moments = 0;
    loop {
        let world = world();
        let (_chat, conversation) = world.begin().await;
        let mut sending = Box::pin(conversation.send("do it"));
        let mut context = Context::from_waker(noop_waker_ref());
        let is_over = (0..moments).any(|_| sending.poll_unpin(&mut context).is_ready());
        if is_over {
            break;
        }
        conversation.interrupt();
        let ended = sending.await.unwrap();
        if moments > 0 && ended.reason != EndReason::Completed {
            assert_eq!(ended.reason, EndReason::Interrupted, "at {moments}");
        }
        let before = history(&world);
        if conversation.go_on().await.unwrap().reason == EndReason::Nothing && ended.reason == EndReason::Interrupted {
            conversation.send("go on").await.unwrap();
        }
        let stored = world.store.history_now("s1");
        let asked: Vec<String> = stored.iter().flat_map(|stored| asks(&stored.message)).collect();
        let results = stored.iter().filter(|stored| stored.message.role == Role::Tool);
        let mut results: Vec<String> = results.map(|stored| answers(&stored.message)).collect();
        let mut asked = asked;
        asked.sort();
        results.sort();
        assert_eq!(asked, results, "at {moments}");
        assert!(world.runs().values().all(|&times| times == 1));
        assert_eq!(history(&world)[..before.len()], before);
        moments += 1;
    }
    assert!(moments > 100, "there were {moments} moments");
}

#[tokio::test]
async fn a_call_that_was_cut_is_told() {
    let world = World::playing([
        Answer::Says(
            Vec::new(),
            [("a", "hang"), ("b", "bash")].map(|(id, tool)| (id.into(), tool.into(), json!({}))).into(),
        ),
        Answer::text("I will look"),
    ]);
    let (_chat, conversation) = world.begin().await;
    polled(conversation.send("do it"), 200);
    drop(conversation);
    let conversation = world.chat().resume("s1", None).await.unwrap();
    let expected = [
        "user: do it",
        "assistant: hang(a) bash(b)",
        "tool: a!=outcome unknown: the process ended while this ran. It may or may not have had an effect; check before \
         doing it again",
        "tool: b!=not run: the process ended before this began. Ask for it again if it is still needed",
    ];
    assert_eq!(world.lines(), expected);
    let shown = world.shown();
    assert!(shown.contains(&"unknown a".to_owned()) && !shown.contains(&"unknown b".to_owned()));
    assert!(shown.contains(&"not run b".to_owned()) && !shown.contains(&"not run a".to_owned()));
    assert!(shown.contains(&"opened true 2".to_owned()));
    assert_eq!(conversation.go_on().await.unwrap().text, "I will look");
    assert_eq!(world.tools.runs.lock().unwrap().as_slice(), ["a"]);
    let events = world.events();
    assert_eq!(events.iter().filter(|event| *event == "session.resumed").count(), 1);
    // Once more, and nothing is left to tell
    world.chat().resume("s1", None).await.unwrap();
    assert_eq!(world.lines().len(), 5);
}

/// A call that waits for its permission, of the main agent or of a sub-agent, has not run.
#[tokio::test]
async fn a_call_that_waits_for_its_permission_has_not_run() {
    const CUT: &str = "not run: the process ended before this began. Ask for it again if it is still needed";
    let world = World::playing([Answer::call("a", "ask", json!({})), Answer::text("fine")]);
    let (_chat, conversation) = world.begin().await;
    polled(conversation.send("do it"), 200);
    drop(conversation);
    world.chat().resume("s1", None).await.unwrap();
    assert_eq!(world.lines()[2..], [format!("tool: a!={CUT}")]);
    let told = |what: &str| world.shown().iter().filter(|line| line.starts_with(what)).count();
    assert_eq!((told("not run a"), told("unknown")), (1, 0));

    let task = Answer::call("t", "task", json!({"role": "explore", "prompt": "look"}));
    let world = World::playing([task, Answer::call("a", "ask", json!({}))]).with(|it| it.roles = vec![role("explore")]);
    let (_chat, conversation) = world.begin().await;
    polled(conversation.send("do it"), 300);
    drop(conversation);
    world.chat().resume("s1", None).await.unwrap();
    let lines = history(&world);
    assert!(lines.contains(&format!("tool: a!={CUT}")), "{lines:#?}");
    assert!(lines.iter().any(|line| line.starts_with("tool: t!=outcome unknown")), "{lines:#?}");
}
