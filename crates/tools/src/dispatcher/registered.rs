use std::sync::Arc;

use jsonschema::{PatternOptions, Validator};
use mimir_plugins::events::ToolSource;
use mimir_shared_providers::ToolDefinition;
use serde_json::{Map, Value};

use super::bounds::shortened;
use crate::Tool;

/// What a schema and a description may have, in bytes. All of it is sent to the model with every turn.
const LARGEST_SCHEMA: usize = 256 * 1024;
const LONGEST_DESCRIPTION: usize = 32 * 1024;
/// Steps of a pattern with look-around before it counts as failed: a schema from a server may hold any.
const PATTERN_STEPS: usize = 100_000;
/// How many things that are wrong with arguments are told, and how much of each, in bytes.
const PROBLEMS: usize = 3;
const LONGEST_PROBLEM: usize = 300;

/// About a tool that is registered.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolInfo {
    /// As a model is told of it.
    pub definition: ToolDefinition,
    /// Where it comes from.
    pub source: ToolSource,
    /// Where it is defined, in words.
    pub place: String,
    /// Whether it changes nothing.
    pub only_reads: bool,
}

/// A tool with what is known of it. It is asked once: what it says of itself later does not count.
pub(super) struct Registered {
    pub(super) info: ToolInfo,
    pub(super) tool: Arc<dyn Tool>,
    validator: Validator,
}

impl Registered {
    /// # Errors
    /// Why it can't be a tool.
    pub(super) fn new(tool: Arc<dyn Tool>) -> Result<Self, Box<(ToolInfo, String)>> {
        let info = ToolInfo {
            definition: tool.definition(),
            source: tool.source(),
            place: tool.place(),
            only_reads: tool.only_reads(),
        };
        match validator(&info.definition) {
            Ok(validator) => Ok(Self { info, tool, validator }),
            Err(reason) => Err(Box::new((info, reason))),
        }
    }

    /// The arguments as the tool gets them. A model may leave out an empty object.
    ///
    /// # Errors
    /// The first few things that are wrong with them.
    pub(super) fn checked(&self, args: Value) -> Result<Map<String, Value>, String> {
        let args = if args.is_null() { Value::Object(Map::new()) } else { args };
        let problems: Vec<String> = self
            .validator
            .iter_errors(&args)
            .take(PROBLEMS)
            .map(|error| {
                let place = error.instance_path().to_string();
                let what = shortened(&error.to_string(), LONGEST_PROBLEM);
                if place.is_empty() { what } else { format!("at `{}`: {what}", shortened(&place, LONGEST_PROBLEM)) }
            })
            .collect();
        match args {
            Value::Object(args) if problems.is_empty() => Ok(args),
            _ if problems.is_empty() => Err("they must be an object".to_owned()),
            _ => Err(problems.join("; ")),
        }
    }
}

fn validator(definition: &ToolDefinition) -> Result<Validator, String> {
    let ToolDefinition { name, description, input_schema } = definition;
    if !is_tool_name(name) {
        return Err("a tool's name is 1 to 64 letters, digits, `-` and `_`".to_owned());
    }
    if description.len() > LONGEST_DESCRIPTION {
        return Err(format!("its description has more than {LONGEST_DESCRIPTION} bytes"));
    }
    if !input_schema.is_object() {
        return Err("its schema is no object".to_owned());
    }
    if input_schema.to_string().len() > LARGEST_SCHEMA {
        return Err(format!("its schema has more than {LARGEST_SCHEMA} bytes"));
    }
    // Built without default features, so a `$ref` to elsewhere is an error and nothing is fetched
    jsonschema::options()
        .with_pattern_options(PatternOptions::fancy_regex().backtrack_limit(PATTERN_STEPS))
        .build(input_schema)
        .map_err(|error| format!("its schema is not valid: {}", shortened(&error.to_string(), LONGEST_PROBLEM)))
}

/// As the providers take them.
fn is_tool_name(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}
