use std::sync::Arc;

use async_trait::async_trait;
use mimir_plugins::events::ToolSource;
use mimir_shared_providers::ToolDefinition;
use serde_json::{Map, Value, json};

use super::shared::{Shared, blocking, schema};
use super::workspace::Action;
use crate::{Need, Pass, Tool, ToolError};

const NAME: &str = "delete";

/// Removes a file.
pub(super) struct Delete(pub(super) Arc<Shared>);

#[async_trait]
impl Tool for Delete {
    fn definition(&self) -> ToolDefinition {
        ToolDefinition {
            name: NAME.to_owned(),
            description: "Removes a file, a link (not what it leads to) or an empty folder.".to_owned(),
            input_schema: schema(
                &json!({ "path": { "type": "string", "description": "Relative to the project's root, or absolute." } }),
                &["path"],
            ),
        }
    }

    fn source(&self) -> ToolSource {
        ToolSource::Builtin
    }

    fn check(&self, args: &Map<String, Value>) -> Result<(), ToolError> {
        self.0.check(Action::Delete, args)
    }

    fn need(&self, args: &Map<String, Value>) -> Option<Need> {
        self.0.need(NAME, Action::Delete, args)
    }

    async fn run(&self, pass: &Pass) -> Result<Value, ToolError> {
        let target = self.0.allowed(NAME, Action::Delete, pass)?;
        let (shared, context, at) = (Arc::clone(&self.0), pass.context().clone(), target.clone());
        let found = blocking(move || shared.remove(&at, &context)).await?;
        if found.is_dir() {
            return Ok(Value::String(format!("removed the empty folder {}.", target.shown())));
        }
        self.0.deleted(NAME, &target.name(), found.len, pass.context()).await;
        Ok(Value::String(format!("removed {} ({} bytes).", target.shown(), found.len)))
    }
}
