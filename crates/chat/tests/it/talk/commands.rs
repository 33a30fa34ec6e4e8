use mimir_chat::{EndReason, builtin_commands};
use mimir_plugins::EventName;
use serde_json::{Value, json};

use super::world::{Answer, World};

/// What was said to a command.
async fn said(world: &World, conversation: &mimir_chat::Conversation, command: &str) -> String {
    conversation.send(command).await.unwrap();
    let shown = world.shown();
    let said = shown.iter().rev().find(|line| line.starts_with('/')).unwrap();
    said.split_once(' ').unwrap().1.to_owned()
}

/// Answers everything with a number.
fn counting() -> World {
    World::new(|_, number| Answer::text(["zero", "one", "two", "three", "four"][number]))
}

#[tokio::test]
async fn every_command_is_told_to_plugins() {
    let world = counting();
    let (_chat, conversation) = world.begin().await;
    for (command, success) in [
        ("/help", true),
        ("/compact", false),
        ("/cost", true),
        ("/cost week", false),
        ("/cost day much", false),
        ("/context", true),
        ("/model", true),
        ("/plugins", true),
        ("/clear", true),
        ("/resume", true),
        ("/resume s9", false),
        ("/resume s1", false),
        ("/undo", false),
        ("/edit", false),
        ("/edit this", false),
        ("/note this and that", true),
        ("/note", false),
        ("/hepl", false),
    ] {
        let ended = conversation.send(command).await.unwrap();
        assert_eq!(ended.reason, EndReason::Command { success }, "{command}");
    }
    let told = world.payloads(EventName::SlashCommandExecuted);
    assert_eq!(told.len(), 18);
    assert_eq!((&told[15]["name"], &told[15]["args"]), (&json!("note"), &json!(["this", "and", "that"])));
    assert!(world.model.requests.lock().unwrap().is_empty(), "no model is asked");
    assert!(world.lines().is_empty());
    assert!(world.shown().contains(&"/hepl! there is no command `/hepl`; did you mean `/help`?".to_owned()));
}

#[tokio::test]
async fn what_they_say() {
    let world = counting().with(|it| {
        it.system = vec!["be good".to_owned()];
        it.budget.day = Some(2.0);
    });
    let (_chat, conversation) = world.begin().await;
    let help = said(&world, &conversation, "/help").await;
    for command in builtin_commands() {
        assert!(help.contains(&format!("/{}", command.name)), "{help}");
    }
    assert!(help.contains("Does review. Also /rv. (the plugin guard)"), "{help}");
    assert!(!help.contains("Does undo."), "a plugin's command does not hide a built-in one: {help}");
    conversation.send("hello").await.unwrap();
    let cost = said(&world, &conversation, "/cost").await;
    assert_eq!(cost, "this session  $0.0250\ntoday (UTC)   $0.0250 of $2.00\ntokens        20 in, 5 out");
    let context = said(&world, &conversation, "/context").await;
    let lines: Vec<&str> = context.lines().collect();
    assert!(lines[1].ends_with("2 messages") && lines[2].ends_with("7 tools"), "{context}");
    assert!(lines[3].contains("30 tokens of 150,000"), "{context}");
    let plugins = said(&world, &conversation, "/plugins").await;
    assert_eq!(plugins, "guard 1.0.0: active; blocked 2 calls\nguard 1.0.0: active; did nothing yet");
    assert_eq!(said(&world, &conversation, "/model fake/other").await, "the next answer is that of fake/other");
    let refused = said(&world, &conversation, "/model faek/other").await;
    assert_eq!(refused, "there is no faek/other: did you mean fake/faek/other?");
    conversation.send("hello").await.unwrap();
    assert_eq!(world.model.requests.lock().unwrap()[1].model, "fake/other", "what can't be asked changes nothing");
}

