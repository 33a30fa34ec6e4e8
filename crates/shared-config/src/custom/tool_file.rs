use std::sync::LazyLock;

use jsonschema::Draft;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::custom_tool_schema;
use crate::check::{self, Findings, Wrong, key_path};
use crate::error::ConfigError;
use crate::matchers::Glob;
use crate::problem::{InvalidFile, line_and_column};
use crate::schema::Checker;
use crate::yaml::PathPart;
use crate::{Millis, Risk};

static CHECKER: LazyLock<Checker> = LazyLock::new(|| Checker::new(custom_tool_schema()));

/// `.mimir/tools/*.yml`: a tool of the user's own, for the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct CustomToolFile {
    /// Name of a tool: a letter, then up to 63 letters, digits, `_` and `-`.
    #[schemars(regex(pattern = "^[A-Za-z][A-Za-z0-9_-]{0,63}$"))]
    pub name: String,
    /// What it does, for the model.
    pub description: String,
    /// Whether the model is told of it.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// How many tokens a call's result costs, roughly. The model is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_cost: Option<u64>,
    /// JSON Schema of its arguments: an object's.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub schema: Map<String, Value>,
    /// What runs its code.
    #[serde(default)]
    pub runtime: CustomRuntime,
    /// The image of its container, if another than usual. It needs `node`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// How long a call may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Millis>,
    /// What a call needs before it runs.
    #[serde(default)]
    pub permissions: CustomToolPermissions,
    /// A module that exports `execute(args, context)`.
    pub code: String,
    /// The line of the file on which the code begins, from 1, where lines of the one are lines of the other.
    #[serde(skip)]
    pub code_line: Option<usize>,
}

/// What runs the code of a custom tool.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CustomRuntime {
    /// Node in a container, as TypeScript.
    #[default]
    Typescript,
    /// Node in a container, as JavaScript.
    Node,
    /// Mimir's own sandbox, without a container.
    Isolate,
}

/// What a call of a custom tool needs before it runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct CustomToolPermissions {
    /// Calls that run without a question, as globs over their arguments written as `name=value`, in the order of the
    /// schema and separated by spaces.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allowlist: Vec<String>,
    /// Whether every call runs without a question. Counts up to medium risk.
    pub auto_accept: bool,
    /// How dangerous a call is at least.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub risk_level: Option<Risk>,
}

impl CustomToolPermissions {
    /// Whether the allowlist has these arguments, in one line.
    pub fn allows(&self, arguments: &str) -> bool {
        self.allowlist.iter().any(|glob| Glob::new(glob.trim()).matches(arguments))
    }
}

impl CustomToolFile {
    /// Reads a custom tool. `file_name` is only for messages.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] with all that is wrong: an unknown or missing key, a value of another kind, a name that no
    /// model could use, a `schema` that is none of an object.
    pub fn parse(file_name: &str, text: &str) -> Result<Self, ConfigError> {
        let (mut tool, document) = check::read::<Self>(text, &CHECKER, find_more)
            .map_err(|problems| ConfigError::invalid(InvalidFile::new(file_name, text, problems)))?;
        let key = document.key_span(&[], "code");
        let written = text.get(key.end..).unwrap_or_default().lines().next().unwrap_or_default();
        // Only there is one line of the value one line of the file
        let is_literal = written.trim_start_matches(['"', '\'']).trim_start_matches(':').trim_start().starts_with('|');
        tool.code_line = is_literal.then(|| line_and_column(text, key.start).0 + 1);
        tool.schema.entry("type").or_insert_with(|| "object".into());
        Ok(tool)
    }
}

fn yes() -> bool {
    true
}

fn find_more(findings: &mut Findings<'_>) {
    findings.check_text(&["name"], |name| {
        if name.starts_with("mcp__") {
            return Err(Wrong::new("names that begin with `mcp__` are those of MCP servers"));
        }
        Ok(())
    });
    for key in ["description", "code"] {
        findings.check_text(&[key], |text| {
            if text.trim().is_empty() { Err(Wrong::new(format!("`{key}` is empty"))) } else { Ok(()) }
        });
    }
    findings.check_text(&["code"], |code| {
        let exports = code.contains("execute") || code.contains("export default") || code.contains("module.exports");
        let wrong = || Wrong::new("the code exports no `execute`");
        exports
            .then_some(())
            .ok_or_else(|| wrong().with_help("write `export async function execute(args, context) { … }`"))
    });
    findings.check_text(&["image"], |image| {
        let wrong = || Wrong::new(format!("`{image}` is no image")).with_help("write node:22-slim");
        crate::normal_image(image).map(drop).ok_or_else(wrong)
    });
    findings.check_texts(&["permissions", "allowlist"], |glob| {
        if glob.trim().is_empty() { Err(Wrong::new("an empty entry matches no call")) } else { Ok(()) }
    });
    check_schema(findings);
}

