use std::sync::Arc;

use async_trait::async_trait;
use mimir_plugins::events::ToolSource;
use mimir_shared_providers::ToolDefinition;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::shared::{Shared, blocking, read_args, schema};
use super::workspace::{Action, Workspace};
use crate::search::{FoundLines, Scope, Search, Stop, StopOnDrop, Wanted};
use crate::{Need, Pass, Tool, ToolError};

const NAME: &str = "grep";
const LIMIT: usize = 100;
const MOST: usize = 2_000;

/// Finds text in files.
pub(super) struct Grep {
    pub(super) shared: Arc<Shared>,
    pub(super) search: Arc<dyn Search>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Args {
    pattern: String,
    glob: Option<String>,
    #[serde(default)]
    output_mode: Mode,
    #[serde(default)]
    context: usize,
    limit: Option<usize>,
    #[serde(default)]
    ignore_case: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    #[default]
    Content,
    Files,
    Count,
}

#[async_trait]
impl Tool for Grep {
    fn definition(&self) -> ToolDefinition {
        ToolDefinition {
            name: NAME.to_owned(),
            description:
                "Finds lines in files by a regular expression (Rust's syntax, as in ripgrep). What git ignores, \
                          binary files and files that usually hold credentials are left out."
                    .to_owned(),
            input_schema: schema(
                &json!({
                    "pattern": {
                        "type": "string", "minLength": 1, "maxLength": 4000, "description": "The regular expression.",
                    },
                    "path": {
                        "type": "string", "description": "The folder or file to search; the project's root without it.",
                    },
                    "glob": { "type": "string", "maxLength": 1000, "description": "Which files, such as `*.rs`." },
                    "outputMode": {
                        "enum": ["content", "files", "count"],
                        "description": "The lines (without it), the files that have one, or how many each file has.",
                    },
                    "context": {
                        "type": "integer", "minimum": 0, "maximum": 50, "description": "Lines to show around each.",
                    },
                    "limit": {
                        "type": "integer", "minimum": 1, "maximum": MOST, "description": "How many; 100 without it.",
                    },
                    "ignoreCase": { "type": "boolean", "description": "Whether `a` finds `A`." },
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
        let Args { pattern, glob, output_mode, context, limit, ignore_case } = read_args(pass.args())?;
        let target = self.shared.allowed(NAME, Action::Read, pass)?;
        self.shared.workspace.must_exist(&target)?;
        let limit = limit.unwrap_or(LIMIT).min(MOST);
        let stop = Stop::default();
        let _stop = StopOnDrop(stop.clone());
        let private = Arc::clone(&self.shared);
        let scope = Scope {
            root: target.path,
            glob,
            // To count, all have to be found
            limit: if output_mode == Mode::Count { usize::MAX } else { limit },
            is_private: Arc::new(move |path| private.workspace.is_private(path)),
            stop,
        };
        let wanted = Wanted {
            pattern,
            ignores_case: ignore_case,
            context: if output_mode == Mode::Content { context } else { 0 },
            first_only: output_mode == Mode::Files,
        };
        let (shared, search) = (Arc::clone(&self.shared), Arc::clone(&self.search));
        blocking(move || {
            let found = search.lines(&scope, &wanted).map_err(ToolError::new)?;
            Ok(Value::String(shown(&shared.workspace, &found, output_mode, limit)))
        })
        .await
    }
}

/// As ripgrep writes it: the path, then the lines, `:` behind the number of one that matches and `-` behind others.
fn shown(workspace: &Workspace, found: &FoundLines, mode: Mode, limit: usize) -> String {
    let mut text = String::new();
    for (nth, file) in found.files.iter().enumerate() {
        let name = workspace.target(file.path.clone()).shown();
        match mode {
            Mode::Files => text.push_str(&format!("{name}\n")),
            Mode::Count if nth < limit => text.push_str(&format!("{name}: {}\n", file.count)),
            Mode::Count => {}
            Mode::Content => {
                text.push_str(&format!("{}{name}\n", if nth > 0 { "\n" } else { "" }));
                let mut last = None;
                for line in &file.lines {
                    if last.is_some_and(|last| last + 1 < line.number) && file.lines.iter().any(|it| !it.is_match) {
                        text.push_str("--\n");
                    }
                    last = Some(line.number);
                    let mark = if line.is_match { ':' } else { '-' };
                    text.push_str(&format!("{}{mark}{}\n", line.number, line.text));
                }
            }
        }
    }
    if text.is_empty() {
        text.push_str("nothing matches.\n");
    }
    if found.is_cut || (mode == Mode::Count && found.files.len() > limit) {
        text.push_str("[… there may be more: use a narrower pattern, or a higher `limit` …]\n");
    }
    if found.private > 0 {
        let files = found.private;
        text.push_str(&format!(
            "[{files} files that usually hold credentials were not searched: name one to search it]\n"
        ));
    }
    text
}