#[tokio::test]
async fn undo_takes_the_last_exchange_back() {
    let world = counting();
    let (_chat, conversation) = world.begin().await;
    conversation.send("first").await.unwrap();
    conversation.send("second").await.unwrap();
    let text = said(&world, &conversation, "/undo").await;
    assert_eq!(text, "removed 2 messages, from “second” on. Files that were changed since are not restored");
    assert_eq!(world.lines(), ["user: first", "assistant: zero"]);
    let removed = world.payloads(EventName::MessageRemoved);
    let removed: Vec<&Value> = removed.iter().map(|event| &event["message"]["content"]).collect();
    assert_eq!(removed, ["second", "one"]);
    said(&world, &conversation, "/undo").await;
    assert!(world.lines().is_empty());
    assert!(said(&world, &conversation, "/undo").await.starts_with("there is nothing to undo"));
}

#[tokio::test]
async fn edit_changes_what_was_said_and_asks_again() {
    let world = counting();
    let (_chat, conversation) = world.begin().await;
    conversation.send("first").await.unwrap();
    conversation.send("secnod").await.unwrap();
    let ended = conversation.send("/edit second\nand more").await.unwrap();
    assert_eq!((ended.reason, ended.text.as_str()), (EndReason::Completed, "two"));
    assert_eq!(world.lines(), ["user: first", "assistant: zero", "user: second\nand more", "assistant: two"]);
    assert_eq!(world.payloads(EventName::MessageUpdated)[0]["message"]["content"], "second\nand more");
    assert_eq!(world.payloads(EventName::MessageRemoved)[0]["message"]["content"], "one");
}

#[tokio::test]
async fn clear_forgets_and_keeps_the_history() {
    let world = counting();
    let (_chat, conversation) = world.begin().await;
    conversation.send("first").await.unwrap();
    conversation.send("/clear").await.unwrap();
    assert_eq!(world.payloads(EventName::MessageRemoved).len(), 2);
    assert_eq!(conversation.go_on().await.unwrap().reason, EndReason::Nothing);
    conversation.send("second").await.unwrap();
    assert_eq!(world.sent(1), ["user: second"], "the model reads nothing of before");
    assert_eq!(world.store.history_now("s1").len(), 5);
    conversation.send("/clear").await.unwrap();
    assert_eq!(said(&world, &conversation, "/clear").await, "there is nothing to forget yet");
}

#[tokio::test]
async fn resume_turns_to_another_session() {
    let world = counting();
    let chat = world.chat();
    let other = chat.create("the other one", None).await.unwrap();
    other.send("first").await.unwrap();
    other.close().await;
    let conversation = chat.create("this one", None).await.unwrap();
    let list = said(&world, &conversation, "/resume").await;
    assert!(
        list.contains("s1  the other one") && list.contains("s2  this one") && list.contains("(this one)"),
        "{list}"
    );
    conversation.send("/resume s1").await.unwrap();
    assert_eq!(conversation.session().id, "s1");
    conversation.send("second").await.unwrap();
    assert_eq!(world.lines(), ["user: first", "assistant: zero", "user: second", "assistant: one"]);
    assert_eq!(world.payloads(EventName::SessionResumed).len(), 1);
    let exits = world.payloads(EventName::SessionIdle);
    assert!(exits.iter().any(|event| event["reason"] == "exit" && event["sessionId"] == "s2"));
    assert!(chat.resume("s2", None).await.is_ok(), "it was let go of");
}

#[tokio::test]
async fn commands_from_outside() {
    let world = counting();
    let (_chat, conversation) = world.begin().await;
    let ended = conversation.send("/rv the parser").await.unwrap();
    assert_eq!((ended.reason, ended.text.as_str()), (EndReason::Completed, "zero"));
    assert_eq!(world.lines(), ["user: review the parser well", "assistant: zero"]);
    assert_eq!(world.payloads(EventName::MessageAdded)[0]["message"]["command"], "/rv the parser");
    assert_eq!(said(&world, &conversation, "/note it").await, "noted it");
    // What looks like a path is no command
    conversation.send("/etc/hosts is wrong").await.unwrap();
    assert_eq!(world.lines()[2], "user: /etc/hosts is wrong");
}
