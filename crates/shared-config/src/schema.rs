use std::sync::LazyLock;

use jsonschema::{Draft, Validator};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

use crate::{ConfigFile, PluginManifest};

/// JSON Schema (draft 2020-12) of `plugin.yml`.
pub fn manifest_schema() -> Value {
    schema_of::<PluginManifest>("Mimir plugin manifest (plugin.yml)")
}

/// JSON Schema (draft 2020-12) of `config.yml`.
pub fn config_schema() -> Value {
    schema_of::<ConfigFile>("Mimir configuration (config.yml)")
}

/// A schema, and what checks values against it.
pub(crate) struct Checker {
    pub(crate) schema: Value,
    pub(crate) validator: Validator,
}

pub(crate) static MANIFEST: LazyLock<Checker> = LazyLock::new(|| Checker::new(manifest_schema()));
pub(crate) static CONFIG: LazyLock<Checker> = LazyLock::new(|| Checker::new(config_schema()));

impl Checker {
    #[allow(clippy::expect_used, reason = "the schema is made from this crate's own types, and the tests build it")]
    pub(crate) fn new(schema: Value) -> Self {
        let validator = jsonschema::options().with_draft(Draft::Draft202012).build(&schema);
        Self { validator: validator.expect("the crate's own schema is valid"), schema }
    }
}

pub(crate) fn schema_of<T: JsonSchema>(title: &str) -> Value {
    let mut schema = SchemaSettings::draft2020_12().for_deserialize().into_generator().into_root_schema_for::<T>();
    schema.insert("title".to_owned(), title.into());
    tidied(schema.to_value())
}

/// A schema made from types, so that what it says of a wrong value can be understood.
pub(crate) fn tidied(mut schema: Value) -> Value {
    without_null(&mut schema);
    plain_enums(&mut schema);
    one_line_descriptions(&mut schema);
    schema
}

/// A key without a value counts as absent, so no `null` is left to check; alternatives of one would only hide what is
/// wrong inside.
fn without_null(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            if let Some(Value::Array(types)) = map.get_mut("type") {
                types.retain(|name| name != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    map.insert("type".to_owned(), only);
                }
            }
            if map.get("default").is_some_and(Value::is_null) {
                map.shift_remove("default");
            }
            if let Some(Value::Array(alternatives)) = map.get_mut("anyOf") {
                alternatives.retain(|schema| schema.get("type").is_none_or(|name| name != "null"));
                if let [Value::Object(only)] = alternatives.as_slice() {
                    let only = only.clone();
                    map.shift_remove("anyOf");
                    for (key, value) in only {
                        map.entry(key).or_insert(value);
                    }
                }
            }
            map.values_mut().for_each(without_null);
        }
        Value::Array(items) => items.iter_mut().for_each(without_null),
        _ => {}
    }
}

/// Alternatives of described constants become one list of values, which is what errors and editors can work with; what
/// each means goes into the description.
fn plain_enums(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            let constants = map.get("oneOf").and_then(Value::as_array).and_then(|alternatives| {
                alternatives
                    .iter()
                    .map(|one| Some((one.get("const")?.as_str()?, one.get("description")?.as_str()?)))
                    .collect()
            });
            let constants: Option<Vec<(&str, &str)>> = constants;
            if let Some(constants) = constants {
                let values = constants.iter().map(|(value, _)| *value).collect::<Value>();
                let meanings = constants.iter().map(|(value, meaning)| format!("`{value}`: {meaning}"));
                let own = map.get("description").and_then(Value::as_str).map(str::to_owned);
                let description = own.into_iter().chain(meanings).collect::<Vec<_>>().join("\n\n");
                map.shift_remove("oneOf");
                map.insert("type".to_owned(), "string".into());
                map.insert("enum".to_owned(), values);
                map.insert("description".to_owned(), description.into());
            }
            map.values_mut().for_each(plain_enums);
        }
        Value::Array(items) => items.iter_mut().for_each(plain_enums),
        _ => {}
    }
}

/// Doc comments are wrapped for the editor; a description is not.
fn one_line_descriptions(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            if let Some(Value::String(text)) = map.get_mut("description") {
                let paragraphs = text.split("\n\n").map(|paragraph| paragraph.replace('\n', " "));
                *text = paragraphs.collect::<Vec<_>>().join("\n\n");
            }
            map.values_mut().for_each(one_line_descriptions);
        }
        Value::Array(items) => items.iter_mut().for_each(one_line_descriptions),
        _ => {}
    }
}
