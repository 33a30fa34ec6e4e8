use std::sync::atomic::{AtomicUsize, Ordering};

use mimir_chat::{Compaction, EndReason};
use mimir_plugins::EventName;
use mimir_shared_providers::{ChatRequest, ProviderError, Role};
use serde_json::{Value, json};

use super::world::{Answer, Reply, World, line};

fn is_summary(request: &ChatRequest) -> bool {
    request.messages[0].role == Role::System && line(&request.messages[0]).contains("sum up conversations")
}

/// Ten calls, then it is done; 10 tokens a message. Summed up at `threshold`.
fn world(threshold: u64, summary: impl Fn(&ChatRequest) -> Answer + Send + Sync + 'static) -> World {
    let turns = AtomicUsize::new(0);
    let world = World::new(move |request, _| {
        if is_summary(request) {
            return summary(request);
        }
        let number = turns.fetch_add(1, Ordering::Relaxed);
        if number < 10 {
            Answer::call(&format!("n{number}"), "bash", json!({"n": number}))
        } else {
            Answer::text("done")
        }
    });
    world.with(|it| it.compaction = Compaction { enabled: true, threshold_tokens: threshold, keep_messages: 3 })
}

#[tokio::test]
async fn a_long_conversation_is_summed_up_on_its_own() {
    let world = world(300, |_| Answer::text("what happened"));
    world.model.tokens_a_message.store(30, Ordering::Relaxed);
    world.on(|event, payload| {
        (event == EventName::SessionCompacting).then(|| {
            let mut payload = payload.clone();
            payload["context"] = json!(["keep this word by word", "and this"]);
            payload["instructions"] = json!("mind the tests");
            Reply::Changes(payload)
        })
    });
    let (_chat, conversation) = world.begin().await;
    let ended = conversation.send("do it").await.unwrap();
    assert_eq!(ended.reason, EndReason::Completed);

    let compacting = world.payloads(EventName::SessionCompacting);
    let compacted = world.payloads(EventName::SessionCompacted);
    assert!(!compacting.is_empty() && compacting.len() == compacted.len());
    assert_eq!((&compacting[0]["trigger"], &compacting[0]["sessionId"]), (&json!("auto"), &json!("s1")));
    let (before, after) =
        (compacted[0]["tokensBefore"].as_u64().unwrap(), compacted[0]["tokensAfter"].as_u64().unwrap());
    assert!(before >= 300 && after < 200, "{before} {after}");
    let lines = world.lines();
    assert_eq!(
        lines[0],
        "user: The conversation so far, summed up:\n\nwhat happened\n\nkeep this word by word\n\nand this"
    );
    assert!(lines[1].starts_with("assistant: bash("), "no result without its call: {lines:#?}");
    let requests = world.model.requests.lock().unwrap();
    let asked = requests.iter().find(|request| is_summary(request)).unwrap();
    assert!(line(&asked.messages[1]).ends_with("Heed this as well:\nmind the tests") && asked.tools.is_empty());
    drop(requests);
    let chat: Vec<Value> =
        world.payloads(EventName::ChatMessage).iter().map(|event| event["purpose"].clone()).collect();
    assert!(chat.contains(&json!("compaction")), "plugins see what is sent to be summed up");
    let history = world.store.history_now("s1");
    assert_eq!(history.iter().filter(|stored| line(&stored.message).starts_with("assistant: bash")).count(), 10);
    assert!(!world.shown().contains(&"text what happened".to_owned()), "a summary is not the agent's answer");
}

type Prepare = fn(&World);

