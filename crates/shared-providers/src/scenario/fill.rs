//! What a turn can look at: what the tools gave, what the person said, which round it is.

use std::collections::HashMap;

use serde_json::Value;

use super::file::Condition;
use super::plan::Rounds;
use crate::{Content, KnownPart, Message, Part, Role};

/// What the model sees of the conversation when it answers.
pub(super) struct Seen<'a> {
    /// What the last tools gave, in the order of the conversation.
    pub(super) results: Vec<Given<'a>>,
    /// What the person said last.
    pub(super) user: String,
}

/// What a tool gave.
pub(super) struct Given<'a> {
    tool: &'a str,
    result: &'a Value,
    is_error: bool,
}

/// Marks messages that the person did not write.
const NOT_BY_PERSON: &str = "mimir";

impl<'a> Seen<'a> {
    pub(super) fn of(messages: &'a [Message]) -> Self {
        let answer = messages.iter().rposition(|message| message.role == Role::Assistant);
        let (answer, since) = match answer {
            Some(at) => (parts(&messages[at]), &messages[at + 1..]),
            None => (&[][..], &[][..]),
        };
        let tools: HashMap<&str, &str> = answer
            .iter()
            .filter_map(|part| match part {
                Part::Known(KnownPart::ToolCall { id, name, .. }) => Some((id.as_str(), name.as_str())),
                _ => None,
            })
            .collect();
        let results = since.iter().flat_map(parts).filter_map(|part| match part {
            Part::Known(KnownPart::ToolResult { call_id, result, is_error, .. }) => {
                let tool = tools.get(call_id.as_str()).copied().unwrap_or_default();
                Some(Given { tool, result, is_error: *is_error })
            }
            _ => None,
        });
        let by_person = |message: &&Message| message.role == Role::User && !message.extra.contains_key(NOT_BY_PERSON);
        let user = messages.iter().rev().find(by_person);
        Self { results: results.collect(), user: user.map(Message::plain_text).unwrap_or_default() }
    }

    /// All that the last tools gave, as one text.
    pub(super) fn text(&self) -> String {
        self.results.iter().map(|given| text_of(given.result)).collect::<Vec<_>>().join("\n")
    }

    /// Whether a condition holds; `${…}` in its texts is replaced as elsewhere.
    pub(super) fn holds(&self, condition: &Condition, rounds: &Rounds) -> bool {
        let Condition { tool, result, result_matches, is_error, user, user_matches, not, any } = condition;
        let given = || self.results.iter().filter(|given| tool.as_ref().is_none_or(|tool| given.tool == tool));
        let filled = |text: &Option<String>| text.as_ref().map(|text| self.fill(text, rounds));
        tool.as_ref().is_none_or(|_| given().next().is_some())
            && filled(result).is_none_or(|text| given().any(|given| text_of(given.result).contains(&text)))
            && filled(result_matches).is_none_or(|glob| given().any(|given| matches(&glob, &text_of(given.result))))
            && is_error.is_none_or(|wanted| given().any(|given| given.is_error) == wanted)
            && filled(user).is_none_or(|text| self.user.contains(&text))
            && filled(user_matches).is_none_or(|glob| matches(&glob, &self.user))
            && not.as_ref().is_none_or(|condition| !self.holds(condition, rounds))
            && (any.is_empty() || any.iter().any(|condition| self.holds(condition, rounds)))
    }

    /// The text with what stands for something replaced. What stands for nothing stays: a shell may know it.
    pub(super) fn fill(&self, text: &str, rounds: &Rounds) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            out.push_str(before);
            let found = after.split_once('}').and_then(|(name, rest)| Some((self.value(name, rounds)?, rest)));
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
    pub(super) fn fill_value(&self, value: &Value, rounds: &Rounds) -> Value {
        match value {
            Value::String(text) => Value::String(self.fill(text, rounds)),
            Value::Array(items) => items.iter().map(|item| self.fill_value(item, rounds)).collect(),
            Value::Object(fields) => {
                fields.iter().map(|(key, value)| (key.clone(), self.fill_value(value, rounds))).collect()
            }
            other => other.clone(),
        }
    }

    fn value(&self, name: &str, rounds: &Rounds) -> Option<String> {
        let named = rounds.iter().rev().find(|(counter, _)| counter.as_deref() == Some(name));
        match name {
            _ if named.is_some() => named.map(|(_, round)| round.to_string()),
            "user" => Some(self.user.clone()),
            "result" => Some(self.text()),
            "i" => rounds.last().map(|(_, round)| round.to_string()),
            "j" => rounds.len().checked_sub(2).map(|at| rounds[at].1.to_string()),
            name => {
                let mut path = name.strip_prefix("result.")?.split('.');
                let first = path.next()?;
                let given = match first.parse::<usize>() {
                    Ok(number) => self.results.get(number)?,
                    Err(_) => self.results.iter().find(|given| given.tool == first)?,
                };
                let mut value = given.result;
                for key in path {
                    value = value.get(key).or_else(|| value.get(key.parse::<usize>().ok()?))?;
                }
                Some(text_of(value))
            }
        }
    }
}

fn parts(message: &Message) -> &[Part] {
    match &message.content {
        Content::Parts(parts) => parts,
        Content::Text(_) => &[],
    }
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Whether the whole text is of a pattern in which `*` is any text and `?` any character.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    // Where to go on if what follows the last `*` does not fit: the `*` takes one character more
    let mut retry = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                retry = Some((p, t));
                p += 1;
            }
            Some(c) if *c == '?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((star, taken)) = retry else { return false };
                retry = Some((star, taken + 1));
                (p, t) = (star + 1, taken + 1);
            }
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_match_the_whole() {
        for (pattern, text, expected) in [
            ("a*", "abc\n", true),
            ("*b*", "abc", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*.rs", "a.rs.rs", true),
            ("*ab", "aab", true),
            ("b", "abc", false),
            ("", "", true),
            ("**", "", true),
            ("", "x", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }
}
