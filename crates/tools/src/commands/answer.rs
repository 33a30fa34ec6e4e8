use serde_json::Value;

use crate::dispatcher::head_and_tail;
use crate::plain::plain;

/// What a slash command came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandOutcome {
    /// Something for the person to read; nothing at all if it is empty. It is fit for a terminal.
    Say(String),
    /// Something to be sent to the model as if the person had written it.
    Prompt(String),
}

/// How much a plugin's command may say, or send, in bytes.
const LONGEST: usize = 100_000;

/// What a plugin's command returned: a text or `{message}` is said to the person, `{prompt}` is sent to the model.
pub(super) fn outcome(answer: &Value) -> Result<CommandOutcome, String> {
    let fit = |text: &str| plain(&head_and_tail(text, LONGEST));
    match answer {
        Value::Null => Ok(CommandOutcome::Say(String::new())),
        Value::String(text) => Ok(CommandOutcome::Say(fit(text))),
        Value::Bool(_) | Value::Number(_) => Ok(CommandOutcome::Say(answer.to_string())),
        Value::Object(map) => match (map.get("prompt"), map.get("message")) {
            (Some(_), Some(_)) => Err("it returned both a `prompt` and a `message`".to_owned()),
            (Some(Value::String(prompt)), None) if prompt.trim().is_empty() => Err("its `prompt` is empty".to_owned()),
            (Some(Value::String(prompt)), None) => Ok(CommandOutcome::Prompt(fit(prompt))),
            (None, Some(Value::String(message))) => Ok(CommandOutcome::Say(fit(message))),
            (Some(_), None) => Err("its `prompt` is no text".to_owned()),
            (None, Some(_)) => Err("its `message` is no text".to_owned()),
            (None, None) => Ok(CommandOutcome::Say(fit(&pretty(answer)))),
        },
        Value::Array(_) => Ok(CommandOutcome::Say(fit(&pretty(answer)))),
    }
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn takes_what_plugins_return() {
        let say = |text: &str| Ok(CommandOutcome::Say(text.to_owned()));
        let prompt = |text: &str| Ok(CommandOutcome::Prompt(text.to_owned()));
        let check = |answer: Value, expected: Result<CommandOutcome, &str>| {
            assert_eq!(outcome(&answer), expected.map_err(str::to_owned), "{answer}");
        };
        check(Value::Null, say(""));
        check(json!("3 files\n\u{1b}[2J"), say("3 files\n\u{fffd}[2J"));
        check(json!({ "message": "done\u{202e}" }), say("done\u{fffd}"));
        check(json!({ "prompt": "Review \u{7}it" }), prompt("Review \u{fffd}it"));
        check(json!(5), say("5"));
        check(json!({ "a": 1 }), say("{\n  \"a\": 1\n}"));
        check(json!({ "prompt": 5 }), Err("its `prompt` is no text"));
        check(json!({ "prompt": " " }), Err("its `prompt` is empty"));
        check(json!({ "message": null }), Err("its `message` is no text"));
        check(json!({ "prompt": "a", "message": "b" }), Err("it returned both a `prompt` and a `message`"));
        let Ok(CommandOutcome::Say(long)) = outcome(&json!("x".repeat(LONGEST * 2))) else {
            unreachable!("it is said")
        };
        assert!(long.len() < LONGEST + 100, "what is said is bounded");
    }
}
