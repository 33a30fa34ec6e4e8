//! Each event with each form of answer, and with wrong ones.

use EventName as E;
use mimir_hooks::{Judgement, Reply, Verdict, catalogue, judge};
use mimir_shared_config::{EventName, Risk};
use serde_json::{Map, Value, json};

use crate::samples::sample;

/// What a plugin did, as text: JSON that it returned, `undefined`, `throw …`, or a change in place, `args = …`.
fn reply(text: &str) -> Reply {
    if let Some(message) = text.strip_prefix("throw ") {
        let stack = Some("Error: boom\n    at onFile (src/index.ts:12:5)\n    at x (y:1:1)".to_owned());
        return Reply::Threw { message: message.to_owned(), stack };
    }
    let mut changed = Map::new();
    let mut value = None;
    for part in text.split("; ") {
        match part.split_once(" = ") {
            Some((field, new)) => {
                changed.insert(field.to_owned(), serde_json::from_str(new).unwrap());
            }
            None if part == "undefined" => {}
            None => value = Some(serde_json::from_str(part).unwrap()),
        }
    }
    Reply::Returned { value, changed: (!changed.is_empty()).then_some(changed) }
}

/// What came of it, as text. Of a change, the fields that came out different.
fn outcome(event: EventName, text: &str, approve_up_to: Option<Risk>) -> String {
    let payload = sample(event);
    let Judgement { verdict, notice } = match judge(event, &payload, reply(text), approve_up_to) {
        Ok(judgement) => judgement,
        Err(error) => return format!("error: {error}"),
    };
    let because = |reason: Option<String>| reason.map_or_else(String::new, |reason| format!(": {reason}"));
    let verdict = match verdict {
        Verdict::Passed => "passed".to_owned(),
        Verdict::Changed { payload: after, reason } => {
            let before: Map<String, Value> = serde_json::from_str(&payload).unwrap();
            let after: Map<String, Value> = serde_json::from_str(&after).unwrap();
            assert!(before.keys().all(|key| after.contains_key(key)), "nothing is lost");
            let fields: Vec<_> = after.iter().filter(|(key, value)| before.get(*key) != Some(value)).collect();
            let fields: Vec<_> = fields.into_iter().map(|(key, value)| format!("{key} = {value}")).collect();
            format!("changed{}: {}", because(reason).replace(':', " because"), fields.join(", "))
        }
        Verdict::Blocked { reason } => format!("blocked: {reason}"),
        Verdict::Approved { reason } => format!("approved{}", because(reason)),
        Verdict::Denied { reason } => format!("denied{}", because(reason)),
    };
    notice.map_or(verdict.clone(), |notice| format!("{verdict} ({notice})"))
}

fn check(cases: &[(EventName, &str, &str)]) {
    for (event, said, expected) in cases {
        assert_eq!(outcome(*event, said, Some(Risk::High)), *expected, "{event}: {said}");
    }
}

#[test]
fn nothing_said_is_nothing_done() {
    for event in EventName::ALL {
        assert_eq!(outcome(event, "undefined", None), "passed", "{event}");
        assert_eq!(outcome(event, "null", None), "passed", "{event}");
    }
}

