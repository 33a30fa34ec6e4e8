use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mimir_plugins::events::ToolSource;
use mimir_shared_platform::{Shell, ShellOutput, ShellRequest};
use mimir_shared_providers::ToolDefinition;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::output::readable;
use super::shared::{Shared, blocking, read_args, schema};
use super::workspace::told;
use crate::keys::is_withheld;
use crate::search::{Picture, Search, Stop, StopOnDrop};
use crate::{CallContext, Need, Pass, Tool, ToolError};

const NAME: &str = "bash";
/// Milliseconds.
const TIMEOUT: u64 = 120_000;
const LONGEST_TIMEOUT: u64 = 600_000;
/// Bytes of output that are kept.
const OUTPUT: usize = 30_000;
/// A project with more files than this is not looked through for what a command changed.
const LARGEST_PROJECT: usize = 20_000;
/// Events for one command: who changes more (a checkout, a build) changes too much to format.
const MOST_EVENTS: usize = 200;

/// Runs a command line.
pub(super) struct Bash {
    pub(super) shared: Arc<Shared>,
    pub(super) shell: Arc<dyn Shell>,
    pub(super) search: Arc<dyn Search>,
    /// All that a command's environment has.
    pub(super) env: BTreeMap<OsString, OsString>,
    /// The most that a command may take, in milliseconds.
    pub(super) limit: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Args {
    command: String,
    timeout_ms: Option<u64>,
}

#[async_trait]
impl Tool for Bash {
    fn definition(&self) -> ToolDefinition {
        ToolDefinition {
            name: NAME.to_owned(),
            description: "Runs a command line in a shell, in the project's root. Each call is a shell of its own: `cd` and \
                          variables do not last, and what is left in the background ends with the call. There is no \
                          terminal and nothing to read from standard input. To read, search, write or edit files, use the \
                          tools for that."
                .to_owned(),
            input_schema: schema(
                &json!({
                    "command": { "type": "string", "minLength": 1, "maxLength": 100_000, "description": "The command line." },
                    "timeoutMs": {
                        "type": "integer", "minimum": 1, "maximum": LONGEST_TIMEOUT,
                        "description": "How long it may run, in milliseconds; two minutes without it.",
                    },
                    "description": { "type": "string", "description": "What it does, in a few words, for the person." },
                }),
                &["command"],
            ),
        }
    }

    fn source(&self) -> ToolSource {
        ToolSource::Builtin
    }

    fn check(&self, args: &Map<String, Value>) -> Result<(), ToolError> {
        let command = args.get("command").and_then(Value::as_str).unwrap_or_default();
        if command.trim().is_empty() || command.contains('\0') {
            return Err(ToolError::new("this is no command line"));
        }
        Ok(())
    }

    fn need(&self, args: &Map<String, Value>) -> Option<Need> {
        Some(Need {
            kind: NAME.to_owned(),
            command: args.get("command").and_then(Value::as_str).unwrap_or_default().to_owned(),
            path: None,
            tool: NAME.to_owned(),
            least_risk: None,
        })
    }

    async fn run(&self, pass: &Pass) -> Result<Value, ToolError> {
        let Args { command, timeout_ms } = read_args(pass.args())?;
        let timeout = time_for(timeout_ms, self.limit);
        let before = self.picture().await?;
        let ran = self
            .shell
            .run_line(ShellRequest {
                command,
                cwd: self.shared.workspace.root().to_owned(),
                env: self.env.clone(),
                timeout: Duration::from_millis(timeout),
                keep: OUTPUT,
            })
            .await
            .map_err(|error| told(&error))?;
        if let Some(before) = before
            && let Some(after) = self.picture().await?
        {
            self.tell(&before, &after, pass.context()).await;
        }
        Ok(Value::String(shown(&ran, timeout)))
    }
}

impl Bash {
    async fn picture(&self) -> Result<Option<Picture>, ToolError> {
        let stop = Stop::default();
        let _stop = StopOnDrop(stop.clone());
        let (search, root) = (Arc::clone(&self.search), self.shared.workspace.root().to_owned());
        blocking(move || Ok(search.picture(&root, LARGEST_PROJECT, &stop))).await
    }

