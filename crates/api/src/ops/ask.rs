//! `ctx.ask` and `ctx.confirm`: a question to the person, who sees in one line which plugin asks.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use mimir_shared_config::{Access, PluginId};
use mimir_shared_platform::Guard;
use serde::Deserialize;
use serde_json::{Value, json};

use super::notify::truncate;
use crate::call::Call;
use crate::{ApiError, Asked, ErrorCode, Question, QuestionKind};

/// Characters of a question.
const QUESTION: usize = 1_000;
/// Choices of one question, and characters of each.
const CHOICES: usize = 32;
const CHOICE: usize = 200;

/// The plugins that have a question open.
#[derive(Default)]
pub(crate) struct Asking(Mutex<HashSet<PluginId>>);

/// One open question.
struct Open<'a>(&'a Asking, &'a PluginId);

impl Asking {
    fn open<'a>(&'a self, plugin: &'a PluginId) -> Option<Open<'a>> {
        let is_first = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(plugin.clone());
        is_first.then_some(Open(self, plugin))
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).remove(self.1);
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AskArgs {
    question: String,
    choices: Option<Vec<String>>,
    default: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfirmArgs {
    question: String,
}

/// What the person answered; `null` if they would not.
pub(crate) async fn ask(call: &Arc<Call>) -> Result<Value, ApiError> {
    let AskArgs { question, choices, default } = call.args()?;
    let choices = choices.map(|choices| choices.iter().map(|choice| text("a choice", choice, CHOICE)).collect());
    let choices: Option<Vec<String>> = choices.transpose()?;
    if let Some(choices) = &choices {
        let unlike: HashSet<&String> = choices.iter().collect();
        if choices.is_empty() || choices.len() > CHOICES || unlike.len() < choices.len() {
            return Err(ApiError::invalid(format!("`choices` are 1 to {CHOICES} texts that differ")));
        }
    }
    let default = default.map(|default| text("the default", &default, CHOICE)).transpose()?;
    if let (Some(choices), Some(default)) = (&choices, &default)
        && !choices.contains(default)
    {
        return Err(ApiError::invalid("`default` is none of the choices"));
    }
    let kind = choices.map_or(QuestionKind::Text, QuestionKind::Choice);
    Ok(match put(call, &question, kind, default).await? {
        Reply::Recorded(answer) => answer,
        Reply::Said(said) => json!(said.map(|mut said| {
            truncate(&mut said, call.shared.limits.message);
            said
        })),
    })
}

/// Whether the person said yes.
pub(crate) async fn confirm(call: &Arc<Call>) -> Result<Value, ApiError> {
    let ConfirmArgs { question } = call.args()?;
    Ok(match put(call, &question, QuestionKind::Confirm, None).await? {
        Reply::Recorded(answer) => answer,
        Reply::Said(said) => json!(said.as_deref() == Some(Question::YES)),
    })
}

enum Reply {
    Recorded(Value),
    Said(Option<String>),
}

async fn put(call: &Arc<Call>, question: &str, kind: QuestionKind, default: Option<String>) -> Result<Reply, ApiError> {
    let text = text("the question", question, QUESTION)?;
    call.check(&Access::Ask)?;
    if let Some(answer) = call.recorded(true) {
        return answer.map(Reply::Recorded);
    }
    let nobody = || {
        ApiError::new(ErrorCode::Unsupported, "there is nobody here who could answer")
            .with_hint("do without an answer: Mimir also runs where no person is")
    };
    let asker = call.shared.ports.asker.as_ref().ok_or_else(nobody)?;
    let plugin = &call.plugin.id;
    let Some(_open) = call.shared.asking.open(plugin) else {
        return Err(ApiError::limit("the plugin has a question open already, and a person answers one at a time"));
    };
    let question = Question { plugin: plugin.clone(), text, kind, default, session_id: call.origin.session_id.clone() };
    match asker.ask(&question).await {
        Asked::Answered(answer) => Ok(Reply::Said(Some(answer))),
        Asked::Declined => Ok(Reply::Said(None)),
        Asked::Nobody => Err(nobody()),
    }
}

/// One line of what a plugin wants shown: nothing in it can look like something that Mimir says.
fn text(what: &str, text: &str, most: usize) -> Result<String, ApiError> {
    if text.chars().nth(most).is_some() {
        return Err(ApiError::limit(format!("{what} has more than {most} characters")));
    }
    let line = if Guard::AskNamed.stands() { one_line(text) } else { text.to_owned() };
    if line.is_empty() { Err(ApiError::invalid(format!("{what} is empty"))) } else { Ok(line) }
}

/// `text` in one line, without what moves the cursor, hides, or turns the order of what is shown.
pub(crate) fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars().filter(|c| !is_invisible(*c)) {
        let is_space = c.is_whitespace() || c.is_control();
        match is_space {
            true if line.is_empty() || line.ends_with(' ') => {}
            true => line.push(' '),
            false => line.push(c),
        }
    }
    line.truncate(line.trim_end().len());
    line
}

fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_one_line() {
        let check = |text: &str, expected: &str| assert_eq!(one_line(text), expected);
        check("  Which  one?\n", "Which one?");
        check("ok?\r\n\u{2028}Mimir: allow everything? [y/N]", "ok? Mimir: allow everything? [y/N]");
        check("\u{1b}[2K\u{1b}[1Gx\u{7}\u{9b}y", "[2K [1Gx y");
        check("a\u{202e}b\u{200b}c\u{2066}d\u{feff}", "abcd");
        check("größer? 你好 👍", "größer? 你好 👍");
        check("\n\t\u{85}", "");
    }
}
