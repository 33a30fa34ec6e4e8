use std::sync::Arc;

use async_trait::async_trait;
use mimir_plugins::events::ToolSource;
use mimir_shared_providers::ToolDefinition;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::shared::{LARGEST_FILE, Shared, blocking, read_args, schema};
use super::workspace::Action;
use crate::{Need, Pass, Tool, ToolError};

const NAME: &str = "write";

/// Creates a file, or replaces what it contains.
pub(super) struct Write(pub(super) Arc<Shared>);

#[derive(Deserialize)]
struct Args {
    content: String,
}

#[async_trait]
impl Tool for Write {
    fn definition(&self) -> ToolDefinition {
        ToolDefinition {
            name: NAME.to_owned(),
            description: "Creates a file with the folders on the way to it, or replaces all that a file contains. To \
                          change a part of a file, use `edit`."
                .to_owned(),
            input_schema: schema(
                &json!({
                    "path": { "type": "string", "description": "The file: relative to the project's root, or absolute." },
                    "content": { "type": "string", "description": "All that the file is to contain." },
                }),
                &["path", "content"],
            ),
        }
    }

    fn source(&self) -> ToolSource {
        ToolSource::Builtin
    }

    fn check(&self, args: &Map<String, Value>) -> Result<(), ToolError> {
        if args.get("content").and_then(Value::as_str).is_some_and(|it| it.len() as u64 > LARGEST_FILE) {
            return Err(ToolError::new(format!("a file may have {LARGEST_FILE} bytes")));
        }
        self.0.check(Action::Write, args)
    }

    fn need(&self, args: &Map<String, Value>) -> Option<Need> {
        self.0.need(NAME, Action::Write, args)
    }

    async fn run(&self, pass: &Pass) -> Result<Value, ToolError> {
        let Args { content } = read_args(pass.args())?;
        let target = self.0.allowed(NAME, Action::Write, pass)?;
        let (shared, context, at) = (Arc::clone(&self.0), pass.context().clone(), target.clone());
        let (contents, is_new) =
            blocking(move || shared.change(&at, &context, |before| Ok((content.into_bytes(), before.is_none()))))
                .await?;
        let what = if is_new { "created" } else { "replaced" };
        let lines = contents.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count();
        let said = format!("{what} {} ({} bytes, {lines} lines that are not empty).", target.shown(), contents.len());
        let note = self.0.written(NAME, &target, contents, pass).await;
        Ok(Value::String(note.map_or(said.clone(), |note| format!("{said} {note}"))))
    }
}
