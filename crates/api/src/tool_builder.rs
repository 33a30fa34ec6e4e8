use jsonschema::Validator;
use mimir_shared_providers::ToolDefinition;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{ApiError, ErrorCode};

/// A tool as a plugin declared it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeclaredTool {
    /// Its name.
    pub name: String,
    /// What it does, for the model.
    #[serde(default)]
    pub description: String,
    /// JSON Schema of its arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Value>,
}

/// Turns what a plugin declared into a tool that a model can be told of.
#[derive(Debug, Clone)]
pub struct ToolBuilder {
    max_schema_bytes: usize,
    max_description_chars: usize,
}

/// A tool that can be offered to a model and whose arguments can be checked.
#[derive(Debug, Clone)]
pub struct BuiltTool {
    /// As the model is told of it.
    pub definition: ToolDefinition,
    validator: Validator,
}

impl Default for ToolBuilder {
    fn default() -> Self {
        Self { max_schema_bytes: 64 << 10, max_description_chars: 4_096 }
    }
}

impl ToolBuilder {
    /// A builder with the usual limits.
    pub fn new() -> Self {
        Self::default()
    }

    /// Checks a tool and builds it. Without a schema it takes an object with anything in it.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` if the name is none that all providers take (1 to 64 of letters, digits, `-`, `_`), the
    /// description is missing, or the schema is no JSON Schema of an object; `LIMIT` if either is too large.
    pub fn build(&self, tool: &DeclaredTool) -> Result<BuiltTool, ApiError> {
        let DeclaredTool { name, description, schema } = tool;
        if !is_tool_name(name) {
            let shown: String = name.chars().take(80).collect();
            return Err(ApiError::invalid(format!(
                "`{}` is no name for a tool: use 1 to 64 letters, digits, `-` and `_`",
                shown.escape_debug()
            )));
        }
        if description.trim().is_empty() {
            return Err(ApiError::invalid(format!("the tool `{name}` has no description, so no model would use it")));
        }
        if description.chars().count() > self.max_description_chars {
            let max = self.max_description_chars;
            return Err(ApiError::limit(format!(
                "the description of the tool `{name}` has more than {max} characters"
            )));
        }
        let input_schema = match schema {
            None => json!({"type": "object"}),
            Some(schema) => self.checked(name, schema)?,
        };
        let validator = jsonschema::validator_for(&input_schema)
            .map_err(|error| ApiError::invalid(format!("the schema of the tool `{name}` is not valid: {error}")))?;
        let definition = ToolDefinition { name: name.clone(), description: description.clone(), input_schema };
        Ok(BuiltTool { definition, validator })
    }

    fn checked(&self, name: &str, schema: &Value) -> Result<Value, ApiError> {
        let size = schema.to_string().len();
        if size > self.max_schema_bytes {
            let max = self.max_schema_bytes;
            return Err(ApiError::limit(format!(
                "the schema of the tool `{name}` has {size} bytes, {max} are allowed"
            )));
        }
        let invalid = |what: String| ApiError::invalid(format!("the schema of the tool `{name}` {what}"));
        let Some(entries) = schema.as_object() else { return Err(invalid("is no object".to_owned())) };
        if entries.get("type") != Some(&json!("object")) {
            return Err(invalid("is not that of an object (`type: \"object\"`)".to_owned()));
        }
        jsonschema::meta::validate(schema).map_err(|error| {
            let place = error.instance_path().to_string();
            let place = if place.is_empty() { String::new() } else { format!(" at `{place}`") };
            invalid(format!("is not valid{place}: {error}"))
        })?;
        Ok(schema.clone())
    }
}

impl BuiltTool {
    /// Checks the arguments of a call of the tool.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` with the first few things that are wrong.
    pub fn check_args(&self, args: &Value) -> Result<(), ApiError> {
        let problems: Vec<String> = self
            .validator
            .iter_errors(args)
            .take(3)
            .map(|error| match error.instance_path().to_string() {
                place if place.is_empty() => error.to_string(),
                place => format!("{place}: {error}"),
            })
            .collect();
        if problems.is_empty() {
            return Ok(());
        }
        let name = &self.definition.name;
        Err(ApiError::new(
            ErrorCode::InvalidArgument,
            format!("the arguments of `{name}` are wrong: {}", problems.join("; ")),
        ))
    }
}

fn is_tool_name(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails here should stop")]

    use super::*;

    fn build(tool: Value) -> Result<BuiltTool, ApiError> {
        ToolBuilder::new().build(&serde_json::from_value(tool).unwrap())
    }

    #[test]
    fn builds_tools() {
        let schema = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": {"path": {"type": "string"}, "depth": {"type": "integer", "minimum": 0}},
            "required": ["path"],
            "additionalProperties": false,
        });
        let tool = build(json!({"name": "list-files", "description": "Lists files", "schema": schema})).unwrap();
        assert_eq!(tool.definition.input_schema, schema);
        tool.check_args(&json!({"path": "x", "depth": 1})).unwrap();
        let error = tool.check_args(&json!({"depth": -1})).unwrap_err();
        assert_eq!(
            error.message,
            "the arguments of `list-files` are wrong: /depth: -1 is less than the minimum of 0; \"path\" is a required property"
        );

        let plain = build(json!({"name": "ping", "description": "Pings"})).unwrap();
        plain.check_args(&json!({"anything": 1})).unwrap();
        assert!(plain.check_args(&json!([])).is_err());
    }

    #[test]
    fn refuses_what_is_no_tool() {
        let check = |tool: Value, message: &str| {
            let error = build(tool).unwrap_err();
            assert!(error.message.contains(message), "{}", error.message);
        };
        check(json!({"name": "a b", "description": "x"}), "`a b` is no name for a tool");
        check(json!({"name": "", "description": "x"}), "is no name for a tool");
        check(json!({"name": "x".repeat(65), "description": "x"}), "is no name for a tool");
        check(json!({"name": "a", "description": " "}), "has no description");
        check(json!({"name": "a", "description": "x".repeat(5_000)}), "more than 4096 characters");
        let schema = |schema: Value| json!({"name": "a", "description": "x", "schema": schema});
        check(schema(json!([])), "is no object");
        check(schema(json!({"type": "string"})), "is not that of an object");
        check(
            schema(json!({"type": "object", "properties": {"a": {"type": "strin"}}})),
            "is not valid at `/properties/a/type`",
        );
        check(schema(json!({"type": "object", "description": "x".repeat(70_000)})), "65536 are allowed");
        // Nothing is fetched to check a tool
        check(
            schema(json!({"type": "object", "properties": {"a": {"$ref": "https://example.com/a.json"}}})),
            "is not valid",
        );
        check(schema(json!({"type": "object", "properties": {"a": {"$ref": "file:///etc/passwd"}}})), "is not valid");
    }
}