fn check_schema(findings: &mut Findings<'_>) {
    let Some(schema @ Value::Object(map)) = findings.value(&["schema"]) else { return };
    let mut path = key_path(&["schema"]);
    if map.get("type").is_some_and(|kind| kind != "object") {
        path.push(PathPart::Key("type".to_owned()));
        let wrong = Wrong::new("the arguments of a tool are an object").with_help("write `type: object`");
        findings.add(&path, wrong);
    } else if let Err(error) = jsonschema::options().with_draft(Draft::Draft202012).build(schema) {
        path.extend(check::path_of(error.instance_path().as_str(), schema));
        let wrong = Wrong::new("this is no JSON Schema of the tool's arguments").with_help(error.to_string());
        findings.add(&path, wrong);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails is to stop")]

    use super::*;

    const USUAL: &str =
        "name: count\ndescription: Counts\ncode: |\n  export function execute() {\n    return 1;\n  }\n";

    #[test]
    fn reads_what_people_write() {
        let whole = "\
name: count_words
description: Counts the words of a text
enabled: false
tokenCost: 50
schema:
  type: object
  properties: { text: { type: string, default: null } }
  required: [text]
runtime: node
image: node:20
timeout: 5s
permissions: { allowlist: ['a *'], autoAccept: true, riskLevel: low }
code: |
  export const execute = ({ text }) => text.split(' ').length;
";
        let tool = CustomToolFile::parse("x.yml", whole).unwrap();
        assert_eq!((tool.name.as_str(), tool.enabled, tool.token_cost), ("count_words", false, Some(50)));
        assert_eq!((tool.runtime, tool.timeout), (CustomRuntime::Node, Some(Millis(5_000))));
        assert_eq!(tool.permissions.risk_level, Some(Risk::Low));
        assert!(tool.permissions.auto_accept);
        assert_eq!(tool.schema["properties"]["text"]["default"], Value::Null, "what is written there is not ours");
        assert_eq!(tool.code_line, Some(14));

        let usual = CustomToolFile::parse("x.yml", USUAL).unwrap();
        assert_eq!((usual.runtime, usual.enabled, usual.code_line), (CustomRuntime::Typescript, true, Some(4)));
        assert_eq!(Value::Object(usual.schema), serde_json::json!({ "type": "object" }));
        let quoted = "name: a\ndescription: b\ncode: 'export const execute = () => 1'\n";
        assert_eq!(CustomToolFile::parse("x.yml", quoted).unwrap().code_line, None);
    }

    #[test]
    fn says_what_is_wrong_and_where() {
        let check = |text: &str, expected: &str| {
            let error = CustomToolFile::parse("x.yml", text).unwrap_err().to_string();
            assert_eq!(error.lines().map(str::trim).collect::<Vec<_>>().join(" | "), expected, "{text}");
        };
        let with = |more: &str| format!("{more}\n{USUAL}");
        check(&with("runtim: node"), "x.yml:1:1: unknown key `runtim` | did you mean `runtime`?");
        check(
            &with("runtime: deno"),
            "x.yml:1:10: `deno` is not possible here | known here: `typescript`, `node`, `isolate`",
        );
        check(
            &with("schema: { type: array }"),
            "x.yml:1:17: the arguments of a tool are an object | write `type: object`",
        );
        check(
            &with("permissions: { riskLevel: none }"),
            "x.yml:1:27: `none` is not possible here | known here: `low`, `medium`, `high`, `critical`",
        );
        check(
            &with("permissions: { allowList: [] }"),
            "x.yml:1:16: unknown key `allowList` | did you mean `allowlist`?",
        );
        check(&with("image: 'a b'"), "x.yml:1:8: `a b` is no image | write node:22-slim");
        check(&USUAL.replace("count", "mcp__a"), "x.yml:1:7: names that begin with `mcp__` are those of MCP servers");
        check(
            &USUAL.replace("name: count", "name: 'a b'"),
            "x.yml:1:7: `a b` is no name of a tool: a letter, then up to 63 letters, digits, `_` and `-`",
        );
        check(
            &USUAL.replace("execute", "run"),
            "x.yml:4:3: the code exports no `execute` | write `export async function execute(args, context) { … }`",
        );
        let error = CustomToolFile::parse("x.yml", "").unwrap_err().to_string();
        for key in ["name", "description", "code"] {
            assert!(error.contains(&format!("`{key}` is missing")), "{error}");
        }
        let error = CustomToolFile::parse("x.yml", &with("schema: { properties: 5 }")).unwrap_err().to_string();
        assert!(error.starts_with("x.yml:1:23: this is no JSON Schema of the tool's arguments"), "{error}");
    }
}
