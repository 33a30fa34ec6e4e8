//! `${…}` in what a scenario says: what the tools gave, what the person said, which round it is.

use serde_json::Value;

use crate::{Content, KnownPart, Message, Part, Role};

/// What the model sees of the conversation when it answers.
pub(super) struct Seen<'a> {
    /// What the last tools gave, in the order of the conversation, and whether they failed.
    pub(super) results: Vec<(&'a Value, bool)>,
    /// What the person said last.
    pub(super) user: String,
    /// The rounds of the loops, the innermost last.
    pub(super) rounds: &'a [u64],
}

impl<'a> Seen<'a> {
    pub(super) fn of(messages: &'a [Message], rounds: &'a [u64]) -> Self {
        let since_answer = messages.iter().rev().take_while(|message| message.role != Role::Assistant);
        let mut results: Vec<_> = since_answer.filter(|it| it.role == Role::Tool).flat_map(results_of).collect();
        results.reverse();
        let user = messages.iter().rev().find(|message| message.role == Role::User);
        Self { results, user: user.map(Message::plain_text).unwrap_or_default(), rounds }
    }

    /// All that the last tools gave, as one text.
    pub(super) fn text(&self) -> String {
        self.results.iter().map(|(result, _)| text_of(result)).collect::<Vec<_>>().join("\n")
    }

    /// The text with what stands for something replaced. What stands for nothing stays.
    pub(super) fn fill(&self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            out.push_str(before);
            let found = after.split_once('}').and_then(|(name, rest)| Some((self.value(name)?, rest)));
            match found {
                Some((value, after)) => {
                    out.push_str(&value);
                    rest = after;
                }
                None => {
                    out.push_str("${");
                    rest = after;
                }
            }
        }
        out + rest
    }

    /// The same in all texts of a value.
    pub(super) fn fill_value(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.fill(text)),
            Value::Array(items) => items.iter().map(|item| self.fill_value(item)).collect(),
            Value::Object(fields) => fields.iter().map(|(key, value)| (key.clone(), self.fill_value(value))).collect(),
            other => other.clone(),
        }
    }

    fn value(&self, name: &str) -> Option<String> {
        match name {
            "user" => Some(self.user.clone()),
            "result" => Some(self.text()),
            "i" => self.rounds.last().map(u64::to_string),
            "j" => self.rounds.len().checked_sub(2).map(|at| self.rounds[at].to_string()),
            name => {
                let mut path = name.strip_prefix("result.")?.split('.');
                let (mut value, _) = *self.results.get(path.next()?.parse::<usize>().ok()?)?;
                for key in path {
                    value = value.get(key).or_else(|| value.get(key.parse::<usize>().ok()?))?;
                }
                Some(text_of(value))
            }
        }
    }
}

fn results_of(message: &Message) -> Vec<(&Value, bool)> {
    let Content::Parts(parts) = &message.content else { return Vec::new() };
    // The messages are walked backwards
    let known = parts.iter().rev().filter_map(|part| match part {
        Part::Known(KnownPart::ToolResult { result, is_error, .. }) => Some((result, *is_error)),
        _ => None,
    });
    known.collect()
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
