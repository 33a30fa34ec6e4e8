//! A conversation as services take it: turns of two speakers, each call of a tool with its result right after it.
//!
//! What is stored may be anything: a process was killed between a call and its result, a plugin took a message out. A
//! service refuses such a conversation forever, so it is mended on the way.

use std::borrow::Cow;
use std::collections::HashSet;

use serde_json::{Map, Value};

use crate::{Content, KnownPart, Message, Part, Role};

/// A conversation, ready to be written in a dialect.
#[derive(Debug)]
pub(crate) struct Conversation<'a> {
    /// The instructions in front of it.
    pub(crate) system: Vec<Cow<'a, str>>,
    /// What was said since; no two neighbours have the same speaker.
    pub(crate) turns: Vec<Turn<'a>>,
}

#[derive(Debug)]
pub(crate) struct Turn<'a> {
    pub(crate) speaker: Speaker,
    /// Never empty. Results stand first, one for each call of the turn before.
    pub(crate) pieces: Vec<Piece<'a>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speaker {
    /// The person, the tools and the application.
    User,
    Assistant,
}

#[derive(Debug)]
pub(crate) enum Piece<'a> {
    /// Never blank.
    Text(Cow<'a, str>),
    /// Instructions of the application in the midst of the conversation.
    Note(Cow<'a, str>),
    Call {
        id: &'a str,
        name: &'a str,
        args: &'a Value,
    },
    Result {
        id: &'a str,
        text: Cow<'a, str>,
        is_error: bool,
    },
    /// A part in the service's own dialect.
    Own(&'a Map<String, Value>),
}

const NO_RESULT: &str = "the outcome of this call is unknown";

impl<'a> Conversation<'a> {
    /// Takes messages apart. `is_own` tells by its type whether the service understands a part that this crate doesn't;
    /// others are left out.
    pub(crate) fn read(messages: &'a [Message], is_own: fn(&str) -> bool) -> Self {
        let mut system = Vec::new();
        let mut turns: Vec<Turn<'a>> = Vec::new();
        for message in messages {
            let is_system = is_system(&message.role);
            let speaker = if message.role == Role::Assistant { Speaker::Assistant } else { Speaker::User };
            let mut pieces = pieces(message, is_own);
            pieces.retain(|piece| match piece {
                Piece::Call { .. } => speaker == Speaker::Assistant,
                Piece::Result { .. } => speaker == Speaker::User,
                _ => true,
            });
            if is_system && turns.is_empty() {
                system.extend(pieces.into_iter().filter_map(|piece| match piece {
                    Piece::Text(text) => Some(text),
                    _ => None,
                }));
                continue;
            }
            if is_system {
                pieces = pieces.into_iter().map(as_note).collect();
            }
            match turns.last_mut() {
                _ if pieces.is_empty() => {}
                Some(last) if last.speaker == speaker => last.pieces.extend(pieces),
                _ => turns.push(Turn { speaker, pieces }),
            }
        }
        Self { system, turns: mended(turns) }
    }
}

fn is_system(role: &Role) -> bool {
    match role {
        Role::System => true,
        Role::Other(name) => name == "developer",
        _ => false,
    }
}

fn as_note(piece: Piece<'_>) -> Piece<'_> {
    match piece {
        Piece::Text(text) => Piece::Note(text),
        piece => piece,
    }
}

fn pieces(message: &Message, is_own: fn(&str) -> bool) -> Vec<Piece<'_>> {
    let text = |text: &'_ str| !text.trim().is_empty();
    match &message.content {
        Content::Text(said) if text(said) => vec![Piece::Text(Cow::Borrowed(said))],
        Content::Text(_) => Vec::new(),
        Content::Parts(parts) => parts
            .iter()
            .filter_map(|part| match part {
                Part::Known(KnownPart::Text { text: said, .. }) => {
                    text(said).then_some(Piece::Text(Cow::Borrowed(said.as_str())))
                }
                Part::Known(KnownPart::ToolCall { id, name, args, .. }) => Some(Piece::Call { id, name, args }),
                Part::Known(KnownPart::ToolResult { call_id, result, is_error, .. }) => {
                    Some(Piece::Result { id: call_id, text: result_text(result), is_error: *is_error })
                }
                Part::Other(map) => {
                    let kind = map.get("type").and_then(Value::as_str);
                    kind.is_some_and(is_own).then_some(Piece::Own(map))
                }
            })
            .collect(),
    }
}

/// What a tool gave, as a model reads it.
fn result_text(result: &Value) -> Cow<'_, str> {
    match result {
        Value::String(text) => Cow::Borrowed(text),
        Value::Null => Cow::Borrowed(""),
        value => Cow::Owned(value.to_string()),
    }
}

/// Gives each call its result, and takes results without a call for what they say.
fn mended(turns: Vec<Turn<'_>>) -> Vec<Turn<'_>> {
    let mut whole: Vec<Turn<'_>> = Vec::with_capacity(turns.len());
    let mut open: Vec<&str> = Vec::new();
    for mut turn in turns {
        match turn.speaker {
            Speaker::User => {
                let (results, others) = answered(&std::mem::take(&mut open), turn.pieces);
                turn.pieces = results.into_iter().chain(others).collect();
            }
            Speaker::Assistant => {
                let mut seen = HashSet::new();
                turn.pieces.retain(|piece| match piece {
                    Piece::Call { id, .. } => seen.insert(*id),
                    _ => true,
                });
                open = turn.pieces.iter().filter_map(call_id).collect();
            }
        }
        if !turn.pieces.is_empty() {
            whole.push(turn);
        }
    }
    if !open.is_empty() {
        let (pieces, _) = answered(&open, Vec::new());
        whole.push(Turn { speaker: Speaker::User, pieces });
    }
    whole
}

fn call_id<'a>(piece: &Piece<'a>) -> Option<&'a str> {
    match piece {
        Piece::Call { id, .. } => Some(*id),
        _ => None,
    }
}