    /// Tells the plugins what files are new, changed or gone.
    async fn tell(&self, before: &Picture, after: &Picture, context: &CallContext) {
        let name = |path: &Path| self.shared.workspace.target(path.to_owned()).name();
        let modified = after.iter().filter(|(path, state)| before.get(*path) != Some(state));
        let deleted = before.iter().filter(|(path, _)| !after.contains_key(*path));
        let mut left = MOST_EVENTS;
        for (path, (_, bytes)) in modified.take(left) {
            self.shared.modified(NAME, &name(path), *bytes, context).await;
            left -= 1;
        }
        for (path, (_, bytes)) in deleted.take(left) {
            self.shared.deleted(NAME, &name(path), *bytes, context).await;
        }
    }
}

/// How long a command may take, in milliseconds: what the call says, and never longer than the user does.
fn time_for(asked: Option<u64>, limit: Option<u64>) -> u64 {
    match limit {
        Some(limit) => asked.unwrap_or(limit).min(limit),
        None => asked.unwrap_or(TIMEOUT),
    }
}

/// What the model gets to read: what the command said, then how it ended unless it just succeeded.
fn shown(ran: &ShellOutput, timeout: u64) -> String {
    let mut text = readable(&ran.head);
    if ran.missing > 0 {
        text.push_str(&format!("\n[… {} bytes are left out here …]\n", ran.missing));
    }
    text.push_str(&readable(&ran.tail));
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    let end = match (ran.is_timed_out, ran.exit_code, ran.signal) {
        (true, ..) => format!("[stopped after {timeout} ms: set `timeoutMs` if it needs longer]"),
        (_, Some(0), _) if text.is_empty() => "[exit code 0, no output]".to_owned(),
        (_, Some(0), _) => String::new(),
        (_, Some(code), _) => format!("[exit code {code}]"),
        (_, None, Some(signal)) => format!("[ended by signal {signal}]"),
        (_, None, None) => "[ended]".to_owned(),
    };
    text + &end
}

/// What keeps programs from waiting for somebody to press a key.
const QUIET: [(&str, &str); 8] = [
    ("PAGER", "cat"),
    ("GIT_PAGER", "cat"),
    ("MANPAGER", "cat"),
    ("GIT_TERMINAL_PROMPT", "0"),
    ("GIT_EDITOR", "true"),
    ("TERM", "dumb"),
    ("NO_COLOR", "1"),
    ("DEBIAN_FRONTEND", "noninteractive"),
];

/// The environment of commands: the user's, without Mimir's own variables and without keys of providers.
pub(super) fn environment(user: &[(OsString, OsString)], hidden: &[String]) -> BTreeMap<OsString, OsString> {
    let kept = user.iter().filter(|(name, _)| !is_withheld(name, hidden)).cloned();
    kept.chain(QUIET.map(|(name, value)| (name.into(), value.into()))).collect()
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    #[test]
    fn nobody_gets_longer_than_the_user_says() {
        let times = [(None, None), (Some(5), None), (None, Some(7)), (Some(5), Some(7)), (Some(9), Some(7))];
        assert_eq!(times.map(|(asked, limit)| time_for(asked, limit)), [TIMEOUT, 5, 7, 5, 7]);
    }

    #[test]
    fn what_the_model_reads() {
        let check = |ran: ShellOutput, expected: &str| assert_eq!(shown(&ran, 500), expected);
        let ran = |head: &str, exit_code| ShellOutput { head: head.into(), exit_code, ..ShellOutput::default() };
        check(ran("a\n", Some(0)), "a\n");
        check(ran("", Some(0)), "[exit code 0, no output]");
        check(ran("a", Some(3)), "a\n[exit code 3]");
        check(ShellOutput { signal: Some(9), ..ran("", None) }, "[ended by signal 9]");
        let late = ShellOutput { is_timed_out: true, ..ran("a\n", None) };
        check(late, "a\n[stopped after 500 ms: set `timeoutMs` if it needs longer]");
        let long = ShellOutput { missing: 7, tail: b"z\n".to_vec(), ..ran("a", Some(0)) };
        check(long, "a\n[… 7 bytes are left out here …]\nz\n");
    }

    #[test]
    fn commands_get_no_keys() {
        let user = ["HOME", "MIMIR_HOME", "OPENAI_API_KEY", "OWN_KEY", "PAGER", "openai_api_key"];
        let user: Vec<(OsString, OsString)> = user.iter().map(|name| (name.into(), "x".into())).collect();
        let env = environment(&user, &["OWN_KEY".to_owned()]);
        assert!(env.contains_key(OsStr::new("HOME")));
        assert_eq!(env[OsStr::new("PAGER")], "cat");
        assert_eq!(env.len(), QUIET.len() + 1, "{env:?}");
    }
}
