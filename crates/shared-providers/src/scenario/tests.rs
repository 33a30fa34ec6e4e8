#![allow(clippy::unwrap_used, reason = "a test that fails here should stop")]

use std::sync::Arc;

use futures::{FutureExt as _, StreamExt as _};
use serde_json::{Map, Value, json};

use super::*;
use crate::{
    ChatEvent, ChatRequest, Content, KnownPart, LlmProvider, Message, NoPause, PROVIDER_STATE, Part, ProviderError,
    Role, ToolDefinition,
};

fn model(scenario: &Value) -> ScenarioModel {
    ScenarioModel::new(Scenario::from_value(scenario.clone()).unwrap(), Arc::new(NoPause))
}

fn request(model: &str, messages: &[Message]) -> ChatRequest {
    let tool = ToolDefinition { name: "t".into(), description: "t".into(), input_schema: json!({}) };
    ChatRequest {
        model: model.to_owned(),
        messages: messages.to_vec(),
        tools: vec![tool],
        max_output_tokens: 100,
        temperature: None,
    }
}

/// Plays to the end: each answer is told as its text and its calls, each call is answered with `result`.
fn play(model: &ScenarioModel, name: &str, result: impl Fn(&str) -> (Value, bool)) -> Vec<String> {
    let mut messages = vec![Message::text(Role::User, "do it")];
    let mut told = Vec::new();
    loop {
        match model.complete(&request(name, &messages)).now_or_never().unwrap() {
            Err(error) => told.push(format!("error: {error}")),
            Ok(response) => {
                let message = response.message;
                messages.push(message.clone());
                let mut line = message.plain_text();
                let Content::Parts(parts) = &message.content else {
                    told.push(line);
                    return told;
                };
                for part in parts {
                    let Part::Known(KnownPart::ToolCall { id, name, args, .. }) = part else { continue };
                    line += &format!(" [{name} {args}]");
                    let (result, is_error) = result(name);
                    let extra = Map::new();
                    let part = KnownPart::ToolResult { call_id: id.clone(), result, is_error, extra };
                    let content = Content::Parts(vec![Part::Known(part)]);
                    messages.push(Message { content, ..Message::text(Role::Tool, "") });
                }
                told.push(line);
            }
        }
    }
}

fn check(scenario: &Value, name: &str, expected: &[&str]) {
    let told = play(&model(scenario), name, |tool| (json!({ "stdout": format!("ran {tool}") }), tool == "bad"));
    assert_eq!(told, expected, "{scenario}");
}

