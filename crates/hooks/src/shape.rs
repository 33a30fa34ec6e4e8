//! Checks a value against a schema and says where it is wrong, in words for the author of a plugin. Knows what
//! `schemars` writes for the types of this crate, not all of JSON Schema; a test holds that.

use serde_json::{Map, Value};

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mismatch {
    /// `messages[2].role`.
    pub(crate) path: String,
    pub(crate) fault: Fault,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    WrongType { expected: String, found: String },
    Missing,
    Unknown { known: Vec<String> },
}

/// What a JSON value is, for messages.
pub(crate) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// Schemas with what they refer to.
pub(crate) struct Shapes<'a> {
    pub(crate) definitions: &'a Map<String, Value>,
}

impl<'a> Shapes<'a> {
    pub(crate) fn check(&self, value: &Value, schema: &'a Value) -> Result<(), Mismatch> {
        self.at(value, schema, "")
    }

    fn at(&self, value: &Value, schema: &'a Value, path: &str) -> Result<(), Mismatch> {
        let Value::Object(schema) = self.resolve(schema) else { return Ok(()) };
        if let Some(options) = alternatives(schema) {
            self.any_of(value, options, path)?;
        }
        let allowed = schema.get("const").map(std::slice::from_ref).or_else(|| list(schema, "enum"));
        let has_type = types(schema).is_none_or(|types| types.iter().any(|kind| is_kind(value, kind)));
        if !has_type || allowed.is_some_and(|allowed| !allowed.contains(value)) {
            return Err(wrong_type(path, self.describe(schema), value));
        }
        match value {
            Value::Object(object) => self.object(object, schema, path),
            Value::Array(items) => match schema.get("items") {
                Some(item) => {
                    let mut numbered = items.iter().enumerate();
                    numbered.try_for_each(|(i, value)| self.at(value, item, &format!("{path}[{i}]")))
                }
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn object(&self, object: &Map<String, Value>, schema: &'a Map<String, Value>, path: &str) -> Result<(), Mismatch> {
        let join = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
        let properties = schema.get("properties").and_then(Value::as_object);
        for (key, value) in object {
            match properties.and_then(|properties| properties.get(key)) {
                Some(property) => self.at(value, property, &join(key))?,
                None if schema.get("additionalProperties") == Some(&Value::Bool(false)) => {
                    let known = properties.into_iter().flat_map(Map::keys).cloned().collect();
                    return Err(Mismatch { path: join(key), fault: Fault::Unknown { known } });
                }
                None => {}
            }
        }
        let mut required = list(schema, "required").into_iter().flatten().filter_map(Value::as_str);
        match required.find(|&key| !object.contains_key(key)) {
            Some(key) => Err(Mismatch { path: join(key), fault: Fault::Missing }),
            None => Ok(()),
        }
    }

    /// One of the options must fit. If none does, the complaint of one that comes closest (it fits at this level and
    /// fails further down) says more than a list of all.
    fn any_of(&self, value: &Value, options: &'a [Value], path: &str) -> Result<(), Mismatch> {
        let mut deepest: Option<Mismatch> = None;
        for option in options {
            match self.at(value, option, path) {
                Ok(()) => return Ok(()),
                Err(mismatch) if mismatch.path.len() > path.len() => {
                    if deepest.as_ref().is_none_or(|best| mismatch.path.len() > best.path.len()) {
                        deepest = Some(mismatch);
                    }
                }
                Err(_) => {}
            }
        }
        Err(deepest.unwrap_or_else(|| wrong_type(path, self.describe_all(options), value)))
    }

    fn resolve(&self, schema: &'a Value) -> &'a Value {
        let name = schema.get("$ref").and_then(Value::as_str).and_then(|target| target.strip_prefix("#/$defs/"));
        name.and_then(|name| self.definitions.get(name)).map_or(schema, |target| self.resolve(target))
    }

    fn describe_any(&self, schema: &'a Value) -> String {
        match self.resolve(schema) {
            Value::Object(schema) => self.describe(schema),
            _ => "anything".to_owned(),
        }
    }

    fn describe_all(&self, options: &'a [Value]) -> String {
        let mut kinds: Vec<String> = Vec::new();
        for option in options {
            let kind = self.describe_any(option);
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        kinds.join(" or ")
    }

    fn describe(&self, schema: &'a Map<String, Value>) -> String {
        if let Some(allowed) = schema.get("const").map(std::slice::from_ref).or_else(|| list(schema, "enum")) {
            return allowed.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(" or ").replace('"', "");
        }
        if let Some(options) = alternatives(schema) {
            return self.describe_all(options);
        }
        // An optional key may be null as well, which nobody needs to be told.
        let kind = types(schema).unwrap_or_default().into_iter().find(|kind| *kind != "null");
        match kind {
            Some("boolean") => "a boolean".to_owned(),
            Some("string") => "a string".to_owned(),
            Some("number") => "a number".to_owned(),
            Some("integer") => "a whole number".to_owned(),
            Some("object") => "an object".to_owned(),
            Some("array") => match schema.get("items").map(|item| self.describe_any(item)).as_deref() {
                Some("a string") => "an array of strings".to_owned(),
                Some("an object") => "an array of objects".to_owned(),
                _ => "an array".to_owned(),
            },
            _ => "null".to_owned(),
        }
    }
}

fn wrong_type(path: &str, expected: String, value: &Value) -> Mismatch {
    let found = match value {
        Value::String(text) if expected.contains('`') && text.len() < 60 => format!("`{text}`"),
        value => kind_of(value).to_owned(),
    };
    Mismatch { path: path.to_owned(), fault: Fault::WrongType { expected, found } }
}

fn alternatives(schema: &Map<String, Value>) -> Option<&[Value]> {
    list(schema, "anyOf").or_else(|| list(schema, "oneOf"))
}

fn list<'a>(schema: &'a Map<String, Value>, key: &str) -> Option<&'a [Value]> {
    schema.get(key).and_then(Value::as_array).map(Vec::as_slice)
}

/// The value of `type`, which is one name or several.
fn types(schema: &Map<String, Value>) -> Option<Vec<&str>> {
    match schema.get("type")? {
        Value::String(kind) => Some(vec![kind]),
        Value::Array(kinds) => Some(kinds.iter().filter_map(Value::as_str).collect()),
        _ => None,
    }
}

fn is_kind(value: &Value, kind: &str) -> bool {
    match (value, kind) {
        (Value::Null, "null")
        | (Value::Bool(_), "boolean")
        | (Value::Number(_), "number")
        | (Value::String(_), "string")
        | (Value::Array(_), "array")
        | (Value::Object(_), "object") => true,
        (Value::Number(number), "integer") => number.is_u64() || number.is_i64(),
        _ => false,
    }
}
