use std::sync::Arc;

use async_trait::async_trait;
use mimir_plugins::events::ToolSource;
use mimir_shared_providers::ToolDefinition;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::shared::{Shared, blocking, read_args, schema};
use super::text::{Text, numbered};
use super::workspace::Action;
use crate::{Need, Pass, Tool, ToolError};

const NAME: &str = "read";
/// Lines, if the call says nothing.
const LIMIT: usize = 2_000;

/// Shows a file with line numbers.
pub(super) struct Read(pub(super) Arc<Shared>);

#[derive(Deserialize)]
struct Args {
    offset: Option<usize>,
    limit: Option<usize>,
}

#[async_trait]
impl Tool for Read {
    fn definition(&self) -> ToolDefinition {
        ToolDefinition {
            name: NAME.to_owned(),
            description: format!(
                "Reads a text file. Each line is shown after its number and a tab; these are no part of the file. Up to \
                 {LIMIT} lines at once: `offset` and `limit` show others."
            ),
            input_schema: schema(
                &json!({
                    "path": { "type": "string", "description": "The file: relative to the project's root, or absolute." },
                    "offset": { "type": "integer", "minimum": 1, "description": "The number of the first line; 1 without it." },
                    "limit": { "type": "integer", "minimum": 1, "description": "How many lines." },
                }),
                &["path"],
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
        self.0.check(Action::Read, args)
    }

    fn need(&self, args: &Map<String, Value>) -> Option<Need> {
        self.0.need(NAME, Action::Read, args)
    }

    async fn run(&self, pass: &Pass) -> Result<Value, ToolError> {
        let Args { offset, limit } = read_args(pass.args())?;
        let target = self.0.allowed(NAME, Action::Read, pass)?;
        let (shared, context) = (Arc::clone(&self.0), pass.context().clone());
        blocking(move || {
            if let Some(listing) = shared.workspace.listing(&target)? {
                return Ok(Value::String(listing));
            }
            let contents = shared.contents(&target)?;
            let Some(text) = Text::of(&contents) else {
                let (name, bytes) = (target.shown(), contents.len());
                return Err(ToolError::new(format!("{name} is no text in UTF-8 but a binary file of {bytes} bytes")));
            };
            shared.known.learn(&context, &target.path, &contents);
            view(text.text, offset.unwrap_or(1), limit.unwrap_or(LIMIT)).map(Value::String)
        })
        .await
    }
}

fn view(text: &str, first: usize, limit: usize) -> Result<String, ToolError> {
    if text.is_empty() {
        return Ok("(the file is empty)".to_owned());
    }
    let all = text.lines().count();
    if first > all {
        return Err(ToolError::new(format!("the file has {all} lines: there is no line {first}")));
    }
    let view = numbered(text, first, limit);
    let next = first + view.lines;
    let note = match (next <= all, text.contains("\r\n")) {
        (true, _) => format!("[… the file goes on until line {all}: read on with `offset` {next} …]\n"),
        (false, true) => "[the lines end with \\r\\n]\n".to_owned(),
        (false, false) => String::new(),
    };
    Ok(view.text + &note)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown() {
        let check = |text: &str, first, limit, expected: &str| match view(text, first, limit) {
            Ok(shown) => assert_eq!(shown, expected),
            Err(error) => assert_eq!(error.message, expected),
        };
        check("", 1, 10, "(the file is empty)");
        check("a\nb\n", 1, 10, "     1\ta\n     2\tb\n");
        check("a\nb\n", 1, 1, "     1\ta\n[… the file goes on until line 2: read on with `offset` 2 …]\n");
        check("a\nb\n", 2, 1, "     2\tb\n");
        check("a\nb\n", 3, 1, "the file has 2 lines: there is no line 3");
        check("a\r\n", 1, 1, "     1\ta\n[the lines end with \\r\\n]\n");
    }
}