#[tokio::test]
async fn what_can_not_be_summed_up_stays_and_goes_on() {
    let no_key = || Answer::Fails(ProviderError::NoCredentials { provider: "fake".to_owned() });
    let cases: [(&str, Prepare); 3] = [
        ("gave no answer", |_| {}),
        ("the plugin guard does not let it be summed up: not now", |world| {
            world.on(|event, _| (event == EventName::SessionCompacting).then_some(Reply::Blocks("not now")));
        }),
        ("a secret", |world| {
            world.on(|event, payload| {
                let is_it = event == EventName::ChatMessage && payload["purpose"] == "compaction";
                is_it.then_some(Reply::Blocks("a secret"))
            });
        }),
    ];
    for (words, prepare) in cases {
        let world = world(100, move |_| no_key());
        prepare(&world);
        let (_chat, conversation) = world.begin().await;
        assert_eq!(conversation.send("do it").await.unwrap().reason, EndReason::Completed);
        assert_eq!(world.lines().len(), 22, "all is as it was: {words}");
        assert!(world.payloads(EventName::SessionCompacted).is_empty());
        let said = world.shown().iter().filter(|line| line.starts_with("notice") && line.contains(words)).count();
        assert!((1..10).contains(&said), "said {said} times, and not with every request: {words}");
    }
}

#[tokio::test]
async fn by_command() {
    let world = World::new(|request, _| Answer::text(if is_summary(request) { "short" } else { "ok" }));
    let world = world.with(|it| it.compaction.keep_messages = 2);
    let (_chat, conversation) = world.begin().await;
    assert_eq!(conversation.send("/compact").await.unwrap().reason, EndReason::Command { success: false });
    for words in ["one", "two", "three"] {
        conversation.send(words).await.unwrap();
    }
    let ended = conversation.send("/compact the names").await.unwrap();
    assert_eq!(ended.reason, EndReason::Command { success: true });
    assert_eq!(world.lines(), ["user: The conversation so far, summed up:\n\nshort", "user: three", "assistant: ok"]);
    let compacting = &world.payloads(EventName::SessionCompacting)[0];
    assert_eq!((&compacting["trigger"], &compacting["instructions"]), (&json!("manual"), &json!("the names")));
    assert_eq!(compacting["messageCount"], 6);
    assert!(
        world.shown().contains(&"/compact the conversation has 30 tokens instead of 55".to_owned()),
        "{:#?}",
        world.shown()
    );
    // What was summed up alone is not summed up again
    conversation.send("/compact").await.unwrap();
    assert!(world.shown().contains(&"/compact! there is nothing to sum up yet".to_owned()));
    assert_eq!(conversation.go_on().await.unwrap().reason, EndReason::Nothing);
}

#[tokio::test]
async fn a_plan_outlives_it_word_by_word() {
    let world = World::new(|request, number| match number {
        _ if is_summary(request) => Answer::text("short"),
        0 => Answer::call("n0", "bash", json!({"n": 0})),
        _ => Answer::text("ok"),
    });
    let world = world.with(|it| {
        it.compaction.keep_messages = 1;
        it.carried_tools = vec!["bash".to_owned()];
    });
    let (_chat, conversation) = world.begin().await;
    for words in ["one", "two", "/compact", "three", "four", "/compact"] {
        conversation.send(words).await.unwrap();
        if words == "/compact" {
            let summary = world.lines()[0].clone();
            let expected = "user: The conversation so far, summed up:\n\nshort\n\nWhat `bash` gave last:\n";
            assert!(summary.starts_with(expected) && summary.len() > expected.len(), "{summary}");
        }
    }
}

#[tokio::test]
async fn a_model_that_reads_less_than_thought() {
    let world = World::new(|request, number| {
        if is_summary(request) {
            return Answer::text("short");
        }
        if request.messages.len() > 6 {
            let message = "prompt is too long: 210 tokens > 200 maximum".to_owned();
            return Answer::Fails(ProviderError::Rejected { provider: "fake".to_owned(), status: 400, message });
        }
        if number < 5 {
            Answer::call(&format!("n{number}"), "bash", json!({"n": number}))
        } else {
            Answer::text("done")
        }
    });
    let world = world.with(|it| it.compaction.keep_messages = 2);
    let (_chat, conversation) = world.begin().await;
    assert_eq!(conversation.send("do it").await.unwrap().text, "done");
    assert_eq!(world.payloads(EventName::SessionCompacted).len(), 1);
}
