//! The code of a custom tool in a container.

use std::collections::BTreeMap;
use std::time::Duration;

use mimir_shared_config::{CustomRuntime, CustomToolFile, normal_image};
use mimir_shared_platform::{ContainerFile, ContainerOutput, ContainerRequest, DockerClient, PlatformError};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::dispatcher::shortened;
use crate::plain::plain;
use crate::plugin_host::with_causes;

/// What the containers of custom tools are made of, and what they may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Containers {
    /// The image of tools that name none. It needs Node; for TypeScript, 22.6 or newer.
    pub image: String,
    /// How long a call may take where the tool does not say it.
    pub timeout: Duration,
    /// How long any call may take.
    pub longest: Duration,
    /// Memory, in bytes.
    pub memory: u64,
    /// Processes and threads.
    pub processes: u32,
    /// Processors, in thousandths of one.
    pub cpu_thousandths: u32,
    /// What it may print, in bytes, the result among it.
    pub output: usize,
}

impl Default for Containers {
    fn default() -> Self {
        Self {
            image: "node:22-slim".to_owned(),
            timeout: Duration::from_secs(60),
            longest: Duration::from_secs(600),
            memory: 512 << 20,
            processes: 128,
            cpu_thousandths: 1_000,
            output: 8 << 20,
        }
    }
}

impl Containers {
    /// How long a call of the tool may take.
    pub(super) fn time_for(&self, tool: &CustomToolFile) -> Duration {
        tool.timeout.map_or(self.timeout, mimir_shared_config::Millis::duration).min(self.longest)
    }

    pub(super) fn image_for(&self, tool: &CustomToolFile) -> String {
        let image = tool.image.as_deref().unwrap_or(&self.image);
        normal_image(image).unwrap_or_else(|| image.to_owned())
    }
}

/// Stands before the outcome in the output, which a tool may write into as well: the last one counts.
const MARK: &str = "\u{1}mimir-outcome ";
const RUNNER: &str = include_str!("runner.mjs");
/// How much of what a tool printed is shown when it failed, in bytes.
const SHOWN: usize = 2_000;

/// Why there is no result.
#[derive(Debug)]
pub(super) enum NoResult {
    /// There is nothing to run containers with.
    NoContainer(PlatformError),
    /// The tool failed, in words for the model.
    Failed(String),
    /// The tool's code threw, with the line of the code.
    Threw { message: String, line: Option<usize> },
}

pub(super) async fn run(
    docker: &dyn DockerClient,
    settings: &Containers,
    tool: &CustomToolFile,
    input: &Value,
) -> Result<Value, NoResult> {
    let output = docker.run(request(settings, tool, input)).await.map_err(|error| match error {
        PlatformError::NoDocker { .. } | PlatformError::NoImage { .. } => NoResult::NoContainer(error),
        PlatformError::TimedOut { .. } => {
            NoResult::Failed(format!("it took longer than {} ms and was stopped", settings.time_for(tool).as_millis()))
        }
        error => NoResult::Failed(shortened(&with_causes(&error), SHOWN)),
    })?;
    outcome(&output)
}

fn request(settings: &Containers, tool: &CustomToolFile, input: &Value) -> ContainerRequest {
    let is_typescript = tool.runtime == CustomRuntime::Typescript;
    let is_module = is_module(&tool.code);
    let module = match (is_typescript, is_module) {
        (true, true) => "tool.mts",
        (true, false) => "tool.cts",
        (false, true) => "tool.mjs",
        (false, false) => "tool.cjs",
    };
    let folder = ContainerRequest::PROJECT;
    let mut command = vec!["node".to_owned()];
    // Node takes the types out by itself from 22.18 on, and knows the flag all the same
    command.extend(is_typescript.then(|| "--experimental-strip-types".to_owned()));
    command.extend([format!("{folder}/runner.mjs"), MARK.to_owned(), format!("{folder}/{module}")]);
    let file = |path: &str, text: &str| ContainerFile {
        path: path.to_owned(),
        contents: text.as_bytes().to_vec(),
        is_executable: false,
    };
    ContainerRequest {
        image: settings.image_for(tool),
        command,
        env: BTreeMap::new(),
        files: vec![file("runner.mjs", RUNNER), file(module, &tool.code)],
        input: Some(input.to_string().into_bytes()),
        timeout: settings.time_for(tool),
        output_limit: settings.output,
        memory: settings.memory,
        processes: settings.processes,
        cpu_thousandths: settings.cpu_thousandths,
        owner: format!("custom tool {}", tool.name),
    }
}

