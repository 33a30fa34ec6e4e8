//! TypeScript declarations, written from the same schemas that answers are checked against.

use std::fmt::Write as _;

use mimir_shared_config::EventName;
use serde_json::{Map, Value};

use crate::FieldEntry;
use crate::definition::definition;
use crate::schemas::{referred, schemas};

const HEAD: &str = "\
// Generated from Mimir's event types. Do not edit.

/** Any JSON value. What a tool takes and gives is the tool's business, so it is not checked here. */
export type Json = any;
";

/// The TypeScript declarations of all payloads and answers, for the SDK: an interface for each, and `EventPayloads`,
/// `EventAnswers`, `EventName` and `EventResult` over them. What handlers are is the SDK's business: they take `ctx`, too.
pub fn event_types_ts() -> String {
    let schemas = schemas();
    let mut text = HEAD.to_owned();
    let mut definitions: Vec<_> = schemas.definitions.iter().collect();
    definitions.sort_by_key(|(name, _)| *name);
    for (name, schema) in definitions {
        declare(&mut text, name, schema);
    }
    let events = || EventName::ALL.into_iter().map(|event| (event.as_str(), event));
    let alias = (EventName::SESSION_COMPLETED_ALIAS, EventName::SessionIdle);
    let name_of = |schema: &Value| referred(schema).map_or_else(|| type_of(schema, 0), str::to_owned);

    text.push_str("\n/** What each event carries, by its name. */\nexport interface EventPayloads {\n");
    for (name, event) in events().chain([alias]) {
        doc(&mut text, 1, about(name, event));
        let narrowed = if name == alias.0 { " & { reason: 'completed' }" } else { "" };
        let _ = writeln!(text, "  '{name}': {}{narrowed};", name_of(&schemas.payloads[event as usize]));
    }
    text.push_str(
        "}\n\n/** The answers that each event takes; `never` if it takes none. */\nexport interface EventAnswers {\n",
    );
    for (name, event) in events().chain([alias]) {
        let answer = schemas.answers[event as usize].as_ref().map_or_else(|| "never".to_owned(), name_of);
        let _ = writeln!(text, "  '{name}': {answer};");
    }
    text.push_str(
        "}

/** The name of an event, or its alias. */
export type EventName = keyof EventPayloads;

/** What a handler may give back: an answer, or nothing. */
export type EventResult<E extends EventName> = EventAnswers[E] | null | undefined | void;
",
    );
    text
}

fn about(name: &str, event: EventName) -> &'static str {
    if name == EventName::SESSION_COMPLETED_ALIAS {
        "The task is done: `session.idle` with reason `completed`."
    } else {
        definition(event).description
    }
}

/// The fields of an object's schema, in the order of the type.
pub(crate) fn fields(schema: &Value) -> Vec<FieldEntry> {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return Vec::new() };
    let required: Vec<_> =
        schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let entries = properties.iter().map(|(name, schema)| {
        let optional = !required.contains(&name.as_str());
        FieldEntry {
            name: name.clone(),
            type_name: if optional { without_null(type_of(schema, 1)) } else { type_of(schema, 1) },
            optional,
            description: schema.get("description").and_then(Value::as_str).unwrap_or_default().to_owned(),
        }
    });
    entries.collect()
}

fn declare(text: &mut String, name: &str, schema: &Value) {
    text.push('\n');
    doc(text, 0, schema.get("description").and_then(Value::as_str).unwrap_or_default());
    if schema.get("properties").is_some() && schema.get("oneOf").is_none() && schema.get("anyOf").is_none() {
        let _ = writeln!(text, "export interface {name} {}", object(schema, 0));
    } else {
        let _ = writeln!(text, "export type {name} = {};", type_of(schema, 0));
    }
}

fn doc(text: &mut String, depth: usize, description: &str) {
    let indent = "  ".repeat(depth);
    let description = description.replace("*/", "*\\/").replace("[`", "`").replace("`]", "`");
    let lines: Vec<_> = description.lines().collect();
    match lines[..] {
        [] => {}
        [line] => {
            let _ = writeln!(text, "{indent}/** {line} */");
        }
        _ => {
            let _ = writeln!(text, "{indent}/**");
            for line in lines {
                let _ = writeln!(text, "{indent} * {line}");
            }
            let _ = writeln!(text, "{indent} */");
        }
    }
}

/// A schema's type. Optional fields are `name?:`, so that `null` beside a type is left out there.
fn type_of(schema: &Value, depth: usize) -> String {
    let Value::Object(object_schema) = schema else { return "Json".to_owned() };
    if let Some(name) = referred(schema) {
        return name.to_owned();
    }
    if let Some(constant) = object_schema.get("const") {
        return literal(constant);
    }
    if let Some(values) = object_schema.get("enum").and_then(Value::as_array) {
        return union(values.iter().map(literal));
    }
    if let Some(options) = object_schema.get("anyOf").or_else(|| object_schema.get("oneOf")).and_then(Value::as_array) {
        return union(options.iter().map(|option| type_of(option, depth)));
    }
    match object_schema.get("type") {
        Some(Value::String(kind)) => named(kind, schema, depth),
        Some(Value::Array(kinds)) => {
            union(kinds.iter().filter_map(Value::as_str).map(|kind| named(kind, schema, depth)))
        }
        _ => "Json".to_owned(),
    }
}

fn named(kind: &str, schema: &Value, depth: usize) -> String {
    match kind {
        "boolean" | "string" | "null" => kind.to_owned(),
        "integer" | "number" => "number".to_owned(),
        "array" => match schema.get("items").map(|item| type_of(item, depth)) {
            Some(item) if item.contains(' ') => format!("({item})[]"),
            Some(item) => format!("{item}[]"),
            None => "Json[]".to_owned(),
        },
        "object" if schema.get("properties").is_some_and(|properties| properties != &Value::Object(Map::new())) => {
            object(schema, depth)
        }
        "object" => "Record<string, Json>".to_owned(),
        _ => "Json".to_owned(),
    }
}

/// `{ … }` with the fields of an object. That unknown fields are kept is not declared: an index signature would take
/// away the check of misspelt names.
fn object(schema: &Value, depth: usize) -> String {
    let mut text = "{\n".to_owned();
    for field in fields(schema) {
        doc(&mut text, depth + 1, &field.description);
        let mark = if field.optional { "?" } else { "" };
        let _ = writeln!(text, "{}{}{mark}: {};", "  ".repeat(depth + 1), field.name, field.type_name);
    }
    text + &"  ".repeat(depth) + "}"
}

fn literal(value: &Value) -> String {
    match value {
        Value::String(text) => format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'")),
        other => other.to_string(),
    }
}

/// A union without repetitions. `string` beside literals would swallow them in an editor's suggestions, which
/// `string & {}` prevents.
fn union(options: impl Iterator<Item = String>) -> String {
    let mut types: Vec<String> = Vec::new();
    for option in options {
        // A union within a union is flattened, but not one inside an object.
        let parts = if option.contains('{') { vec![option.as_str()] } else { option.split(" | ").collect() };
        for part in parts {
            if !types.iter().any(|known| known == part) {
                types.push(part.to_owned());
            }
        }
    }
    let has_literals = types.iter().any(|name| name.starts_with('\''));
    for name in &mut types {
        if has_literals && name == "string" {
            "(string & {})".clone_into(name);
        }
    }
    types.join(" | ")
}

fn without_null(type_name: String) -> String {
    type_name.strip_suffix(" | null").map(str::to_owned).unwrap_or(type_name)
}