#[test]
fn plays_turns_loops_conditions_and_failures() {
    let bash = |command: &str| json!([{ "tool": "bash", "args": { "command": command } }]);
    check(
        &json!({ "turns": [{ "say": "first", "calls": bash("ls") }, { "say": "saw ${result.0.stdout}" }] }),
        "scripted",
        &[r#"first [bash {"command":"ls"}]"#, "saw ran bash"],
    );
    check(
        &json!({ "turns": [{ "repeat": 2, "turns": [{ "repeat": 2, "calls": bash("${j}.${i}") }] }, { "say": "x" }] }),
        "scripted",
        &[
            r#" [bash {"command":"1.1"}]"#,
            r#" [bash {"command":"1.2"}]"#,
            r#" [bash {"command":"2.1"}]"#,
            r#" [bash {"command":"2.2"}]"#,
            "x",
        ],
    );
    check(
        &json!({ "turns": [
            { "calls": [{ "tool": "bad" }] },
            { "when": { "isError": false }, "say": "good", "else": { "say": "it failed for ${user}: ${nothing}" } },
        ] }),
        "scripted",
        &[" [bad {}]", "it failed for do it: ${nothing}"],
    );
    check(
        &json!({ "turns": [{ "when": { "user": "nobody says this" }, "say": "skipped" }, { "say": "done" }] }),
        "scripted",
        &["done"],
    );
    check(
        &json!({ "turns": [{ "error": { "kind": "rateLimited", "times": 2 }, "say": "at last" }] }),
        "scripted",
        &["error: scripted asks for fewer requests", "error: scripted asks for fewer requests", "at last"],
    );
    // Blocks under a condition, and what else loops are called
    let block = json!({ "turns": [{ "repeat": 3, "as": "n", "when": { "user": "do" }, "turns": [
        { "calls": bash("${n} ${HOME}") },
        { "when": { "not": { "result": "ran" } }, "say": "never", "else": { "turns": [{ "calls": bash("else ${n}") }] } },
    ] }, { "when": { "any": [{ "user": "x" }, { "userMatches": "d?*" }] }, "say": "end" }] });
    let line =
        |n: u32| [format!(r#" [bash {{"command":"{n} ${{HOME}}"}}]"#), format!(r#" [bash {{"command":"else {n}"}}]"#)];
    let expected: Vec<String> = (1..=3).flat_map(line).chain(["end".to_owned()]).collect();
    check(&block, "scripted", &expected.iter().map(String::as_str).collect::<Vec<_>>());
    check(
        &json!({ "turns": [
            { "calls": [{ "tool": "bad" }, { "tool": "good" }] },
            { "expect": { "tool": "bad", "isError": true } },
            { "expect": { "tool": "good", "isError": false, "resultMatches": "*ran good*" }, "say": "${result.good.stdout}" },
        ] }),
        "scripted",
        &[" [bad {}] [good {}]", "ran good"],
    );
    check(
        &json!({ "turns": [{ "say": "main" }], "agents": { "explore": [{ "say": "sub" }] }, "end": "over" }),
        "scripted/explore",
        &["sub"],
    );
    check(&json!({ "turns": [{ "say": "main" }], "end": "over" }), "explore", &["over"]);
}

#[test]
fn a_role_is_read_off_the_instructions() {
    let model = model(&json!({ "turns": [{ "say": "main" }], "agents": { "explore": [{ "say": "sub" }] } }));
    let messages = [Message::text(Role::System, "Your role is `explore`. Look."), Message::text(Role::User, "x")];
    let answer = model.complete(&request("", &messages)).now_or_never().unwrap().unwrap();
    assert_eq!(answer.message.plain_text(), "sub");
}

#[test]
fn goes_on_where_it_was_in_another_process_and_after_a_summary() {
    let scenario = json!({ "turns": [{ "say": "one" }, { "say": "two" }, { "say": "three" }], "summary": "so far" });
    let ask = |model: &ScenarioModel, messages: &[Message]| {
        model.complete(&request("", messages)).now_or_never().unwrap().unwrap().message
    };
    let first = ask(&model(&scenario), &[Message::text(Role::User, "x")]);
    let again: Message = serde_json::from_value(serde_json::to_value(&first).unwrap()).unwrap();
    let other = model(&scenario);
    let second = ask(&other, &[Message::text(Role::User, "x"), again, Message::text(Role::User, "y")]);
    assert_eq!((first.plain_text().as_str(), second.plain_text().as_str()), ("one", "two"));
    // A request for a summary shows nothing of where it stands; what is put in place of the messages carries it on
    let mut summing = request("", &[Message::text(Role::System, "You sum up conversations between …")]);
    summing.tools.clear();
    let answer = model(&scenario).complete(&summing).now_or_never().unwrap().unwrap().message;
    assert_eq!((answer.plain_text().as_str(), answer.extra.len()), ("so far", 0));
    let mut summary = Message::text(Role::User, "Summary: so far");
    summary.extra.insert(PROVIDER_STATE.to_owned(), second.extra[PROVIDER_STATE].clone());
    assert_eq!(ask(&model(&scenario), &[summary]).plain_text(), "three");
}

#[test]
fn the_names_of_calls_say_where_it_stands_as_well() {
    let scenario = json!({ "turns": [{ "calls": [{ "tool": "a" }, { "tool": "b" }] }, { "say": "two" }] });
    let ask = |messages: &[Message]| model(&scenario).complete(&request("", messages)).now_or_never().unwrap().unwrap();
    let mut person = Message::text(Role::User, "x");
    person.id = Some("m1".to_owned());
    let mut first = ask(&[person.clone()]).message;
    assert_eq!(first, ask(&[person.clone()]).message, "the same again");
    let ids = |message: &Message| serde_json::to_string(&message.content).unwrap();
    person.id = Some("m2".to_owned());
    assert_ne!(ids(&first), ids(&ask(&[person.clone()]).message), "another conversation");
    first.extra.clear();
    assert_eq!(ask(&[person.clone(), first]).message.plain_text(), "two");
    // Another model's words are none of the scenario
    let foreign = Message::text(Role::Assistant, "hello");
    assert_ne!(ask(&[person, foreign]).message.plain_text(), "two");
}

#[test]
fn speaks_in_words_and_says_what_it_is() {
    let model = model(&json!({ "turns": [{ "say": "one two" }] }));
    let stream = model.stream(&request("", &[])).now_or_never().unwrap().unwrap();
    let events: Vec<_> = stream.map(Result::unwrap).collect::<Vec<_>>().now_or_never().unwrap();
    assert_eq!(events[..2], [ChatEvent::Text("one ".into()), ChatEvent::Text("two".into())]);
    assert!(matches!(&events[2], ChatEvent::Done(response) if response.model == "scripted"));
    assert!(play(&model, "", |_| (json!(1), false))[0].contains("one two"));
    let introduction = ScenarioModel::new(Scenario::introduction(), Arc::new(NoPause));
    assert!(play(&introduction, "", |_| (json!(1), false))[0].contains("scripted model"));
}

#[test]
fn refuses_what_is_no_scenario() {
    let check = |scenario: Value, expected: &str| {
        let error = Scenario::from_value(scenario).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(json!({ "turn": [] }), "unknown field `turn`, expected one of `turns`");
    check(json!({ "turns": [{ "says": "x" }] }), "unknown field `says`");
    check(json!({ "turns": [{ "turns": [{ "when": {} }] }] }), "turns[0].turns[0]: the turn does nothing");
    check(json!({ "turns": [{ "repeat": 3 }] }), "turns[0]: the turn does nothing");
    check(json!({ "turns": [{ "say": "x", "else": { "say": "y" } }] }), "turns[0]: `else` needs `when`");
    check(json!({ "turns": [{ "say": "x", "as": "n" }] }), "turns[0]: `as` needs `repeat`");
    check(json!({ "agents": { "a": [{ "when": {}, "say": "x", "else": {} }] } }), "agents.a[0].else: the turn");
    check(json!({ "turns": [{ "repeat": 30_000, "say": "x" }] }), "more than 20000 turns");
    check(json!([]), "no `turns`");
}

#[test]
fn an_answer_breaks_off_and_comes_again() {
    let scenario = json!({ "turns": [
        { "say": "one two three four", "calls": [{ "tool": "a" }], "error": { "kind": "interrupted", "message": "gone" } },
    ] });
    let model = model(&scenario);
    let ask = || model.stream(&request("", &[])).now_or_never().unwrap().unwrap().collect::<Vec<_>>();
    let events = ask().now_or_never().unwrap();
    assert_eq!(events.len(), 3);
    let Err(ProviderError::Interrupted { partial, detail, .. }) = &events[2] else { panic!("{events:?}") };
    assert_eq!((partial.message.plain_text().as_str(), detail.as_str()), ("one two ", "gone"));
    let again = ask().now_or_never().unwrap();
    assert!(matches!(&again[4], Ok(ChatEvent::ToolCall { name, .. }) if name == "a"), "{again:?}");
    assert!(matches!(again.last(), Some(Ok(ChatEvent::Done(_)))));
}

#[test]
fn says_what_it_expected() {
    let model =
        model(&json!({ "turns": [{ "expect": { "user": "please", "not": { "isError": true } }, "say": "x" }] }));
    let error = model.complete(&request("", &[Message::text(Role::User, "now!")])).now_or_never().unwrap().unwrap_err();
    let expected = "scripted refused the request with status 417: the scenario expects the person to say `please` and not \
                    (a failure), and found `now!`";
    assert_eq!(error.to_string(), expected);
    assert!(!error.is_retryable());
}

#[test]
fn the_schema_knows_every_key() {
    let schema = Scenario::schema().to_string();
    for key in ["retryAfter", "resultMatches", "else", "as", "expect", "overloaded"] {
        assert!(schema.contains(&format!("\"{key}\"")), "{key}");
    }
}

#[test]
fn errors_are_those_of_providers() {
    let model = model(&json!({ "turns": [{ "error": { "kind": "rejected", "message": "no" } }] }));
    let error = model.complete(&request("", &[])).now_or_never().unwrap().unwrap_err();
    assert!(matches!(error, ProviderError::Rejected { status: 400, message, .. } if message == "no"));
}
