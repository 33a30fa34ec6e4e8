use std::sync::Arc;

use async_trait::async_trait;
use mimir_plugins::events::ToolSource;
use mimir_shared_providers::ToolDefinition;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::replace::replace;
use super::shared::{LARGEST_FILE, Shared, blocking, read_args, schema};
use super::text::{Text, around};
use super::workspace::Action;
use crate::{Need, Pass, Tool, ToolError};

const NAME: &str = "edit";

/// Replaces a text in a file.
pub(super) struct Edit(pub(super) Arc<Shared>);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Args {
    old_text: String,
    new_text: String,
    #[serde(default)]
    replace_all: bool,
}

#[async_trait]
impl Tool for Edit {
    fn definition(&self) -> ToolDefinition {
        ToolDefinition {
            name: NAME.to_owned(),
            description:
                "Replaces a text in a file by another. `oldText` must stand in the file exactly as given, with \
                          its spaces and without line numbers, and only once unless `replaceAll` is set."
                    .to_owned(),
            input_schema: schema(
                &json!({
                    "path": { "type": "string", "description": "The file: relative to the project's root, or absolute." },
                    "oldText": { "type": "string", "minLength": 1, "description": "What stands there now." },
                    "newText": { "type": "string", "description": "What is to stand there instead; empty to remove it." },
                    "replaceAll": { "type": "boolean", "description": "Whether to replace it wherever it stands." },
                }),
                &["path", "oldText", "newText"],
            ),
        }
    }

    fn source(&self) -> ToolSource {
        ToolSource::Builtin
    }

    fn check(&self, args: &Map<String, Value>) -> Result<(), ToolError> {
        self.0.check(Action::Edit, args)
    }

    fn need(&self, args: &Map<String, Value>) -> Option<Need> {
        self.0.need(NAME, Action::Edit, args)
    }

    async fn run(&self, pass: &Pass) -> Result<Value, ToolError> {
        let Args { old_text, new_text, replace_all } = read_args(pass.args())?;
        let target = self.0.allowed(NAME, Action::Edit, pass)?;
        let (shared, context, at) = (Arc::clone(&self.0), pass.context().clone(), target.clone());
        let (contents, (count, shown)) = blocking(move || {
            shared.change(&at, &context, |before| {
                let before = before.ok_or_else(|| shared.workspace.missing(&at))?;
                let text =
                    Text::of(&before).ok_or_else(|| ToolError::new(format!("{} is no text in UTF-8", at.shown())))?;
                let replaced = replace(text.text, &old_text, &new_text, replace_all)
                    .map_err(|why| ToolError::new(format!("{}: {why}", at.shown())))?;
                let contents = text.with(&replaced.text);
                if contents.len() as u64 > LARGEST_FILE {
                    return Err(ToolError::new(format!("a file may have {LARGEST_FILE} bytes")));
                }
                let shown = replaced.places.first().map(|place| around(&replaced.text, *place)).unwrap_or_default();
                Ok((contents, (replaced.places.len(), shown)))
            })
        })
        .await?;
        let times = if count == 1 { String::new() } else { format!(" in {count} places; the first") };
        let said = format!("edited {}{times}:\n{shown}", target.shown());
        let note = self.0.written(NAME, &target, contents, pass).await;
        Ok(Value::String(note.map_or(said.clone(), |note| format!("{said}{note}"))))
    }
}
