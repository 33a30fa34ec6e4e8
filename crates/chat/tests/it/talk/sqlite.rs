//! The same over the store that people have.

use std::sync::Arc;

use mimir_chat::{Chat, ChatError, EndReason, SessionStore, SqliteSessions};
use mimir_shared_providers::{ChatRequest, Role};
use serde_json::json;

use super::agents::role;
use super::world::{Answer, World, line};
use crate::store::Place;

/// A sub-agent, then a call that never ends; whoever reads that it was cut is done.
fn plays(request: &ChatRequest, number: usize) -> Answer {
    let lines: Vec<String> = request.messages.iter().map(line).collect();
    if lines[0].contains("sum up conversations") {
        return Answer::text("in short");
    }
    if lines.iter().any(|line| line.ends_with("explore well")) {
        return if lines.len() == 2 { Answer::call("call_0", "bash", json!({})) } else { Answer::text("found") };
    }
    match lines.last().unwrap().as_str() {
        "user: do it" => Answer::call("call_0", "task", json!({"role": "explore", "prompt": "look"})),
        last if last.ends_with("=found") => Answer::call("call_0", "hang", json!({})),
        last if last.contains("outcome unknown") => Answer::text("I will look"),
        _ => Answer::text(["a", "b", "c", "d"][number % 4]),
    }
}

fn chat(world: &World, store: &Arc<SqliteSessions>) -> Chat {
    world.chat_on(Arc::clone(store) as _)
}

#[tokio::test]
async fn a_session_goes_on_in_another_process() {
    let place = Place::new();
    let world = World::new(plays).with(|it| {
        it.roles = vec![role("explore")];
        it.compaction.keep_messages = 2;
    });
    let store = Arc::new(place.store().await);
    let first = chat(&world, &store);
    let conversation = first.create("", None).await.unwrap();
    let id = conversation.session().id;
    let sending = tokio::spawn({
        let conversation = conversation.clone();
        async move { conversation.send("do it").await }
    });
    while world.tools.runs.lock().unwrap().len() < 3 {
        tokio::task::yield_now().await;
    }
    sending.abort();
    assert!(sending.await.unwrap_err().is_cancelled());
    assert!(matches!(first.resume(&id, None).await, Err(ChatError::AlreadyOpen { .. })));
    drop((conversation, first));
    Arc::into_inner(store).unwrap().shutdown().await;

    let store = Arc::new(place.store().await);
    let conversation = chat(&world, &store).resume(&id[..4], None).await.unwrap();
    assert_eq!(conversation.session().title, "do it");
    assert_eq!(conversation.go_on().await.unwrap().text, "I will look");
    let exported = store.export(&id).await.unwrap();
    let lines: Vec<String> = exported.messages.iter().map(|stored| line(&stored.message)).collect();
    assert_eq!(lines.iter().filter(|line| line.contains("outcome unknown")).count(), 1, "{lines:#?}");
    let states: Vec<(bool, bool)> = exported.calls.iter().map(|call| (call.is_cut, call.outcome.is_some())).collect();
    assert_eq!(states, [(false, true), (false, true), (true, false)]);
    assert_eq!((exported.agents.len(), &exported.agents[0].error), (1, &None));

    for words in ["one", "two", "three"] {
        conversation.send(words).await.unwrap();
    }
    let command = |success| EndReason::Command { success };
    assert_eq!(conversation.send("/compact").await.unwrap().reason, command(true));
    assert_eq!(conversation.send("/undo").await.unwrap().reason, command(true));
    assert_eq!(conversation.send("/undo").await.unwrap().reason, command(false), "it is summed up");
    conversation.send("four").await.unwrap();
    assert_eq!(conversation.send("/edit five").await.unwrap().reason, EndReason::Completed);
    let now = store.conversation(&id, None).await.unwrap();
    let lines: Vec<String> = now.iter().map(|stored| line(&stored.message)).collect();
    assert_eq!(lines[..2], ["user: The conversation so far, summed up:\n\nin short", "user: five"]);
    assert_eq!(lines.len(), 3);
    assert_eq!(conversation.send("/clear").await.unwrap().reason, command(true));
    conversation.send("six").await.unwrap();
    let sent = world.model.requests.lock().unwrap().last().unwrap().messages.clone();
    assert_eq!(sent.iter().map(line).collect::<Vec<_>>(), ["user: six"]);
    assert!(sent.iter().all(|message| message.role == Role::User));
    conversation.close().await;
    assert!(conversation.send("seven").await.is_err(), "it is closed");
}
