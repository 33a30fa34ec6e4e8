use mimir_shared_config::{EventName, Risk};
use mimir_shared_platform::Guard;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use thiserror::Error;

use crate::decision::NO_REASON;
use crate::definition::{AnswerDefinition, Definition, OnThrow, definition};
use crate::patch::{PatchError, patch};
use crate::schemas::schemas;
use crate::shape::{Fault, Mismatch, kind_of};

/// What a handler said.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// It returned.
    Returned {
        /// What it returned; `None` for `undefined`.
        value: Option<Value>,
        /// The fields of the event that it altered in place, each with its whole new value.
        changed: Option<Map<String, Value>>,
    },
    /// It threw.
    Threw {
        /// The error's message.
        message: String,
        /// The stack, if there is one.
        stack: Option<String>,
    },
}

/// What an answer does to its event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing.
    Passed,
    /// The event goes on with another payload.
    Changed {
        /// The whole new payload, JSON text.
        payload: String,
        /// Why, if the plugin said so.
        reason: Option<String>,
    },
    /// What the event announced must not happen.
    Blocked {
        /// Why.
        reason: String,
    },
    /// The request is allowed.
    Approved {
        /// Why, if the plugin said so.
        reason: Option<String>,
    },
    /// The request is refused.
    Denied {
        /// Why, if the plugin said so.
        reason: Option<String>,
    },
}

/// A verdict, and the part of the answer that was not obeyed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// What the answer does.
    pub verdict: Verdict,
    /// What was not obeyed, and why, for people.
    pub notice: Option<String>,
}

impl From<Verdict> for Judgement {
    fn from(verdict: Verdict) -> Self {
        Self { verdict, notice: None }
    }
}

/// An answer that its event does not take: a failure of the plugin that gave it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidAnswer {
    /// The handler threw, and in this event a throw means nothing.
    #[error("it threw: {message}{at}")]
    Threw {
        /// The error's message.
        message: String,
        /// ` (at …)`: the place, or nothing if it is not known.
        at: String,
    },
    /// The event takes no answer at all.
    #[error("`{event}` takes no answer, but the handler returned {found}")]
    NoneTaken {
        /// The event.
        event: EventName,
        /// What was returned: `an object`, `a string`…
        found: &'static str,
    },
    /// The answer is not an object.
    #[error("an answer to `{event}` is an object ({forms}), but the handler returned {found}")]
    NoObject {
        /// The event.
        event: EventName,
        /// The forms that it takes.
        forms: String,
        /// What was returned.
        found: &'static str,
    },
    /// The answer has a key that the event does not take.
    #[error("an answer to `{event}` has no key `{key}`; {hint}")]
    UnknownKey {
        /// The event.
        event: EventName,
        /// The key.
        key: String,
        /// The nearest known key, or all of them.
        hint: String,
    },
    /// A value of the answer is of the wrong type.
    #[error("in an answer to `{event}`, `{path}` must be {expected}, but is {found}")]
    WrongType {
        /// The event.
        event: EventName,
        /// Where: `messages[2].role`.
        path: String,
        /// What it must be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// A key is missing.
    #[error("in an answer to `{event}`, `{path}` is missing")]
    Missing {
        /// The event.
        event: EventName,
        /// Which: `allow`, `messages[2].role`.
        path: String,
    },
    /// The answer gives a reason for nothing.
    #[error("an answer to `{event}` gives a `reason` but nothing to do; it takes {forms}")]
    OnlyReason {
        /// The event.
        event: EventName,
        /// The forms that it takes.
        forms: String,
    },
    /// The answer changes an event whose payload is no JSON object, as only a broken recording has it.
    #[error("the payload of this `{event}` is no object, so that nothing in it can be changed")]
    Unchangeable {
        /// The event.
        event: EventName,
    },
}

/// Longest reason that is kept, in bytes: it is shown to people and sent to the model.
const MAX_REASON: usize = 4096;

/// What `reply` does to `event` with this payload (JSON text, as the plugins before left it). `approve_up_to` is the
/// highest risk that the plugin may approve.
///
/// # Errors
/// An answer that the event does not take, or a throw where that means nothing.
pub fn judge(
    event: EventName,
    payload: &str,
    reply: Reply,
    approve_up_to: Option<Risk>,
) -> Result<Judgement, InvalidAnswer> {
    let definition = definition(event);
    match reply {
        Reply::Threw { message, stack } => match definition.on_throw {
            OnThrow::Blocks => Ok(Verdict::blocked(Some(message)).into()),
            OnThrow::Fails => Err(InvalidAnswer::Threw {
                message: clipped(message),
                at: stack.as_deref().map_or_else(String::new, at),
            }),
        },
        Reply::Returned { value, changed } => returned(definition, payload, value, changed, approve_up_to),
    }
}

