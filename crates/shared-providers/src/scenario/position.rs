//! Where in its scenario the model stands, by the conversation that it is sent.
//!
//! Each answer carries the number of the step after it, in the field that is kept for providers and that outlives a
//! compaction. The names of its calls carry it too, for conversations that lost the field on the way.

use serde_json::{Value, json};

use crate::{Content, KnownPart, Message, PROVIDER_STATE, Part, Role};

/// What the ids of calls begin with.
const CALL: &str = "scripted";

/// Marks an answer: the step at `next` comes after it.
pub(super) fn mark(message: &mut Message, next: usize) {
    message.extra.insert(PROVIDER_STATE.to_owned(), json!({ "scripted": next }));
}

/// The id of a call: the step after it, its number, and what tells its place apart from those in other conversations.
pub(super) fn call_id(next: usize, number: usize, place: u64) -> String {
    format!("{CALL}-{next}-{number}-{:08x}", place as u32)
}

/// The step that comes next: what the last message says that says anything. An answer of another model says nothing, so a
/// scenario begins where it takes over.
pub(super) fn next(messages: &[Message]) -> usize {
    messages.iter().rev().find_map(said).unwrap_or_default()
}

fn said(message: &Message) -> Option<usize> {
    let state = message.extra.get(PROVIDER_STATE).and_then(|state| state.get("scripted")).and_then(Value::as_u64);
    if let Some(next) = state {
        return usize::try_from(next).ok();
    }
    let (Role::Assistant, Content::Parts(parts)) = (&message.role, &message.content) else { return None };
    parts.iter().find_map(|part| match part {
        Part::Known(KnownPart::ToolCall { id, .. }) => {
            id.strip_prefix(CALL)?.strip_prefix('-')?.split('-').next()?.parse().ok()
        }
        _ => None,
    })
}

/// A number for a conversation: others begin with other words.
pub(super) fn of_beginning(messages: &[Message]) -> u64 {
    let first = messages.iter().find(|message| message.role == Role::User);
    fnv(first.map(Message::plain_text).unwrap_or_default().bytes())
}

/// A number for the place in a conversation: no other has messages of the same ids.
pub(super) fn of_place(messages: &[Message]) -> u64 {
    let ids = messages.iter().filter_map(|message| message.id.as_deref());
    of_beginning(messages) ^ fnv(ids.flat_map(str::bytes))
}

/// FNV-1a.
fn fnv(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
