//! Values against a schema, with what is wrong said for people and with its place.

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{JsonType, ValidationError};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::problem::{Problem, dotted};
use crate::schema::Checker;
use crate::suggest;
use crate::yaml::{Document, PathPart};

/// What is written beneath these keys is not ours: a `null` there means something.
const FOREIGN: [&str; 3] = ["options", "input", "schema"];

/// Reads a text, checks it and makes a `T` of it. `more` looks for what a schema cannot say, in a value that may be wrong
/// otherwise; it gets the place of every value.
pub(crate) fn read<'a, T: DeserializeOwned>(
    text: &'a str,
    checker: &Checker,
    more: fn(&mut Findings<'_>),
) -> Result<(T, Document<'a>), Vec<Problem>> {
    let mut document = Document::parse(text).map_err(|problem| vec![problem])?;
    if document.value.is_null() {
        document.value = Value::Object(Map::new());
    }
    without_null(&mut document.value);
    let mut findings = Findings { problems: schema_problems(&document, checker), document: &document };
    more(&mut findings);
    if !findings.problems.is_empty() {
        return Err(findings.problems);
    }
    // Only a difference between the schema and the type can fail here
    match serde_json::from_value(document.value.clone()) {
        Ok(value) => Ok((value, document)),
        Err(error) => Err(vec![Problem::new(text, 0..0, error.to_string())]),
    }
}

/// The same for a value that stands in no file.
pub(crate) fn read_value<T: DeserializeOwned>(
    mut value: Value,
    checker: &Checker,
    more: fn(&mut Findings<'_>),
) -> Result<T, Problem> {
    without_null(&mut value);
    let document = Document { text: "", value, root: None };
    let mut findings = Findings { problems: schema_problems(&document, checker), document: &document };
    more(&mut findings);
    match findings.problems.into_iter().next() {
        Some(problem) => Err(problem),
        None => serde_json::from_value(document.value).map_err(|error| Problem::new("", 0..0, error.to_string())),
    }
}

fn without_null(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.iter_mut()
                .filter(|(key, _)| !FOREIGN.contains(&key.as_str()))
                .for_each(|(_, value)| without_null(value));
        }
        Value::Array(items) => items.iter_mut().for_each(without_null),
        _ => {}
    }
}

/// What is wrong with a document.
pub(crate) struct Findings<'a> {
    document: &'a Document<'a>,
    problems: Vec<Problem>,
}

impl Findings<'_> {
    /// The value at a path of keys.
    pub(crate) fn value(&self, keys: &[&str]) -> Option<&Value> {
        keys.iter().try_fold(&self.document.value, |value, key| value.get(key))
    }

    /// Checks the text at a path of keys; the check gives what is wrong with it and what to do.
    pub(crate) fn check_text(&mut self, keys: &[&str], check: impl Fn(&str) -> Result<(), Wrong>) {
        if let Some(Err(wrong)) = self.value(keys).and_then(Value::as_str).map(check) {
            self.add(&key_path(keys), wrong);
        }
    }

    /// Checks each text of the list at a path of keys.
    pub(crate) fn check_texts(&mut self, keys: &[&str], check: impl Fn(&str) -> Result<(), Wrong>) {
        let Some(Value::Array(items)) = self.value(keys) else { return };
        let checked = items.iter().map(|item| item.as_str().map_or(Ok(()), &check));
        let wrong = checked.enumerate().filter_map(|(index, result)| Some((index, result.err()?))).collect::<Vec<_>>();
        for (index, wrong) in wrong {
            let mut path = key_path(keys);
            path.push(PathPart::Index(index));
            self.add(&path, wrong);
        }
    }

    pub(crate) fn add(&mut self, path: &[PathPart], wrong: Wrong) {
        let span = self.document.span(path);
        self.problems.push(Problem::new(self.document.text, span, wrong.message).at(path).with_help(wrong.help));
    }

    /// Says that a key of the mapping at a path of keys is wrong.
    pub(crate) fn add_key(&mut self, keys: &[&str], key: &str, wrong: Wrong) {
        let mut path = key_path(keys);
        let span = self.document.key_span(&path, key);
        path.push(PathPart::Key(key.to_owned()));
        self.problems.push(Problem::new(self.document.text, span, wrong.message).at(&path).with_help(wrong.help));
    }

    /// The same in place of what was found about that key.
    pub(crate) fn replace_key(&mut self, keys: &[&str], key: &str, wrong: Wrong) {
        let mut path = key_path(keys);
        path.push(PathPart::Key(key.to_owned()));
        let path = dotted(&path);
        self.problems.retain(|problem| problem.path != path);
        self.add_key(keys, key, wrong);
    }
}

