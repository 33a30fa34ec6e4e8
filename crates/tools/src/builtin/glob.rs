use std::sync::Arc;

use async_trait::async_trait;
use mimir_plugins::events::ToolSource;
use mimir_shared_providers::ToolDefinition;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::shared::{Shared, blocking, read_args, schema};
use super::workspace::Action;
use crate::search::{Scope, Search, Stop, StopOnDrop};
use crate::{Need, Pass, Tool, ToolError};

const NAME: &str = "glob";
const LIMIT: usize = 500;

/// Finds files by their names.
pub(super) struct Glob {
    pub(super) shared: Arc<Shared>,
    pub(super) search: Arc<dyn Search>,
}

#[derive(Deserialize)]
struct Args {
    pattern: String,
}

#[async_trait]
impl Tool for Glob {
    fn definition(&self) -> ToolDefinition {
        ToolDefinition {
            name: NAME.to_owned(),
            description:
                "Finds files by their names, such as `*.rs` (at any depth), `src/**/*.{ts,tsx}`, `/*.md` (at the \
                          top alone). What git ignores is left out."
                    .to_owned(),
            input_schema: schema(
                &json!({
                    "pattern": { "type": "string", "minLength": 1, "maxLength": 1000, "description": "The glob." },
                    "path": { "type": "string", "description": "The folder to look in; the project's root without it." },
                }),
                &["pattern"],
            ),
        }
    }

    fn source(&self) -> ToolSource {
        ToolSource::Builtin
    }

    fn only_reads(&self) -> bool {
        true
    }

    fn check(&self, args: &Map<String, Value>) -> Result<(), ToolError> {
        self.shared.check(Action::Read, args)
    }

    fn need(&self, args: &Map<String, Value>) -> Option<Need> {
        self.shared.need(NAME, Action::Read, args)
    }

    async fn run(&self, pass: &Pass) -> Result<Value, ToolError> {
        let Args { pattern } = read_args(pass.args())?;
        let target = self.shared.allowed(NAME, Action::Read, pass)?;
        self.shared.workspace.must_exist(&target)?;
        let stop = Stop::default();
        let _stop = StopOnDrop(stop.clone());
        let scope =
            Scope { root: target.path, glob: Some(pattern), limit: LIMIT, is_private: Arc::new(|_| false), stop };
        let (shared, search) = (Arc::clone(&self.shared), Arc::clone(&self.search));
        blocking(move || {
            let found = search.files(&scope).map_err(ToolError::new)?;
            if found.files.is_empty() {
                return Ok(Value::String("no file matches.".to_owned()));
            }
            let mut text = String::new();
            for file in found.files {
                text.push_str(&shared.workspace.target(file).shown());
                text.push('\n');
            }
            if found.more > 0 || found.is_cut {
                let more = if found.is_cut { "many".to_owned() } else { found.more.to_string() };
                text.push_str(&format!("[… {more} more: use a narrower pattern …]\n"));
            }
            Ok(Value::String(text))
        })
        .await
    }
}
