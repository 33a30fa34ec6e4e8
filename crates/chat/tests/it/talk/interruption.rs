use mimir_chat::{Conversation, EndReason};
use mimir_plugins::EventName;
use serde_json::json;

use super::world::{Answer, Reply, World};

/// Lets `send` go on until it has nothing to do but wait, then interrupts it.
async fn interrupted(conversation: &Conversation) {
    let sending = tokio::spawn({
        let conversation = conversation.clone();
        async move { conversation.send("do it").await }
    });
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
    assert!(!sending.is_finished(), "it waits for something");
    conversation.interrupt();
    let ended = sending.await.unwrap().unwrap();
    assert_eq!(ended.reason, EndReason::Interrupted);
}

/// Plays `answers` until the last of them waits, interrupts, and compares what is stored; then says something else.
async fn check(world: World, expected: &[&str]) -> World {
    let (_chat, conversation) = world.begin().await;
    interrupted(&conversation).await;
    assert_eq!(world.lines(), expected);
    assert_eq!(world.payloads(EventName::SessionIdle)[0]["reason"], "waiting");
    assert!(world.shown().contains(&"interrupted".to_owned()));
    *world.plugins.replies.lock().unwrap() = None;
    assert_eq!(conversation.send("go on").await.unwrap().text, "fine", "the session stays usable");
    assert_eq!(conversation.session().id, "s1");
    world
}

fn playing(answers: Vec<Answer>) -> World {
    World::playing(answers.into_iter().chain([Answer::text("fine")]))
}

#[tokio::test]
async fn what_the_model_said_is_kept() {
    let world = check(playing(vec![Answer::Hangs("half a")]), &["user: do it", "assistant: half a"]).await;
    let added = world.payloads(EventName::MessageAdded);
    assert_eq!(added[1]["message"]["interrupted"], true);
    assert!(world.sent(1).contains(&"assistant: half a".to_owned()));
    assert!(!world.payloads(EventName::CostUpdated).is_empty(), "what it said costs something");
    check(playing(vec![Answer::Hangs("")]), &["user: do it"]).await;
}

#[tokio::test]
async fn every_call_has_a_result() {
    let calls = [("a", "bash"), ("b", "hang"), ("c", "bash")];
    let calls = calls.map(|(id, tool)| (id.to_owned(), tool.to_owned(), json!({}))).to_vec();
    let expected = [
        "user: do it",
        "assistant: bash(a) hang(b) bash(c)",
        "tool: a=bash ran",
        "tool: b!=interrupted by the person; it may or may not have had an effect",
        "tool: c!=not run: the person interrupted before this began",
    ];
    let world = check(playing(vec![Answer::Says(Vec::new(), calls)]), &expected).await;
    assert_eq!(world.tools.runs.lock().unwrap().as_slice(), ["a", "b"]);
}

#[tokio::test]
async fn an_open_question_is_answered_by_nothing() {
    let calls = [("a", "bash"), ("b", "ask")];
    let calls = calls.map(|(id, tool)| (id.to_owned(), tool.to_owned(), json!({}))).to_vec();
    let expected = [
        "user: do it",
        "assistant: bash(a) ask(b)",
        "tool: a=bash ran",
        "tool: b!=not run: the person interrupted before this began",
    ];
    let world = check(playing(vec![Answer::Says(Vec::new(), calls)]), &expected).await;
    assert!(world.shown().contains(&"not run b".to_owned()));
    assert_eq!(world.store.begun("s1").len(), 1);
}

#[tokio::test]
async fn a_wait_and_a_plugin_are_interrupted() {
    let limited = mimir_shared_providers::ProviderError::RateLimited {
        provider: "fake".to_owned(),
        retry_after: Some(std::time::Duration::from_secs(200)),
    };
    check(playing(vec![Answer::Fails(limited)]), &["user: do it"]).await;

    let world = World::playing([Answer::text("fine")]);
    world.on(|event, _| (event == EventName::ChatMessage).then_some(Reply::Hangs));
    check(world, &["user: do it"]).await;
}

#[tokio::test]
async fn sub_agents_are_interrupted_with_what_they_work_for() {
    let world = playing(vec![
        Answer::call("t", "task", json!({"role": "explore", "prompt": "look"})),
        Answer::call("h", "hang", json!({})),
    ]);
    let world = world.with(|it| it.roles = vec![super::agents::role("explore")]);
    let expected = [
        "user: do it",
        "assistant: task(t)",
        "tool: t!=interrupted by the person; it may or may not have had an effect",
    ];
    let world = check(world, &expected).await;
    let failed = world.payloads(EventName::AgentFailed);
    assert_eq!(failed[0]["error"]["message"], "interrupted");
    assert_eq!(world.store.agents("s1"), [Some(Some("interrupted".to_owned()))]);
    let agent = failed[0]["agent"]["id"].as_str().unwrap().to_owned();
    let its: Vec<String> = world.store.messages("s1", Some(&agent)).iter().map(super::world::line).collect();
    assert_eq!(its[2], "tool: h!=interrupted by the person; it may or may not have had an effect");
}

#[tokio::test]
async fn an_interruption_of_nothing_changes_nothing() {
    let world = World::playing([Answer::text("fine")]);
    let (_chat, conversation) = world.begin().await;
    conversation.interrupt();
    assert_eq!(conversation.send("do it").await.unwrap().reason, EndReason::Completed);
}