/// The results of the open calls, in their order, and what else was said.
fn answered<'a>(open: &[&'a str], pieces: Vec<Piece<'a>>) -> (Vec<Piece<'a>>, Vec<Piece<'a>>) {
    let mut results: Vec<Option<Piece<'a>>> = open.iter().map(|_| None).collect();
    let mut others = Vec::new();
    for piece in pieces {
        let Piece::Result { id, text, is_error } = piece else {
            others.push(piece);
            continue;
        };
        match open.iter().position(|call| *call == id) {
            Some(at) if results[at].is_none() => results[at] = Some(Piece::Result { id, text, is_error }),
            _ if text.trim().is_empty() => {}
            _ => others.push(Piece::Text(Cow::Owned(format!("Result of an earlier call: {text}")))),
        }
    }
    let unknown = |id: &&'a str| Piece::Result { id, text: Cow::Borrowed(NO_RESULT), is_error: true };
    let results = results.into_iter().zip(open).map(|(result, id)| result.unwrap_or_else(|| unknown(id)));
    (results.collect(), others)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails here should stop")]

    use serde_json::json;

    use super::*;

    /// Turns as lines: `u` or `a`, then the pieces.
    fn check(messages: &Value, expected: &[&str]) {
        let messages: Vec<Message> = serde_json::from_value(messages.clone()).unwrap();
        let conversation = Conversation::read(&messages, |kind| kind == "image");
        let system = conversation.system.iter().map(|text| format!("s {text}"));
        let turns = conversation.turns.iter().map(|turn| {
            let speaker = if turn.speaker == Speaker::User { "u" } else { "a" };
            let pieces = turn.pieces.iter().map(|piece| match piece {
                Piece::Text(text) => format!(" {text}"),
                Piece::Note(text) => format!(" ({text})"),
                Piece::Call { id, name, .. } => format!(" {name}#{id}"),
                Piece::Result { id, text, is_error } => format!(" {id}={text}{}", if *is_error { "!" } else { "" }),
                Piece::Own(map) => format!(" own {}", map["type"]),
            });
            speaker.to_owned() + &pieces.collect::<String>()
        });
        assert_eq!(system.chain(turns).collect::<Vec<_>>(), expected);
    }

    fn call(ids: &[&str]) -> Value {
        let calls = ids.iter().map(|id| json!({"type": "toolCall", "id": id, "name": "read", "args": {}}));
        json!({"role": "assistant", "content": calls.collect::<Vec<_>>()})
    }

    fn result(id: &str, value: &Value) -> Value {
        json!({"role": "tool", "content": [{"type": "toolResult", "callId": id, "result": value}]})
    }

    #[test]
    fn speakers_take_turns() {
        check(
            &json!([
                {"role": "system", "content": "be brief"}, {"role": "developer", "content": "and kind"},
                {"role": "user", "content": "a"}, {"role": "user", "content": "  "}, {"role": "user", "content": "b"},
                {"role": "assistant", "content": " "},
                {"role": "system", "content": "note"},
                {"role": "assistant", "content": [{"type": "text", "text": "c"}, {"type": "thinking"}]},
                {"role": "user", "content": [{"type": "image", "source": {}}]},
            ]),
            &["s be brief", "s and kind", "u a b (note)", "a c", "u own \"image\""],
        );
    }

    #[test]
    fn each_call_has_its_result() {
        let user = json!({"role": "user", "content": "hm"});
        check(
            &json!([user, call(&["1", "2"]), result("2", &json!({"x": 1})), result("1", &json!("ok")), user]),
            &["u hm", "a read#1 read#2", "u 1=ok 2={\"x\":1} hm"],
        );
        check(
            &json!([user, call(&["1", "2", "1"]), user, result("2", &json!("ok")), result("2", &json!("again"))]),
            &[
                "u hm",
                "a read#1 read#2",
                "u 1=the outcome of this call is unknown! 2=ok hm Result of an earlier call: again",
            ],
        );
        check(&json!([user, call(&["1"])]), &["u hm", "a read#1", "u 1=the outcome of this call is unknown!"]);
        check(&json!([result("9", &json!("x")), result("8", &Value::Null)]), &["u Result of an earlier call: x"]);
        // Calls of a user and results of a model are nobody's
        check(&json!([{"role": "user", "content": [{"type": "toolCall", "id": "1", "name": "x"}]}]), &[]);
    }
}
