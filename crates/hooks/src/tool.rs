//! Tool calls.

use mimir_shared_config::{EventName, PluginId};
use schemars::{JsonSchema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::answer::Asked;
use crate::definition::{AnswerDefinition, ClosedEffect, Definition, Mode, OnThrow};
use crate::payload::payloads;
use crate::{Decision, Hooks, InvalidAnswer, Judgement, Verdict};

payloads! {
    /// A tool is about to run.
    ToolExecuteBefore {
        /// The tool's name.
        tool: String,
        /// The arguments of the call.
        args: Map<String, Value>,
        /// Names the call; its `tool.execute.after` bears the same.
        call_id: String,
        /// Where the tool comes from.
        source: ToolSource,
        /// The agent that calls it, if it is not the main one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        agent_id: Option<String>,
    }
    /// A tool has run.
    ToolExecuteAfter {
        /// The tool's name.
        tool: String,
        /// The arguments that it ran with.
        args: Map<String, Value>,
        /// Names the call.
        call_id: String,
        /// What it gave.
        result: Value,
        /// How long it took, in milliseconds.
        duration_ms: u64,
    }
}

/// Where a tool comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ToolSource {
    /// Part of Mimir.
    Builtin,
    /// A custom tool of the project or the user.
    Custom,
    /// A plugin.
    Plugin,
    /// An MCP server.
    Mcp,
    /// Any other, by its name.
    #[serde(untagged)]
    Other(String),
}

/// An answer to `tool.execute.before`.
#[derive(Deserialize, JsonSchema)]
#[serde(rename = "ToolExecuteBeforeAnswer", deny_unknown_fields, rename_all = "camelCase")]
struct BeforeAnswer {
    /// Whether the call must not happen.
    #[serde(default)]
    block: Option<bool>,
    /// Why, for the user and the model.
    #[serde(default)]
    reason: Option<String>,
    /// The arguments to run with instead: all of them.
    #[serde(default)]
    args: Option<Map<String, Value>>,
}

/// An answer to `tool.execute.after`.
#[derive(Deserialize, JsonSchema)]
#[serde(rename = "ToolExecuteAfterAnswer", deny_unknown_fields, rename_all = "camelCase")]
struct AfterAnswer {
    /// The result that the model gets to see instead.
    #[serde(default, deserialize_with = "present")]
    result: Option<Value>,
}

/// A key that is there counts even if its value is `null`.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

pub(crate) static BEFORE: Definition = Definition {
    event: EventName::ToolExecuteBefore,
    description: "A tool is about to run. Plugins may change its arguments or block the call.",
    mode: Mode::Sequential,
    waits: true,
    on_throw: OnThrow::Blocks,
    on_closed: ClosedEffect::Blocks,
    payload: SchemaGenerator::subschema_for::<ToolExecuteBefore>,
    answer: Some(AnswerDefinition {
        schema: SchemaGenerator::subschema_for::<BeforeAnswer>,
        forms: &[
            ("{ block: true, reason }", "the tool does not run; the model is told the reason"),
            ("{ args }", "the tool runs with these arguments"),
            ("throw", "the tool does not run; the error's message is the reason"),
        ],
        in_place: Some("args"),
        judge: judge_before,
    }),
};

pub(crate) static AFTER: Definition = Definition {
    event: EventName::ToolExecuteAfter,
    description: "A tool has run. Plugins may change what the model gets to see of its result.",
    mode: Mode::Sequential,
    waits: true,
    on_throw: OnThrow::Fails,
    on_closed: ClosedEffect::Blocks,
    payload: SchemaGenerator::subschema_for::<ToolExecuteAfter>,
    answer: Some(AnswerDefinition {
        schema: SchemaGenerator::subschema_for::<AfterAnswer>,
        forms: &[("{ result }", "the model sees this result")],
        in_place: Some("result"),
        judge: judge_after,
    }),
};

fn judge_before(asked: &Asked<'_>) -> Result<Judgement, InvalidAnswer> {
    let BeforeAnswer { block, reason, args } = asked.read()?;
    if block == Some(true) {
        return Ok(Verdict::blocked(reason).into());
    }
    // `{block: false, reason}` says why it does nothing.
    let reason = reason.filter(|_| block.is_none() || args.is_some());
    asked.change([("args", args.map(Value::Object))], reason)
}

fn judge_after(asked: &Asked<'_>) -> Result<Judgement, InvalidAnswer> {
    let AfterAnswer { result } = asked.read()?;
    asked.change([("result", result)], None)
}

/// Raises the events about tool calls.
#[derive(Clone)]
pub struct ToolEvents(pub(crate) Hooks);

impl ToolEvents {
    /// `tool.execute.before`: whether the call may happen, and with which arguments.
    pub async fn before(&self, event: ToolExecuteBefore) -> Decision<ToolExecuteBefore> {
        self.before_named(event).await.0
    }

    /// The same, and all plugins that changed it, in their order.
    pub async fn before_named(&self, event: ToolExecuteBefore) -> (Decision<ToolExecuteBefore>, Vec<PluginId>) {
        self.0.decide_named(event).await
    }

    /// `tool.execute.after`: what the model gets to see. Blocked if a guard whose failures block has failed: then the
    /// model must not see the result.
    pub async fn after(&self, event: ToolExecuteAfter) -> Decision<ToolExecuteAfter> {
        self.after_named(event).await.0
    }

    /// The same, and all plugins that changed it, in their order.
    pub async fn after_named(&self, event: ToolExecuteAfter) -> (Decision<ToolExecuteAfter>, Vec<PluginId>) {
        self.0.decide_named(event).await
    }
}
