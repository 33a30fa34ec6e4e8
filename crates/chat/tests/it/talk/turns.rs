use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use mimir_chat::{Budget, EndReason, StoredSessions};
use mimir_plugins::{EventName, SessionView as _};
use mimir_shared_providers::{ProviderError, StopReason};
use serde_json::{Value, json};

use super::agents::role;
use super::world::{Answer, Reply, World, line};

/// Plays `answers` to one task, and compares what is stored in the end.
async fn check(answers: Vec<Answer>, expected: &[&str], reason: EndReason) -> World {
    check_in(World::playing(answers), expected, reason).await
}

async fn check_in(world: World, expected: &[&str], reason: EndReason) -> World {
    let (_chat, conversation) = world.begin().await;
    let ended = conversation.send("do it").await.unwrap();
    assert_eq!(world.lines(), expected);
    assert_eq!(ended.reason, reason);
    world
}

fn asks(calls: &[(&str, &str)]) -> Answer {
    let calls = calls.iter().map(|(id, tool)| ((*id).to_owned(), (*tool).to_owned(), json!({}))).collect();
    Answer::Says(vec!["let me"], calls)
}

#[tokio::test]
async fn a_task_without_tools() {
    let answers = vec![Answer::Says(vec!["he", "llo"], Vec::new())];
    let world = check(answers, &["user: do it", "assistant: hello"], EndReason::Completed).await;
    let shown =
        ["opened false 0", "user do it", "asking fake/m", "text he", "text llo", "cost 0.015 0.015", "answered hello"];
    assert_eq!(world.shown(), shown);
    let events = ["session.created", "message.added", "chat.message", "cost.updated", "message.added", "session.idle"];
    assert_eq!(world.events(), events);
    let idle = &world.payloads(EventName::SessionIdle)[0];
    assert_eq!(
        (&idle["reason"], &idle["session"]["id"], &idle["sessionId"]),
        (&json!("completed"), &json!("s1"), &json!("s1"))
    );
    let cost = &world.payloads(EventName::CostUpdated)[0];
    assert_eq!(
        (&cost["inputTokens"], &cost["outputTokens"], &cost["model"]),
        (&json!(10), &json!(5), &json!("fake/m"))
    );
}

#[tokio::test]
async fn tools_run_in_order_and_those_that_read_at_once() {
    let first = asks(&[("a", "read"), ("b", "list"), ("c", "bash"), ("d", "bash"), ("e", "read")]);
    let world = check(
        vec![first, Answer::text("done")],
        &[
            "user: do it",
            "assistant: let me read(a) list(b) bash(c) bash(d) read(e)",
            "tool: a=read ran",
            "tool: b=list ran",
            "tool: c=bash ran",
            "tool: d=bash ran",
            "tool: e=read ran",
            "assistant: done",
        ],
        EndReason::Completed,
    )
    .await;
    assert_eq!(world.tools.most_at_once.load(Ordering::Relaxed), 2);
    let shown: Vec<String> =
        world.shown().into_iter().filter(|it| it.contains("started") || it.contains("ended")).collect();
    let expected = [
        "started a",
        "started b",
        "ended a",
        "ended b",
        "started c",
        "ended c",
        "started d",
        "ended d",
        "started e",
        "ended e",
    ];
    assert_eq!(shown, expected);
    assert_eq!(world.payloads(EventName::MessageAdded).len(), 8);
}

#[tokio::test]
async fn no_more_run_at_once_than_may() {
    let ids: Vec<String> = (0..20).map(|number| format!("r{number}")).collect();
    let calls: Vec<(&str, &str)> = ids.iter().map(|id| (id.as_str(), "read")).collect();
    let world = World::playing([asks(&calls), Answer::text("done")]).with(|it| it.calls_at_once = 3);
    let (_chat, conversation) = world.begin().await;
    conversation.send("do it").await.unwrap();
    assert_eq!(world.tools.most_at_once.load(Ordering::Relaxed), 3);
    assert_eq!(world.lines().len(), 23);
}