/// What is wrong and what to do about it.
pub(crate) struct Wrong {
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

impl Wrong {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None }
    }

    pub(crate) fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

pub(crate) fn key_path(keys: &[&str]) -> Vec<PathPart> {
    keys.iter().map(|key| PathPart::Key((*key).to_owned())).collect()
}

fn schema_problems(document: &Document<'_>, checker: &Checker) -> Vec<Problem> {
    let errors = checker.validator.iter_errors(&document.value);
    errors.flat_map(|error| schema_problem(document, &checker.schema, &error)).collect()
}

fn schema_problem(document: &Document<'_>, schema: &Value, error: &ValidationError<'_>) -> Vec<Problem> {
    let path = path_of(error.instance_path().as_str(), &document.value);
    if let ValidationErrorKind::AdditionalProperties { unexpected } = error.kind() {
        let known = keys_at(schema, &path);
        let unknown_key = |key: &String| {
            let mut inner = path.clone();
            inner.push(PathPart::Key(key.clone()));
            Problem::new(document.text, document.key_span(&path, key), format!("unknown key `{key}`"))
                .at(&inner)
                .with_help(suggest::help(key, &known))
        };
        return unexpected.iter().map(unknown_key).collect();
    }
    let wrong = describe(schema, &path, error);
    vec![Problem::new(document.text, document.span(&path), wrong.message).at(&path).with_help(wrong.help)]
}

fn describe(schema: &Value, path: &[PathPart], error: &ValidationError<'_>) -> Wrong {
    let value = error.instance();
    match error.kind() {
        ValidationErrorKind::Required { property } => {
            let key = property.as_str().unwrap_or_default();
            let place = if path.is_empty() { String::new() } else { format!(" in `{}`", dotted(path)) };
            let what =
                schema_at(schema, path).and_then(|schema| schema.pointer(&format!("/properties/{key}/description")));
            Wrong {
                message: format!("`{key}` is missing{place}"),
                help: what.and_then(Value::as_str).map(|text| format!("`{key}`: {}", lower_first(text))),
            }
        }
        ValidationErrorKind::Enum { options } => {
            let options = options.as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>();
            let written = shown(value);
            let is_event = path.first() == Some(&PathPart::Key("events".to_owned()));
            let message = match (is_event, value.as_str()) {
                (true, Some(_)) => format!("there is no event {written}"),
                _ => format!("{written} is not possible here"),
            };
            let help = suggest::help(value.as_str().unwrap_or_default(), &options);
            let help = if is_event { help.or_else(|| Some("`mimir events` lists them all".to_owned())) } else { help };
            Wrong { message, help }
        }
        ValidationErrorKind::Type { kind } => {
            let expected = expected(kind);
            let help = (expected == "a text" && (value.is_number() || value.is_boolean()))
                .then(|| format!("put it in quotes: '{value}'"))
                .or_else(|| {
                    (expected == "a list" && value.is_string())
                        .then(|| format!("put it in brackets: [{}]", text_of(value)))
                });
            Wrong { message: format!("expected {expected}, found {}", kind_of(value)), help }
        }
        ValidationErrorKind::Minimum { limit } => Wrong::new(format!("{value} is too small, {limit} is the least")),
        ValidationErrorKind::Maximum { limit } => Wrong::new(format!("{value} is too large, {limit} is the most")),
        ValidationErrorKind::Pattern { .. } => {
            let what = schema_at(schema, path).and_then(|schema| schema.get("description")).and_then(Value::as_str);
            let what = what.unwrap_or("of the expected form");
            Wrong::new(format!("{} is no {}", shown(value), lower_first(what).trim_end_matches('.')))
        }
        _ => Wrong::new(error.to_string()),
    }
}

