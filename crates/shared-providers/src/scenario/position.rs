//! Where in its scenario the model stands, by the conversation that it is sent.

use serde_json::{Value, json};

use crate::{Message, Role};

/// The field of an answer that says which turn it was.
const FIELD: &str = "scenario";
/// The same for a summary, which is text alone.
const WORDS: &str = "(The scripted model goes on with turn ";

/// Marks an answer as that of the turn at `index`, counted from 0.
pub(super) fn mark(message: &mut Message, index: usize) {
    message.extra.insert(FIELD.to_owned(), json!({ "turn": index + 1 }));
}

/// The same for a summary, after which the turn at `index` comes.
pub(super) fn words(index: usize) -> String {
    format!("{WORDS}{}.)", index + 1)
}

/// The index of the turn that comes next.
pub(super) fn next(messages: &[Message]) -> usize {
    messages.iter().filter(|message| message.role != Role::System).filter_map(after).max().unwrap_or_default()
}

fn after(message: &Message) -> Option<usize> {
    let turn = message.extra.get(FIELD).and_then(|field| field.get("turn")).and_then(Value::as_u64);
    if let Some(turn) = turn {
        return usize::try_from(turn).ok();
    }
    let text = message.plain_text();
    let (_, rest) = text.split_once(WORDS)?;
    let (turn, _) = rest.split_once('.')?;
    turn.parse::<usize>().ok()?.checked_sub(1)
}