#[tokio::test]
async fn calls_get_names_of_their_own() {
    let world = check(
        vec![
            asks(&[("call_0", "bash"), ("call_0", "bash"), ("", "bash")]),
            asks(&[("call_0", "bash"), ("ü", "bash")]),
            Answer::text("done"),
        ],
        &[
            "user: do it",
            "assistant: let me bash(call_0) bash(call-2) bash(call-3)",
            "tool: call_0=bash ran",
            "tool: call-2=bash ran",
            "tool: call-3=bash ran",
            "assistant: let me bash(call-4) bash(call-5)",
            "tool: call-4=bash ran",
            "tool: call-5=bash ran",
            "assistant: done",
        ],
        EndReason::Completed,
    )
    .await;
    assert!(world.runs().values().all(|&times| times == 1));
    // And in a later process
    let conversation = world.chat().resume("s1", None).await.unwrap();
    assert_eq!(conversation.session().id, "s1");
}

#[tokio::test]
async fn how_it_ends() {
    let cut = vec![Answer::Stops("half of", StopReason::MaxTokens)];
    let world = check(cut, &["user: do it", "assistant: half of"], EndReason::Truncated).await;
    assert!(world.shown().iter().any(|line| line.contains("cut at the limit of 16384")));
    let refused = vec![Answer::Stops("no", StopReason::Refused)];
    let world = check(refused, &["user: do it", "assistant: no"], EndReason::Refused).await;
    assert_eq!(world.payloads(EventName::SessionIdle)[0]["reason"], "waiting");

    let world = World::new(|_, number| Answer::call(&format!("n{number}"), "bash", json!({"n": number})));
    let world = world.with(|it| it.max_turns = 3);
    let (_chat, conversation) = world.begin().await;
    let ended = conversation.send("do it").await.unwrap();
    assert_eq!((ended.reason, ended.turns), (EndReason::TurnLimit { turns: 3 }, 3));
}

#[tokio::test]
async fn the_same_again_and_again_is_told_to_the_model_once() {
    let world = World::new(|_, number| match number {
        0..12 => Answer::call(&format!("n{number}"), "bash", json!({"command": "ls"})),
        _ => Answer::text("done"),
    });
    let (_chat, conversation) = world.begin().await;
    conversation.send("do it").await.unwrap();
    let lines = world.lines();
    let notices: Vec<usize> = (0..lines.len()).filter(|&at| lines[at].contains("5 times in a row")).collect();
    assert_eq!(notices, [11], "after the fifth result");
}

#[tokio::test]
async fn a_long_result_is_cut() {
    let world = World::playing([asks(&[("a", "bash")]), Answer::text("done")]).with(|it| it.max_result_bytes = 100);
    *world.tools.result.lock().unwrap() = Some(json!({"stdout": "x".repeat(5_000)}));
    let (_chat, conversation) = world.begin().await;
    conversation.send("do it").await.unwrap();
    let result = &world.lines()[2];
    assert!(result.len() < 200 && result.contains("more bytes were cut"), "{result}");
}

#[tokio::test]
async fn plugins_change_what_is_sent_and_not_what_is_stored() {
    let world =
        World::playing([asks(&[("a", "bash")]), Answer::text("done")]).with(|it| it.system = vec!["be good".into()]);
    world.on(|event, payload| {
        (event == EventName::ChatMessage).then(|| {
            let mut payload = payload.clone();
            let messages = payload["messages"].as_array_mut().unwrap();
            // A careless plugin: it puts something between a call and its result
            messages.insert(messages.len().min(3), json!({"role": "user", "content": "by a plugin"}));
            Reply::Changes(payload)
        })
    });
    let (_chat, conversation) = world.begin().await;
    conversation.send("do it").await.unwrap();
    assert_eq!(world.sent(0), ["system: be good", "user: do it", "user: by a plugin"]);
    let second =
        ["system: be good", "user: do it", "assistant: let me bash(a)", "tool: a=bash ran", "user: by a plugin"];
    assert_eq!(world.sent(1), second);
    assert_eq!(world.lines(), ["user: do it", "assistant: let me bash(a)", "tool: a=bash ran", "assistant: done"]);
}

#[tokio::test]
async fn plugins_block_what_would_be_sent() {
    let world = World::playing([]);
    world.on(|event, _| (event == EventName::ChatMessage).then_some(Reply::Blocks("a secret")));
    let (_chat, conversation) = world.begin().await;
    let ended = conversation.send("do it").await.unwrap();
    assert!(matches!(ended.reason, EndReason::Blocked { by: Some(_), reason } if reason == "a secret"));
    assert_eq!(world.lines(), ["user: do it"]);
    assert!(world.shown().contains(&"blocked a secret".to_owned()));
}