fn returned(
    definition: &Definition,
    payload: &str,
    value: Option<Value>,
    changed: Option<Map<String, Value>>,
    approve_up_to: Option<Risk>,
) -> Result<Judgement, InvalidAnswer> {
    let event = definition.event;
    let value = value.unwrap_or_default();
    let mut changed = changed.unwrap_or_default();
    let Some(form) = &definition.answer else {
        return match &value {
            Value::Null => Ok(Judgement { verdict: Verdict::Passed, notice: ignored(event, &changed) }),
            found => Err(InvalidAnswer::NoneTaken { event, found: kind_of(found) }),
        };
    };
    let mut answer = match value {
        Value::Null => Map::new(),
        Value::Object(answer) => answer,
        found => return Err(InvalidAnswer::NoObject { event, forms: form.forms(), found: kind_of(&found) }),
    };
    let is_silent = answer.is_empty();
    // What is returned counts before what was changed in place: it was said on purpose.
    let mut is_changed = false;
    if let Some((key, new)) = form.in_place.and_then(|field| changed.shift_remove_entry(field)) {
        is_changed = true;
        answer.entry(key).or_insert(new);
    }
    let notice = ignored(event, &changed);
    if is_silent && !is_changed {
        return Ok(Judgement { verdict: Verdict::Passed, notice });
    }
    let answer = Value::Object(answer);
    if Guard::AnswerSchema.stands() {
        schemas().check_answer(event, &answer).map_err(|mismatch| InvalidAnswer::from_mismatch(event, mismatch))?;
    }
    let mut judgement = (form.judge)(&Asked { event, form, payload, answer: &answer, approve_up_to })?;
    judgement.notice = judgement.notice.or(notice);
    Ok(judgement)
}

/// Changes in place of fields that the event does not let change.
fn ignored(event: EventName, changed: &Map<String, Value>) -> Option<String> {
    let fields: Vec<_> = changed.keys().map(|field| format!("`event.{field}`")).collect();
    (!fields.is_empty())
        .then(|| format!("its change of {} in place has no effect: `{event}` does not take it", fields.join(" and ")))
}

/// ` (at …)`, the innermost frame of a stack.
fn at(stack: &str) -> String {
    let frame = stack.lines().map(str::trim).find(|line| line.starts_with("at "));
    frame.map_or_else(String::new, |frame| format!(" ({frame})"))
}

fn clipped(mut reason: String) -> String {
    if reason.len() > MAX_REASON {
        reason.truncate(reason.floor_char_boundary(MAX_REASON));
        reason.push('…');
    }
    reason
}

impl Verdict {
    /// A block; one without a reason says so.
    pub(crate) fn blocked(reason: Option<String>) -> Self {
        let reason = reason.filter(|reason| !reason.trim().is_empty());
        Self::Blocked { reason: reason.map_or_else(|| NO_REASON.to_owned(), clipped) }
    }

    /// The answer to a request.
    pub(crate) fn replied(is_allowed: bool, reason: Option<String>) -> Self {
        let reason = reason.map(clipped);
        if is_allowed { Self::Approved { reason } } else { Self::Denied { reason } }
    }
}

impl AnswerDefinition {
    /// The forms in one line, for messages.
    fn forms(&self) -> String {
        let forms: Vec<_> = self.forms.iter().map(|(form, _)| *form).filter(|form| form.starts_with('{')).collect();
        forms.join(" or ")
    }
}

/// An answer that has passed the check against its event's schema, and what is needed to judge it.
pub(crate) struct Asked<'a> {
    event: EventName,
    form: &'a AnswerDefinition,
    pub(crate) payload: &'a str,
    answer: &'a Value,
    pub(crate) approve_up_to: Option<Risk>,
}

impl Asked<'_> {
    /// The answer as its type.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, InvalidAnswer> {
        T::deserialize(self.answer).map_err(|error| InvalidAnswer::WrongType {
            event: self.event,
            path: "answer".to_owned(),
            expected: self.form.forms(),
            found: error.to_string(),
        })
    }

    /// The event with new values in some of its fields: those that are `Some`. Passed if nothing comes out different.
    pub(crate) fn change<const N: usize>(
        &self,
        fields: [(&'static str, Option<Value>); N],
        reason: Option<String>,
    ) -> Result<Judgement, InvalidAnswer> {
        let has_fields = fields.iter().any(|(_, value)| value.is_some());
        if !has_fields && reason.is_some() {
            return Err(InvalidAnswer::OnlyReason { event: self.event, forms: self.form.forms() });
        }
        let fields = fields.into_iter().filter_map(|(field, value)| Some((field, value?)));
        match patch(self.payload, fields) {
            Ok(Some(payload)) => Ok(Verdict::Changed { payload, reason: reason.map(clipped) }.into()),
            Ok(None) => Ok(Verdict::Passed.into()),
            Err(PatchError) => Err(InvalidAnswer::Unchangeable { event: self.event }),
        }
    }
}

impl InvalidAnswer {
    fn from_mismatch(event: EventName, Mismatch { path, fault }: Mismatch) -> Self {
        match fault {
            Fault::WrongType { expected, found } => Self::WrongType { event, path, expected, found },
            Fault::Missing => Self::Missing { event, path },
            Fault::Unknown { known } => Self::UnknownKey { event, hint: hint(&path, &known), key: path },
        }
    }
}

/// The nearest of the known keys if one is near, else all of them.
fn hint(key: &str, known: &[String]) -> String {
    let name = key.rsplit('.').next().unwrap_or(key).to_lowercase();
    let nearest = known.iter().map(|known| (strsim::osa_distance(&name, &known.to_lowercase()), known)).min();
    match nearest {
        Some((distance, nearest)) if distance <= 1 + name.len() / 4 => format!("did you mean `{nearest}`?"),
        _ => {
            let known: Vec<_> = known.iter().map(|key| format!("`{key}`")).collect();
            format!("it takes {}", known.join(", "))
        }
    }
}