/// A pointer into `value` as steps; only the value tells `0` the key from 0 the index.
pub(crate) fn path_of(pointer: &str, value: &Value) -> Vec<PathPart> {
    let mut path = Vec::new();
    let mut at = Some(value);
    for part in pointer.split('/').skip(1) {
        let part = part.replace("~1", "/").replace("~0", "~");
        match at {
            Some(Value::Array(items)) => {
                let index = part.parse().unwrap_or(usize::MAX);
                at = items.get(index);
                path.push(PathPart::Index(index));
            }
            _ => {
                at = at.and_then(|value| value.get(&part));
                path.push(PathPart::Key(part));
            }
        }
    }
    path
}

/// The part of a schema that is about the values at a path, references followed.
fn schema_at<'a>(root: &'a Value, path: &[PathPart]) -> Option<&'a Value> {
    path.iter()
        .try_fold(root, |schema, part| {
            let schema = resolved(root, schema);
            match part {
                PathPart::Key(key) => {
                    let property = schema.get("properties").and_then(|properties| properties.get(key));
                    property.or_else(|| schema.get("additionalProperties"))
                }
                PathPart::Index(_) => schema.get("items"),
            }
        })
        .map(|schema| resolved(root, schema))
}

fn resolved<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let target = schema.get("$ref").and_then(Value::as_str).and_then(|target| target.strip_prefix('#'));
    target.and_then(|pointer| root.pointer(pointer)).unwrap_or(schema)
}

fn keys_at<'a>(root: &'a Value, path: &[PathPart]) -> Vec<&'a str> {
    let properties = schema_at(root, path).and_then(|schema| schema.get("properties")).and_then(Value::as_object);
    properties.into_iter().flat_map(|properties| properties.keys().map(String::as_str)).collect()
}

/// The keys of a mapping with the schema of each, references followed.
pub(crate) fn properties_at(root: &Value, path: &[PathPart]) -> Vec<(String, Value)> {
    let properties = schema_at(root, path).and_then(|schema| schema.get("properties")).and_then(Value::as_object);
    let properties = properties.into_iter().flatten();
    properties.map(|(key, schema)| (key.clone(), resolved(root, schema).clone())).collect()
}

fn expected(kind: &TypeKind) -> String {
    let name = |kind: JsonType| match kind {
        JsonType::Null => "nothing",
        JsonType::Boolean => "`true` or `false`",
        JsonType::Integer => "a whole number",
        JsonType::Number => "a number",
        JsonType::String => "a text",
        JsonType::Array => "a list",
        JsonType::Object => "a mapping",
    };
    match kind {
        TypeKind::Single(kind) => name(*kind).to_owned(),
        TypeKind::Multiple(kinds) => kinds.iter().map(name).collect::<Vec<_>>().join(" or "),
    }
}

fn kind_of(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a mapping".to_owned(),
        value => format!("{} {}", if value.is_string() { "the text" } else { "the value" }, shown(value)),
    }
}

fn shown(value: &Value) -> String {
    const MAX_CHARS: usize = 80;
    let text = text_of(value);
    let is_long = text.chars().count() > MAX_CHARS;
    let start = text
        .chars()
        .take(MAX_CHARS)
        .flat_map(|c| if c.is_control() { '\u{fffd}' } else { c }.to_string().chars().collect::<Vec<_>>());
    format!("`{}{}`", start.collect::<String>(), if is_long { "…" } else { "" })
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}
