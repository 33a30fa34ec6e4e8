use std::time::Duration;

use mimir_chat::{ChatError, EndReason};
use mimir_plugins::EventName;
use mimir_shared_providers::ProviderError;

use super::world::{Answer, World};

fn limited(seconds: Option<u64>) -> Answer {
    let retry_after = seconds.map(Duration::from_secs);
    Answer::Fails(ProviderError::RateLimited { provider: "fake".to_owned(), retry_after })
}

fn rejected(status: u16, message: &str) -> Answer {
    let (provider, message) = ("fake".to_owned(), message.to_owned());
    Answer::Fails(ProviderError::Rejected { provider, status, message })
}

/// Plays `answers` and compares the waits, in milliseconds, and whether it came to an answer.
async fn check(answers: Vec<Answer>, waits: &[u64], answered: bool) -> World {
    let count = answers.len();
    let world = World::playing(answers);
    let (_chat, conversation) = world.begin().await;
    let ended = conversation.send("do it").await;
    let waited: Vec<u64> = world.waits.0.lock().unwrap().iter().map(|wait| wait.as_millis() as u64).collect();
    assert_eq!(waited, waits);
    assert_eq!(world.model.requests.lock().unwrap().len(), count, "every answer is asked for");
    match ended {
        Ok(ended) => assert_eq!((ended.reason, answered), (EndReason::Completed, true)),
        Err(error) => {
            assert!(!answered, "{error}");
            assert!(matches!(error, ChatError::Model { attempts, .. } if attempts as usize == count));
            assert_eq!(world.payloads(EventName::SessionError)[0]["error"]["name"], "ModelError");
            assert_eq!(world.payloads(EventName::SessionIdle)[0]["reason"], "waiting");
        }
    }
    world
}

#[tokio::test]
async fn asks_again_where_that_may_help() {
    check(vec![limited(None), limited(Some(7)), Answer::text("ok")], &[500, 7_000], true).await;
    check(
        vec![limited(None), limited(None), limited(None), limited(None), limited(None)],
        &[500, 1_000, 2_000, 4_000],
        false,
    )
    .await;
    check(vec![limited(Some(3_600))], &[], false).await;
    check(vec![rejected(400, "no such model")], &[], false).await;
    check(vec![rejected(400, "prompt is too long")], &[], false).await;
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_asked_for_again_and_stored_once() {
    let world = check(vec![Answer::Breaks("hel"), Answer::text("hello")], &[500], true).await;
    assert_eq!(world.lines(), ["user: do it", "assistant: hello"]);
    let shown = world.shown();
    let at = shown.iter().position(|line| line == "text hel").unwrap();
    assert!(shown[at + 1].starts_with("cost "), "half an answer costs something: {shown:#?}");
    assert_eq!(shown[at + 2], "retry 2 after 500 ms: fake can't be reached");
    assert_eq!(shown[at + 3..at + 5], ["asking fake/m", "text hello"]);
}

#[tokio::test]
async fn a_session_is_usable_after_an_error() {
    let world = World::playing([rejected(400, "no"), Answer::text("ok")]);
    let (_chat, conversation) = world.begin().await;
    let error = conversation.send("do it").await.unwrap_err();
    let words = "the model `fake/m` gave no answer: fake refused the request with status 400: no";
    assert_eq!(error.in_one_line(), words);
    assert_eq!(conversation.go_on().await.unwrap().text, "ok");
    assert_eq!(world.lines(), ["user: do it", "assistant: ok"]);
    assert_eq!(conversation.go_on().await.unwrap().reason, EndReason::Nothing);
}
