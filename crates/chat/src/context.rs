//! What a model gets to read.

use std::collections::{HashMap, HashSet};

use mimir_shared_providers::{Content, KnownPart, Message, Part, Role};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::{Stored, ToolCall};

/// Marks a message of the person's role that the person did not write: what it is.
pub(crate) const MARK: &str = "mimir";
/// The mark of the message that a compaction leaves.
pub(crate) const SUMMARY: &str = "summary";
/// The mark of the message that `/clear` leaves. The model does not get to read it.
pub(crate) const CLEARED: &str = "cleared";
/// The mark of a hint to the model.
pub(crate) const NOTICE: &str = "notice";
/// Marks a summary of messages the last of which waits for an answer.
pub(crate) const WAITS: &str = "waits";
/// What a summary carries on word by word, by the tool that gave it.
pub(crate) const CARRIED: &str = "carried";
/// Marks an answer that the person interrupted.
pub(crate) const INTERRUPTED: &str = "interrupted";

/// A message of the person's role that the person did not write.
pub(crate) fn marked(mark: &str, text: String) -> Message {
    let mut message = Message::text(Role::User, text);
    message.extra.insert(MARK.to_owned(), Value::from(mark));
    message
}

/// Whether the person wrote it.
pub(crate) fn is_by_person(message: &Message) -> bool {
    message.role == Role::User && !message.extra.contains_key(MARK)
}

/// The calls that a message asks for.
pub(crate) fn calls(message: &Message) -> Vec<ToolCall> {
    let (Role::Assistant, Content::Parts(parts)) = (&message.role, &message.content) else { return Vec::new() };
    let calls = parts.iter().filter_map(|part| match part {
        Part::Known(KnownPart::ToolCall { id, name, args, .. }) => {
            Some(ToolCall { id: id.clone(), name: name.clone(), args: args.clone() })
        }
        _ => None,
    });
    calls.collect()
}

/// The ids of the calls that a message asks for.
pub(crate) fn call_ids(message: &Message) -> Vec<String> {
    calls(message).into_iter().map(|call| call.id).collect()
}

/// The message that gives the model a result. Each call has one of its own, so that it can be stored together with the end
/// of the call; where a provider wants all results of an answer in one message, its adapter joins them.
pub(crate) fn result_message(call: &ToolCall, result: Value, is_error: bool) -> Message {
    let part = KnownPart::ToolResult { call_id: call.id.clone(), result, is_error, extra: Map::new() };
    Message { content: Content::Parts(vec![Part::Known(part)]), ..Message::text(Role::Tool, "") }
}

/// The ids of the calls that a message answers.
pub(crate) fn answered(message: &Message) -> impl Iterator<Item = &str> {
    let parts: &[Part] = match &message.content {
        Content::Parts(parts) => parts,
        Content::Text(_) => &[],
    };
    parts.iter().filter_map(|part| match part {
        Part::Known(KnownPart::ToolResult { call_id, .. }) => Some(call_id.as_str()),
        _ => None,
    })
}

/// The calls that have no result, in their order.
pub(crate) fn unanswered<'a>(messages: impl Iterator<Item = &'a Message> + Clone) -> Vec<ToolCall> {
    let answers: HashSet<&str> = messages.clone().flat_map(answered).collect();
    let open = messages.flat_map(calls).filter(|call| !answers.contains(call.id.as_str()));
    open.collect()
}

/// Brings messages into the order that models' APIs insist on: after each answer the results of its calls, one for each and
/// in their order, and results nowhere else. The stored conversation is so anyway; what plugins made of it need not be, and
/// would be refused.
pub(crate) fn sound(messages: Vec<Message>) -> Vec<Message> {
    let mut results: HashMap<String, Message> = HashMap::new();
    for message in &messages {
        let Content::Parts(parts) = &message.content else { continue };
        for part in parts {
            if let Part::Known(KnownPart::ToolResult { call_id, .. }) = part {
                let alone =
                    || Message { role: Role::Tool, content: Content::Parts(vec![part.clone()]), ..message.clone() };
                results.entry(call_id.clone()).or_insert_with(alone);
            }
        }
    }
    let mut sound = Vec::with_capacity(messages.len());
    for mut message in messages {
        if message.role == Role::Tool {
            continue;
        }
        if let Content::Parts(parts) = &mut message.content {
            parts.retain(|part| !matches!(part, Part::Known(KnownPart::ToolResult { .. })));
        }
        if message.role == Role::Assistant && is_empty(&message) {
            continue;
        }
        let calls = calls(&message);
        sound.push(message);
        for call in calls {
            let result = results.remove(&call.id);
            sound.push(result.unwrap_or_else(|| result_message(&call, Value::from("there is no result"), true)));
        }
    }
    sound
}

fn is_empty(message: &Message) -> bool {
    match &message.content {
        Content::Text(text) => text.trim().is_empty(),
        Content::Parts(parts) => parts.iter().all(|part| match part {
            Part::Known(KnownPart::Text { text, .. }) => text.trim().is_empty(),
            _ => false,
        }),
    }
}

/// Whether the conversation waits for an answer of the model.
pub(crate) fn wants_answer(last: Option<&Message>) -> bool {
    last.is_some_and(|message| match message.extra.get(MARK).and_then(Value::as_str) {
        Some(CLEARED) => false,
        Some(SUMMARY) => message.extra.get(WAITS) == Some(&Value::Bool(true)),
        _ => matches!(message.role, Role::User | Role::Tool),
    })
}