#[tokio::test]
async fn a_session_is_named_by_its_first_words() {
    let world = World::playing([Answer::text("ok")]);
    let chat = world.chat();
    let conversation = chat.create("", None).await.unwrap();
    conversation.send("  fix\nthe \u{1b}[31m thing  ").await.unwrap();
    assert_eq!(conversation.session().title, "fix the [31m thing");
    assert_eq!(chat.sessions().await.unwrap()[0].title, "fix the [31m thing");
}

#[tokio::test]
async fn plugins_see_the_stored_session() {
    let world = World::playing([Answer::text("ok")]);
    let (_chat, conversation) = world.begin().await;
    conversation.send("do it").await.unwrap();
    let view = StoredSessions::new(Arc::clone(&world.store) as _);
    let session = view.session("s1").await.unwrap().unwrap();
    assert_eq!((session.id.as_str(), &session.metadata["title"]), ("s1", &Value::from("a test")));
    assert_eq!(view.messages("s1").await.unwrap().unwrap().len(), 2);
    assert!(view.session("s9").await.unwrap().is_none());
}

#[tokio::test]
async fn a_call_that_is_refused_never_began() {
    let answers = vec![asks(&[("a", "read"), ("b", "forbidden")]), Answer::text("done")];
    let expected = [
        "user: do it",
        "assistant: let me read(a) forbidden(b)",
        "tool: a=read ran",
        "tool: b!=not allowed",
        "assistant: done",
    ];
    let world = check(answers, &expected, EndReason::Completed).await;
    assert_eq!(world.store.begun("s1").into_iter().collect::<Vec<_>>(), ["a"]);
}

#[tokio::test]
async fn nothing_is_said_that_can_not_be_stored() {
    let world = World::playing([]);
    let (_chat, conversation) = world.begin().await;
    world.store.fail(true);
    let error = conversation.send("do it").await.unwrap_err();
    assert_eq!(error.in_one_line(), "the sessions can't be written: the disk is full");
    assert!(world.model.requests.lock().unwrap().is_empty());
    assert_eq!(world.events(), ["session.created", "session.error", "session.idle"]);
    conversation.close().await;
    assert_eq!(world.payloads(EventName::SessionIdle)[1]["reason"], "exit");
}

#[tokio::test]
async fn every_event_of_a_conversation_is_raised_by_what_happens() {
    let world = World::new(|request, number| {
        let is_agent = line(&request.messages[0]).ends_with("well");
        match number {
            0 => Answer::call("t", "task", json!({"role": "explore", "prompt": "look"})),
            1 => Answer::call("t", "bash", json!({})),
            2 if is_agent => Answer::text("found"),
            4 => Answer::Fails(ProviderError::NoCredentials { provider: "fake".to_owned() }),
            6 => Answer::call("u", "task", json!({"role": "explore", "prompt": "look"})),
            7 => Answer::text(""),
            _ => Answer::text("ok"),
        }
    });
    let world = world.with(|it| {
        it.roles = vec![role("explore")];
        it.compaction.keep_messages = 1;
        it.budget = Budget { enabled: false, session: Some(0.01), ..Budget::default() };
    });
    let (_chat, conversation) = world.begin().await;
    conversation.send("do it").await.unwrap();
    conversation.send("fails").await.unwrap_err();
    conversation.send("/edit more").await.unwrap();
    conversation.send("again").await.unwrap();
    conversation.send("/undo").await.unwrap();
    conversation.send("/compact").await.unwrap();
    conversation.close().await;
    drop(conversation);
    world.chat().resume("s1", None).await.unwrap();

    let raised: BTreeSet<String> = world.events().into_iter().collect();
    let expected = [
        "agent.completed",
        "agent.created",
        "agent.failed",
        "agent.started",
        "budget.exceeded",
        "chat.message",
        "cost.updated",
        "message.added",
        "message.removed",
        "message.updated",
        "session.compacted",
        "session.compacting",
        "session.created",
        "session.error",
        "session.idle",
        "session.resumed",
        "slash.command.executed",
    ];
    assert_eq!(raised, expected.map(str::to_owned).into());
}
