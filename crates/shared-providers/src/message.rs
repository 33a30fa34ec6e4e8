use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The field of a [`Message`] in which a provider keeps what it needs to go on, as JSON of its own. Whoever puts messages
/// away and places something else before the rest (a summary) copies the field of the last of them that has it.
pub const PROVIDER_STATE: &str = "providerState";

/// One message of a conversation. Fields that this version does not know are kept, so that a message which passes
/// through Mimir (or through a plugin) comes out as it went in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// Names the message within its session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Who speaks.
    pub role: Role,
    /// What is said.
    #[serde(default)]
    pub content: Content,
    /// When it was written, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<u64>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// Who speaks in a [`Message`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Instructions of the application.
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
    /// Results of tools.
    Tool,
    /// Any other, as the provider names it.
    #[serde(untagged)]
    Other(String),
}

/// What a [`Message`] says: plain text, or parts in their order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Content {
    /// Plain text.
    Text(String),
    /// Parts in their order.
    Parts(Vec<Part>),
}

/// One part of a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Part {
    /// A part that this version understands.
    Known(KnownPart),
    /// A part of another type, kept as it is.
    Other(Map<String, Value>),
}

/// The parts that this version understands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum KnownPart {
    /// Text.
    Text {
        /// The text.
        text: String,
        /// Fields that this version does not know.
        #[serde(flatten)]
        extra: Map<String, Value>,
    },
    /// The model asks for a tool.
    ToolCall {
        /// Names the call; its result bears the same.
        id: String,
        /// The tool.
        name: String,
        /// Its arguments.
        #[serde(default)]
        args: Value,
        /// Fields that this version does not know.
        #[serde(flatten)]
        extra: Map<String, Value>,
    },
    /// What a tool gave.
    ToolResult {
        /// The call that it answers.
        call_id: String,
        /// What the tool gave, or why it failed.
        #[serde(default)]
        result: Value,
        /// Whether the tool failed.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        is_error: bool,
        /// Fields that this version does not know.
        #[serde(flatten)]
        extra: Map<String, Value>,
    },
}

/// A tool as a model is told of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ToolDefinition {
    /// The name by which the model calls it.
    pub name: String,
    /// What it does, for the model.
    pub description: String,
    /// JSON Schema of its arguments: an object's.
    pub input_schema: Value,
}

impl Default for Content {
    fn default() -> Self {
        Self::Text(String::new())
    }
}

impl Message {
    /// A message of plain text without an id.
    pub fn text(role: Role, text: impl Into<String>) -> Self {
        Self { id: None, role, content: Content::Text(text.into()), timestamp: None, extra: Map::new() }
    }

    /// The text of the message; several text parts are joined by line breaks.
    pub fn plain_text(&self) -> String {
        match &self.content {
            Content::Text(text) => text.clone(),
            Content::Parts(parts) => {
                let texts: Vec<&str> = parts
                    .iter()
                    .filter_map(|part| match part {
                        Part::Known(KnownPart::Text { text, .. }) => Some(text.as_str()),
                        _ => None,
                    })
                    .collect();
                texts.join("\n")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails here should stop")]

    use serde_json::json;

    use super::*;

    fn check(input: &Value, plain_text: &str) {
        let message: Message = serde_json::from_value(input.clone()).unwrap();
        assert_eq!(message.plain_text(), plain_text);
        assert_eq!(&serde_json::to_value(&message).unwrap(), input, "comes out as it went in");
    }

    #[test]
    fn every_message_survives_the_round_trip() {
        check(&json!({"role": "user", "content": "hi"}), "hi");
        check(
            &json!({"id": "m1", "role": "assistant", "content": [], "timestamp": 1_700_000_000_000_u64, "cost": 0.25}),
            "",
        );
        check(
            &json!({"role": "assistant", "content": [
                {"type": "text", "text": "a", "cacheControl": {"type": "ephemeral"}},
                {"type": "toolCall", "id": "c1", "name": "Bash", "args": {"command": "ls"}},
                {"type": "thinking", "thinking": "…", "signature": "x"},
                {"type": "text", "text": "b"},
            ]}),
            "a\nb",
        );
        check(
            &json!({"role": "tool", "content": [
                {"type": "toolResult", "callId": "c1", "result": {"stdout": "ok"}},
                {"type": "toolResult", "callId": "c2", "result": "no", "isError": true},
            ]}),
            "",
        );
        check(&json!({"role": "developer", "content": "be brief"}), "be brief");
        // A part of a known type with a wrong shape is kept too: it is somebody else's dialect
        check(&json!({"role": "user", "content": [{"type": "text", "value": 1}]}), "");
    }

    #[test]
    fn refuses_what_is_no_message() {
        for input in [json!({"content": "x"}), json!({"role": "user", "content": 1}), json!([])] {
            assert!(serde_json::from_value::<Message>(input.clone()).is_err(), "{input}");
        }
    }
}