/// What of the stored messages the model gets to read.
pub(crate) fn sent(stored: Vec<Stored>) -> impl Iterator<Item = Message> {
    let messages = stored.into_iter().map(|stored| stored.message);
    messages.filter(|message| message.extra.get(MARK).is_none_or(|mark| mark != CLEARED))
}

/// About how many tokens this has: a quarter of its bytes as JSON.
pub(crate) fn estimate(value: &(impl Serialize + ?Sized)) -> u64 {
    let mut counter = Counter(0);
    match serde_json::to_writer(&mut counter, value) {
        Ok(()) => counter.0.div_ceil(4),
        Err(_) => 0,
    }
}

struct Counter(u64);

impl std::io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The beginning of a text, at most `max` bytes of it.
pub(crate) fn clipped(text: &str, max: usize) -> std::borrow::Cow<'_, str> {
    if text.len() <= max {
        return text.into();
    }
    let kept = &text[..text.floor_char_boundary(max)];
    format!("{kept}… ({} more bytes were cut)", text.len() - kept.len()).into()
}

/// A result of at most about `max` bytes of JSON.
pub(crate) fn clipped_result(result: Value, max: usize) -> Value {
    match &result {
        Value::String(text) if text.len() > max => Value::from(clipped(text, max).into_owned()),
        Value::Array(_) | Value::Object(_) if estimate(&result).saturating_mul(4) > max as u64 => {
            Value::from(clipped(&result.to_string(), max).into_owned())
        }
        _ => result,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn message(kind: &str, ids: &[u8]) -> Message {
        let call = |id: &u8| ToolCall { id: id.to_string(), name: "bash".to_owned(), args: json!({}) };
        let parts = |part: fn(ToolCall) -> KnownPart| {
            Content::Parts(ids.iter().map(|id| Part::Known(part(call(id)))).collect())
        };
        match kind {
            "asks" => Message {
                content: parts(|ToolCall { id, name, args }| KnownPart::ToolCall { id, name, args, extra: Map::new() }),
                ..Message::text(Role::Assistant, "")
            },
            "answers" => Message {
                content: parts(|call| KnownPart::ToolResult {
                    call_id: call.id,
                    result: json!("ok"),
                    is_error: false,
                    extra: Map::new(),
                }),
                ..Message::text(Role::Tool, "")
            },
            "says" => Message::text(Role::Assistant, "words"),
            "nothing" => Message::text(Role::Assistant, " "),
            _ => Message::text(Role::User, "words"),
        }
    }

    fn plan(messages: &[Message]) -> Vec<String> {
        let word = |message: &Message| match &message.role {
            Role::Assistant => format!("a{}", call_ids(message).concat()),
            Role::Tool => format!("t{}", answered(message).collect::<String>()),
            _ => "u".to_owned(),
        };
        messages.iter().map(word).collect()
    }

    fn check(messages: &[(&str, &[u8])], expected: &str) {
        let messages = messages.iter().map(|(kind, ids)| message(kind, ids)).collect();
        assert_eq!(plan(&sound(messages)).join(" "), expected);
    }

    #[test]
    fn results_stand_behind_their_calls() {
        check(
            &[("user", &[]), ("asks", &[1, 2]), ("answers", &[1]), ("answers", &[2]), ("says", &[])],
            "u a12 t1 t2 a",
        );
        check(&[("asks", &[1, 2]), ("answers", &[2, 1])], "a12 t1 t2");
        check(&[("asks", &[1]), ("user", &[]), ("answers", &[1])], "a1 t1 u");
        check(&[("asks", &[1]), ("user", &[])], "a1 t1 u");
        check(&[("answers", &[1]), ("user", &[]), ("nothing", &[])], "u");
        check(&[("asks", &[1]), ("answers", &[1]), ("answers", &[1])], "a1 t1");
    }

    proptest! {
        #[test]
        fn whatever_plugins_made_of_it(
            messages in prop::collection::vec(
                (prop::sample::select(vec!["asks", "answers", "says", "user", "nothing"]), prop::collection::vec(0_u8..6, 1..4)),
                0..12,
            ),
        ) {
            let messages: Vec<Message> = messages.iter().map(|(kind, ids)| message(kind, ids)).collect();
            let users = messages.iter().filter(|message| message.role == Role::User).count();
            let once = sound(messages);
            prop_assert_eq!(once.iter().filter(|message| message.role == Role::User).count(), users);
            let mut open: Vec<String> = Vec::new();
            for message in &once {
                if message.role == Role::Tool {
                    let its: Vec<&str> = answered(message).collect();
                    prop_assert_eq!(&its, &[open.remove(0)]);
                } else {
                    prop_assert!(open.is_empty());
                    open = call_ids(message);
                }
            }
            prop_assert!(open.is_empty());
        }
    }

    #[test]
    fn what_is_too_long_is_cut() {
        assert_eq!(clipped("short", 10), "short");
        assert_eq!(clipped("äöü", 3), "ä… (4 more bytes were cut)");
        assert_eq!(clipped_result(json!({"a": 1}), 100), json!({"a": 1}));
        assert_eq!(clipped_result(json!(17), 0), json!(17));
        assert!(clipped_result(json!({"a": "x".repeat(900)}), 100).as_str().is_some_and(|text| text.len() < 150));
    }
}
