use std::sync::LazyLock;

use mimir_shared_config::EventName;
use serde::Serialize;
use serde_json::Value;

use crate::definition::definition;
use crate::schemas::schemas;
use crate::typescript;
use crate::{ClosedEffect, Mode, OnThrow};

/// Everything that a person, or a generated page, wants to know about one event.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EventEntry {
    /// Its name.
    pub name: EventName,
    /// Other names under which a plugin may listen to it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<&'static str>,
    /// What it tells, in a sentence or two.
    pub description: &'static str,
    /// One plugin after the other, or all at once.
    pub mode: Mode,
    /// Whether the agent waits for the plugins.
    pub waits: bool,
    /// What a throw does.
    pub on_throw: OnThrow,
    /// What the failure of a `closed` plugin does.
    pub on_closed: ClosedEffect,
    /// The payload's fields, `timestamp` and `sessionId` last.
    pub fields: Vec<FieldEntry>,
    /// The answers that it takes; none if there are none.
    pub answers: Vec<AnswerEntry>,
    /// The field whose change in place counts as an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_place: Option<&'static str>,
    /// JSON Schema of the payload.
    pub payload_schema: Value,
    /// JSON Schema of an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer_schema: Option<Value>,
}

/// One field of a payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FieldEntry {
    /// Its name.
    pub name: String,
    /// Its type, as TypeScript writes it.
    #[serde(rename = "type")]
    pub type_name: String,
    /// Whether it may be absent.
    pub optional: bool,
    /// What it is.
    pub description: String,
}

/// One form of answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AnswerEntry {
    /// As a plugin writes it: `{ block: true, reason }`, `throw`.
    pub form: &'static str,
    /// What it does.
    pub effect: &'static str,
}

/// All events, in the order in which they are documented.
pub fn catalogue() -> &'static [EventEntry] {
    static CATALOGUE: LazyLock<Vec<EventEntry>> = LazyLock::new(|| EventName::ALL.map(entry).into());
    &CATALOGUE
}

fn entry(event: EventName) -> EventEntry {
    let definition = definition(event);
    let schemas = schemas();
    let payload = &schemas.payloads[event as usize];
    let mut fields = typescript::fields(schemas.resolve(payload));
    // What all events have says least about this one.
    fields.rotate_left(2);
    let answer = definition.answer.as_ref();
    let forms = answer.map_or(&[][..], |answer| answer.forms);
    EventEntry {
        name: event,
        aliases: match event {
            EventName::SessionIdle => vec![EventName::SESSION_COMPLETED_ALIAS],
            _ => Vec::new(),
        },
        description: definition.description,
        mode: definition.mode,
        waits: definition.waits,
        on_throw: definition.on_throw,
        on_closed: definition.on_closed,
        fields,
        answers: forms.iter().map(|&(form, effect)| AnswerEntry { form, effect }).collect(),
        in_place: answer.and_then(|answer| answer.in_place),
        payload_schema: schemas.standalone(payload),
        answer_schema: schemas.answers[event as usize].as_ref().map(|schema| schemas.standalone(schema)),
    }
}
