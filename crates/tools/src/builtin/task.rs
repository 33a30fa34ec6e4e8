use std::sync::Arc;

use async_trait::async_trait;
use mimir_plugins::events::ToolSource;
use mimir_shared_providers::ToolDefinition;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::shared::{read_args, schema};
use crate::plain::plain_line;
use crate::{Need, Pass, SubAgents, SubTask, Tool, ToolError};

const NAME: &str = "task";

/// Has a sub-agent do something.
pub(super) struct Task(pub(super) Arc<dyn SubAgents>);

#[derive(Deserialize)]
struct Args {
    role: String,
    description: String,
    prompt: String,
}

#[async_trait]
impl Tool for Task {
    fn definition(&self) -> ToolDefinition {
        let roles = self.0.roles();
        let names: Vec<&str> = roles.iter().map(|role| &*role.name).collect();
        let about: Vec<String> = roles
            .iter()
            .map(|role| format!("- {}: {}", plain_line(&role.name, 100), plain_line(&role.description, 500)))
            .collect();
        ToolDefinition {
            name: NAME.to_owned(),
            description: format!(
                "Has a sub-agent do a task and gives what it found. It knows nothing of this conversation: say all that it \
                 needs in `prompt`, and what it is to report. The roles:\n{}",
                about.join("\n")
            ),
            input_schema: schema(
                &json!({
                    "role": { "type": "string", "enum": names, "description": "What kind of agent." },
                    "description": {
                        "type": "string", "minLength": 1, "maxLength": 200, "description": "The task in a few words.",
                    },
                    "prompt": { "type": "string", "minLength": 1, "description": "The whole task." },
                }),
                &["role", "description", "prompt"],
            ),
        }
    }

    fn source(&self) -> ToolSource {
        ToolSource::Builtin
    }

    fn need(&self, args: &Map<String, Value>) -> Option<Need> {
        let text = |key: &str| args.get(key).and_then(Value::as_str).unwrap_or_default();
        Some(Need {
            kind: NAME.to_owned(),
            command: format!("task {}: {}", text("role"), plain_line(text("description"), 200)),
            path: None,
            tool: NAME.to_owned(),
            least_risk: None,
        })
    }

    async fn run(&self, pass: &Pass) -> Result<Value, ToolError> {
        let Args { role, description, prompt } = read_args(pass.args())?;
        self.0.run(SubTask { role, description, prompt }, pass.context()).await.map_err(ToolError::new)
    }
}
