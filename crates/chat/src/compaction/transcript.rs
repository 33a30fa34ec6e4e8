use std::fmt::Write as _;

use mimir_shared_providers::{Content, KnownPart, Message, Part, Role};
use serde_json::Value;

use crate::context::{MARK, clipped};

/// The messages as a text that a model can read without the tools that they speak of. It has about `max` bytes at most:
/// first results are shortened, then the middle is left out.
pub(super) fn of(messages: &[&Message], max: u64) -> String {
    let max = usize::try_from(max).unwrap_or(usize::MAX).max(1024);
    for longest in [4_000, 400] {
        let text = with_results_of(messages, longest);
        if text.len() <= max {
            return text;
        }
    }
    let text = with_results_of(messages, 400);
    let (head, tail) = (text.floor_char_boundary(max / 2), text.ceil_char_boundary(text.len() - max / 2));
    format!("{}\n\n[… {} bytes are left out …]\n\n{}", &text[..head], tail - head, &text[tail..])
}

fn with_results_of(messages: &[&Message], longest: usize) -> String {
    let mut text = String::new();
    for message in messages {
        let who = match &message.role {
            Role::User if message.extra.contains_key(MARK) => "Note",
            Role::User => "Person",
            Role::Assistant => "Agent",
            Role::Tool => "Result",
            Role::System => "Instructions",
            Role::Other(other) => other,
        };
        match &message.content {
            Content::Text(said) => add(&mut text, who, said),
            Content::Parts(parts) => {
                for part in parts {
                    match part {
                        Part::Known(KnownPart::Text { text: said, .. }) => add(&mut text, who, said),
                        Part::Known(KnownPart::ToolCall { name, args, .. }) => {
                            add(
                                &mut text,
                                "Agent",
                                &format!("[calls {name} with {}]", clipped(&args.to_string(), longest)),
                            );
                        }
                        Part::Known(KnownPart::ToolResult { result, is_error, .. }) => {
                            let shown = match result {
                                Value::String(said) => clipped(said, longest).into_owned(),
                                other => clipped(&other.to_string(), longest).into_owned(),
                            };
                            add(&mut text, if *is_error { "Result (an error)" } else { "Result" }, &shown);
                        }
                        Part::Other(_) => {}
                    }
                }
            }
        }
    }
    text.truncate(text.trim_end().len());
    text
}

fn add(text: &mut String, who: &str, said: &str) {
    if !said.trim().is_empty() {
        // Writing to a string does not fail
        let _ = write!(text, "{who}: {}\n\n", said.trim());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{ToolCall, context};

    #[test]
    fn reads_as_a_record() {
        let call = ToolCall { id: "c".to_owned(), name: "bash".to_owned(), args: json!({"command": "ls"}) };
        let part = KnownPart::ToolCall {
            id: call.id.clone(),
            name: call.name.clone(),
            args: call.args.clone(),
            extra: serde_json::Map::new(),
        };
        let asks = Message { content: Content::Parts(vec![Part::Known(part)]), ..Message::text(Role::Assistant, "") };
        let messages = [
            context::marked("summary", "before".to_owned()),
            Message::text(Role::User, "look\n"),
            asks,
            context::result_message(&call, json!({"stdout": "a.rs"}), false),
            context::result_message(&call, json!("no"), true),
        ];
        let messages: Vec<&Message> = messages.iter().collect();
        let expected = "Note: before\n\nPerson: look\n\nAgent: [calls bash with {\"command\":\"ls\"}]\n\n\
                        Result: {\"stdout\":\"a.rs\"}\n\nResult (an error): no";
        assert_eq!(of(&messages, 10_000), expected);
    }

    #[test]
    fn stays_within_its_bounds() {
        let call = ToolCall { id: "c".to_owned(), name: "read".to_owned(), args: json!({}) };
        let long = context::result_message(&call, json!("ä".repeat(50_000)), false);
        let words = Message::text(Role::User, "ö".repeat(4_000));
        assert!(of(&[&long], u64::MAX).len() < 4_100);
        let text = of(&[&long, &words, &long], 2_000);
        assert!(text.len() < 2_200 && text.contains("bytes are left out"), "{}", text.len());
    }
}