/// Whether the code is an ES module, and not one of the older kind with `module.exports`.
fn is_module(code: &str) -> bool {
    let begins = |line: &str, word: &str| {
        line.strip_prefix(word).is_some_and(|rest| rest.starts_with([' ', '{', '*', '\t', '"', '\'']))
    };
    let has = code.lines().map(str::trim_start).any(|line| begins(line, "export") || begins(line, "import"));
    has || !(code.contains("module.exports") || code.contains("exports."))
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Outcome {
    Threw { error: String, line: Option<Value> },
    Returned { value: Value },
}

fn outcome(output: &ContainerOutput) -> Result<Value, NoResult> {
    let text = String::from_utf8_lossy(&output.stdout);
    let marked = text.rfind(MARK).and_then(|at| text[at + MARK.len()..].lines().next());
    match marked.map(serde_json::from_str::<Outcome>) {
        Some(Ok(Outcome::Returned { value })) => Ok(value),
        Some(Ok(Outcome::Threw { error, line })) => {
            let line = line.and_then(|line| line.to_string().parse().ok());
            Err(NoResult::Threw { message: error, line })
        }
        Some(Err(_)) | None => {
            let said = String::from_utf8_lossy(&output.stderr);
            let said = plain(&said);
            let said = said.trim();
            let tail = &said[said.ceil_char_boundary(said.len().saturating_sub(SHOWN))..];
            let tail = if tail.is_empty() { String::new() } else { format!(": {tail}") };
            Err(NoResult::Failed(format!("it ended with exit code {} and without a result{tail}", output.exit_code)))
        }
    }
}

/// What the tool's code gets as its second argument.
pub(super) fn context(tool: &CustomToolFile, pass: &crate::Pass) -> Value {
    let context = pass.context();
    json!({
        "tool": tool.name,
        "callId": pass.call_id(),
        "sessionId": context.session_id,
        "agentId": context.agent_id,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_one_kind_of_module_from_the_other() {
        let check = |code: &str, expected: bool| assert_eq!(is_module(code), expected, "{code}");
        check("export const execute = () => 1", true);
        check("export{execute}", true);
        check("import fs from 'node:fs'\nmodule.exports = 1", true);
        check("module.exports = { execute() {} }", false);
        check("exports.execute = () => 1", false);
        check("const exported = 1; exports.execute = exported", false);
        check("function execute() {}", true);
    }

    #[test]
    fn reads_what_a_container_left() {
        let check = |stdout: &str, stderr: &str, expected: Result<Value, &str>| {
            let output = ContainerOutput {
                exit_code: 3,
                stdout: stdout.as_bytes().to_vec(),
                stderr: stderr.as_bytes().to_vec(),
            };
            let found = outcome(&output).map_err(|error| match error {
                NoResult::Failed(why) => why,
                NoResult::Threw { message, line } => format!("{message} at {line:?}"),
                NoResult::NoContainer(error) => error.to_string(),
            });
            assert_eq!(found, expected.map_err(str::to_owned), "{stdout:?}");
        };
        check("\n\u{1}mimir-outcome {\"value\":{\"a\":1.5}}\n", "", Ok(json!({ "a": 1.5 })));
        check("noise\u{1}mimir-outcome {\"value\":1}\n\u{1}mimir-outcome {\"value\":null}\nmore", "", Ok(Value::Null));
        check("\u{1}mimir-outcome {\"error\":\"Error: no\",\"line\":7}\n", "", Err("Error: no at Some(7)"));
        check("\u{1}mimir-outcome {\"error\":\"Error: no\"}\n", "", Err("Error: no at None"));
        check("", "", Err("it ended with exit code 3 and without a result"));
        check("42", "killed\u{1b}[1m\n", Err("it ended with exit code 3 and without a result: killed\u{fffd}[1m"));
        check("\u{1}mimir-outcome {\"val", "x", Err("it ended with exit code 3 and without a result: x"));
    }
}
