use async_trait::async_trait;
use mimir_plugins::events::ToolSource;
use mimir_shared_providers::ToolDefinition;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::shared::{read_args, schema};
use crate::plain::plain_line;
use crate::{Need, Pass, Tool, ToolError};

/// One thing to do.
#[derive(Deserialize)]
struct TodoItem {
    content: String,
    status: TodoStatus,
}

/// How far something is.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum TodoStatus {
    Pending,
    InProgress,
    Completed,
}

/// Shows the agent's plan. Each call carries the whole of it, so the conversation is where it is kept.
pub(super) struct Todo;

#[derive(Deserialize)]
struct Args {
    items: Vec<TodoItem>,
}

#[async_trait]
impl Tool for Todo {
    fn definition(&self) -> ToolDefinition {
        ToolDefinition {
            name: "todo".to_owned(),
            description:
                "Keeps the list of what there is to do in a task of several steps, for yourself and for the person \
                          to see. Each call replaces the whole list."
                    .to_owned(),
            input_schema: schema(
                &json!({
                    "items": {
                        "type": "array",
                        "maxItems": 100,
                        "items": {
                            "type": "object",
                            "properties": {
                                "content": { "type": "string", "minLength": 1, "maxLength": 500 },
                                "status": { "enum": ["pending", "in_progress", "completed"] },
                            },
                            "required": ["content", "status"],
                            "additionalProperties": false,
                        },
                    },
                }),
                &["items"],
            ),
        }
    }

    fn source(&self) -> ToolSource {
        ToolSource::Builtin
    }

    fn need(&self, _: &Map<String, Value>) -> Option<Need> {
        None
    }

    async fn run(&self, pass: &Pass) -> Result<Value, ToolError> {
        let Args { items } = read_args(pass.args())?;
        Ok(Value::String(shown(&items)))
    }
}

fn shown(items: &[TodoItem]) -> String {
    if items.is_empty() {
        return "nothing to do.".to_owned();
    }
    let lines = items.iter().map(|item| {
        let mark = match item.status {
            TodoStatus::Pending => " ",
            TodoStatus::InProgress => "~",
            TodoStatus::Completed => "x",
        };
        format!("[{mark}] {}", plain_line(&item.content, 500))
    });
    lines.collect::<Vec<_>>().join("\n")
}