#[test]
fn an_event_without_answers_takes_none() {
    let silent: Vec<_> = catalogue().iter().filter(|entry| entry.answers.is_empty()).collect();
    assert_eq!(silent.len(), 18);
    for entry in silent {
        let event = entry.name;
        for (said, found) in [
            ("{}", "an object"),
            (r#"{"block": true}"#, "an object"),
            ("true", "a boolean"),
            ("0", "a number"),
            (r#""done""#, "a string"),
            ("[]", "an array"),
        ] {
            let expected = format!("error: `{event}` takes no answer, but the handler returned {found}");
            assert_eq!(outcome(event, said, None), expected);
        }
    }
}

#[test]
fn an_event_with_answers_takes_objects_with_its_keys_alone() {
    let answering: Vec<_> = catalogue().iter().filter(|entry| !entry.answers.is_empty()).collect();
    assert_eq!(answering.len(), 6);
    for entry in answering {
        let event = entry.name;
        assert_eq!(outcome(event, "{}", None), "passed", "{event}");
        for said in ["true", "0", r#""no""#, r#"[{"block": true}]"#] {
            let told = outcome(event, said, None);
            assert!(told.starts_with(&format!("error: an answer to `{event}` is an object ({{ ")), "{told}");
        }
        let told = outcome(event, r#"{"qwertyuiop": 1}"#, None);
        assert!(
            told.starts_with(&format!("error: an answer to `{event}` has no key `qwertyuiop`; it takes `")),
            "{told}"
        );
    }
}

#[test]
fn a_throw_blocks_where_it_means_a_block_and_fails_elsewhere() {
    for event in EventName::ALL {
        let expected = match event {
            E::ToolExecuteBefore | E::ChatMessage => "blocked: not here",
            _ => "error: it threw: not here (at onFile (src/index.ts:12:5))",
        };
        assert_eq!(outcome(event, "throw not here", None), expected, "{event}");
    }
    let long = outcome(E::ToolExecuteBefore, &format!("throw {}", "ü".repeat(5000)), None);
    assert!(long.len() < 4200 && long.ends_with('…'));
    assert_eq!(outcome(E::ToolExecuteBefore, "throw ", None), "blocked: blocked without a reason");
}

#[test]
fn a_change_in_place_of_what_cannot_be_changed_is_told() {
    for entry in catalogue() {
        let event = entry.name;
        for field in ["args", "result", "messages"] {
            let told = outcome(event, &format!("{field} = {{}}"), None);
            if entry.in_place == Some(field) {
                assert!(!told.contains("has no effect"), "{event}: {told}");
            } else {
                let expected = format!(
                    "passed (its change of `event.{field}` in place has no effect: `{event}` does not take it)"
                );
                assert_eq!(told, expected, "{event}");
            }
        }
    }
}

#[test]
fn tool_execute_before() {
    let event = E::ToolExecuteBefore;
    check(&[
        (event, r#"{"block": true, "reason": "dangerous"}"#, "blocked: dangerous"),
        (event, r#"{"block": true}"#, "blocked: blocked without a reason"),
        (event, r#"{"block": true, "reason": " "}"#, "blocked: blocked without a reason"),
        (event, r#"{"block": true, "reason": "no", "args": {"a": 1}}"#, "blocked: no"),
        (event, r#"{"block": false}"#, "passed"),
        (event, r#"{"block": false, "reason": "harmless"}"#, "passed"),
        (event, r#"{"block": null, "reason": null, "args": null}"#, "passed"),
        (event, r#"{"args": {"command": "ls"}}"#, r#"changed: args = {"command":"ls"}"#),
        (event, r#"{"args": {}, "reason": "cleaned"}"#, "changed because cleaned: args = {}"),
        (event, r#"{"args": {"command": "ls -la"}}"#, "passed"),
        (event, r#"args = {"command": "pwd"}"#, r#"changed: args = {"command":"pwd"}"#),
        (event, r#"args = {"a": 1}; {"args": {"b": 2}}"#, r#"changed: args = {"b":2}"#),
        (event, r#"args = {"a": 1}; {"block": true, "reason": "no"}"#, "blocked: no"),
        (event, r#"args = {"a": 1}; null"#, r#"changed: args = {"a":1}"#),
        (
            event,
            r#"args = [1]"#,
            "error: in an answer to `tool.execute.before`, `args` must be an object, but is an array",
        ),
        (
            event,
            r#"{"args": "ls"}"#,
            "error: in an answer to `tool.execute.before`, `args` must be an object, but is a string",
        ),
        (
            event,
            r#"{"block": "yes"}"#,
            "error: in an answer to `tool.execute.before`, `block` must be a boolean, but is a string",
        ),
        (
            event,
            r#"{"block": true, "reason": 5}"#,
            "error: in an answer to `tool.execute.before`, `reason` must be a string, but is a number",
        ),
        (
            event,
            r#"{"blok": true}"#,
            "error: an answer to `tool.execute.before` has no key `blok`; did you mean `block`?",
        ),
        (
            event,
            r#"{"Reason": ""}"#,
            "error: an answer to `tool.execute.before` has no key `Reason`; did you mean `reason`?",
        ),
        (
            event,
            r#"{"allow": false}"#,
            "error: an answer to `tool.execute.before` has no key `allow`; it takes `block`, `reason`, `args`",
        ),
        (
            event,
            r#"{"reason": "because"}"#,
            "error: an answer to `tool.execute.before` gives a `reason` but nothing to do; it takes { block: true, \
             reason } or { args }",
        ),
    ]);
}

#[test]
fn tool_execute_after() {
    let event = E::ToolExecuteAfter;
    check(&[
        (event, r#"{"result": "short"}"#, r#"changed: result = "short""#),
        (event, r#"{"result": null}"#, "changed: result = null"),
        (event, r#"{"result": {"stdout": "ok"}}"#, "passed"),
        (event, r#"result = {"stdout": "***"}"#, r#"changed: result = {"stdout":"***"}"#),
        (event, r#"{"block": true}"#, "error: an answer to `tool.execute.after` has no key `block`; it takes `result`"),
        (
            event,
            r#"{"results": 1}"#,
            "error: an answer to `tool.execute.after` has no key `results`; did you mean `result`?",
        ),
    ]);
}

#[test]
fn permission_ask() {
    let event = E::PermissionAsk;
    check(&[
        (event, r#"{"allow": true}"#, "approved"),
        (event, r#"{"allow": true, "reason": "in the list"}"#, "approved: in the list"),
        (event, r#"{"allow": false}"#, "denied"),
        (event, r#"{"allow": false, "reason": "never"}"#, "denied: never"),
        (event, r#"{"reason": "hm"}"#, "error: in an answer to `permission.ask`, `allow` is missing"),
        (
            event,
            r#"{"allow": "yes"}"#,
            "error: in an answer to `permission.ask`, `allow` must be a boolean, but is a string",
        ),
        (event, r#"{"alow": true}"#, "error: an answer to `permission.ask` has no key `alow`; did you mean `allow`?"),
    ]);
    // The sample's risk is high.
    for (highest, expected) in [
        (Some(Risk::Critical), "approved"),
        (Some(Risk::High), "approved"),
        (
            Some(Risk::Medium),
            "passed (its approval is not obeyed: the risk is `high`, and it may approve only up to risk `medium`",
        ),
        (
            Some(Risk::Low),
            "passed (its approval is not obeyed: the risk is `high`, and it may approve only up to risk `low`",
        ),
        (None, "passed (its approval is not obeyed: the risk is `high`, and it may approve nothing at all"),
    ] {
        let told = outcome(event, r#"{"allow": true}"#, highest);
        assert!(told.starts_with(expected), "{told}");
        assert_eq!(outcome(event, r#"{"allow": false}"#, highest), "denied");
    }
    let of_unknown_risk = judge(event, r#"{"risk": "?"}"#, reply(r#"{"allow": true}"#), Some(Risk::High)).unwrap();
    assert_eq!(of_unknown_risk.verdict, Verdict::Passed);
}

#[test]
fn session_compacting() {
    let event = E::SessionCompacting;
    check(&[
        (event, r#"{"context": ["the API is frozen"]}"#, r#"changed: context = ["the API is frozen"]"#),
        (event, r#"{"context": []}"#, "passed"),
        (event, r#"{"instructions": "keep names"}"#, r#"changed: instructions = "keep names""#),
        (event, r#"{"instructions": "be brief"}"#, "passed"),
        (event, r#"{"instructions": "x", "context": ["y"]}"#, r#"changed: instructions = "x", context = ["y"]"#),
        (event, r#"{"cancel": true, "reason": "not now"}"#, "blocked: not now"),
        (event, r#"{"cancel": true, "context": ["y"]}"#, "blocked: blocked without a reason"),
        (event, r#"{"cancel": false}"#, "passed"),
        (
            event,
            r#"{"context": "one text"}"#,
            "error: in an answer to `session.compacting`, `context` must be an array of strings, but is a string",
        ),
        (
            event,
            r#"{"context": ["a", 2]}"#,
            "error: in an answer to `session.compacting`, `context[1]` must be a string, but is a number",
        ),
        (
            event,
            r#"{"cancle": true}"#,
            "error: an answer to `session.compacting` has no key `cancle`; did you mean `cancel`?",
        ),
    ]);
    let first = r#"{"context": ["a"]}"#;
    let Verdict::Changed { payload, .. } = judge(event, &sample(event), reply(first), None).unwrap().verdict else {
        panic!("not changed");
    };
    let Verdict::Changed { payload, .. } =
        judge(event, &payload, reply(r#"{"context": ["b"]}"#), None).unwrap().verdict
    else {
        panic!("not changed");
    };
    assert_eq!(serde_json::from_str::<Value>(&payload).unwrap()["context"], json!(["a", "b"]), "adds up");
}

#[test]
fn chat_message() {
    let event = E::ChatMessage;
    let message = r#"{"role":"user","content":"hi","own":1.50}"#;
    check(&[
        (event, r#"{"messages": []}"#, "changed: messages = []"),
        (
            event,
            &format!(r#"{{"messages": [{message}]}}"#),
            r#"changed: messages = [{"role":"user","content":"hi","own":1.50}]"#,
        ),
        (
            event,
            &format!("messages = [{message}]"),
            r#"changed: messages = [{"role":"user","content":"hi","own":1.50}]"#,
        ),
        (event, r#"{"block": true, "reason": "secrets"}"#, "blocked: secrets"),
        (event, r#"{"block": false}"#, "passed"),
        (
            event,
            r#"{"messages": [{"role": "user"}, {"content": "hi"}]}"#,
            "error: in an answer to `chat.message`, `messages[1].role` is missing",
        ),
        (
            event,
            r#"{"messages": [{"role": "user", "content": 5}]}"#,
            "error: in an answer to `chat.message`, `messages[0].content` must be a string or an array of objects, but is a number",
        ),
        (
            event,
            r#"{"messages": [{"role": "user", "content": ["x"]}]}"#,
            "error: in an answer to `chat.message`, `messages[0].content[0]` must be an object, but is a string",
        ),
        (
            event,
            r#"messages = {}"#,
            "error: in an answer to `chat.message`, `messages` must be an array of objects, but is an object",
        ),
        (
            event,
            r#"{"message": []}"#,
            "error: an answer to `chat.message` has no key `message`; did you mean `messages`?",
        ),
    ]);
}

#[test]
fn budget_exceeded() {
    let event = E::BudgetExceeded;
    check(&[
        (event, r#"{"stop": true, "reason": "too dear"}"#, "blocked: too dear"),
        (event, r#"{"stop": true}"#, "blocked: blocked without a reason"),
        (event, r#"{"stop": false, "reason": "go on"}"#, "passed"),
        (
            event,
            r#"{"stop": 1}"#,
            "error: in an answer to `budget.exceeded`, `stop` must be a boolean, but is a number",
        ),
        (
            event,
            r#"{"reason": "x"}"#,
            "error: an answer to `budget.exceeded` gives a `reason` but nothing to do; it takes { stop: true, reason }",
        ),
        (event, r#"{"Stop": true}"#, "error: an answer to `budget.exceeded` has no key `Stop`; did you mean `stop`?"),
    ]);
}

#[test]
fn a_recording_without_an_object_cannot_be_changed() {
    for payload in ["", "5", "[]"] {
        let error = judge(E::ToolExecuteBefore, payload, reply(r#"{"args": {}}"#), None).unwrap_err();
        let expected = "the payload of this `tool.execute.before` is no object, so that nothing in it can be changed";
        assert_eq!(error.to_string(), expected);
        assert!(judge(E::ToolExecuteBefore, payload, reply(r#"{"block": true}"#), None).is_ok());
    }
}
