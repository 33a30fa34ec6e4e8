use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use mimir_plugins::events::ToolSource;
use mimir_shared_config::{CustomRuntime, CustomToolFile, Risk};
use mimir_shared_platform::{DockerClient, Level, Notice, Notifier, PlatformError};
use mimir_shared_providers::ToolDefinition;
use serde_json::{Map, Value, json};

use super::container::{self, Containers, NoResult};
use crate::arguments_line::arguments_line;
use crate::plain::plain;
use crate::plugin_host::with_causes;
use crate::plugin_ports::{IsolateTool, Isolates, PluginCall};
use crate::{Need, Pass, Tool, ToolError};

/// What runs the code of custom tools.
#[derive(Clone)]
pub struct CustomRunners {
    /// Runs containers.
    pub docker: Arc<dyn DockerClient>,
    /// Runs code where there are no containers, and where a tool says so.
    pub isolates: Arc<dyn Isolates>,
    /// Tells the person which of them was used.
    pub notifier: Arc<dyn Notifier>,
    /// What containers are made of.
    pub containers: Containers,
}

/// A tool that a person wrote.
pub(super) struct CustomTool {
    file: CustomToolFile,
    place: String,
    runners: Arc<CustomRunners>,
    isolated: IsolateTool,
    /// What the person was told about how it runs.
    told: Mutex<BTreeSet<String>>,
}

impl CustomTool {
    pub(super) fn new(file: CustomToolFile, place: String, runners: Arc<CustomRunners>) -> Self {
        let isolated = IsolateTool {
            name: file.name.clone(),
            description: file.description.clone(),
            schema: Value::Object(file.schema.clone()),
            code: file.code.clone(),
            is_typescript: file.runtime != CustomRuntime::Node,
            place: place.clone(),
        };
        Self { file, place, runners, isolated, told: Mutex::default() }
    }

    fn tell_once(&self, message: &str) {
        let is_new = self.told.lock().unwrap_or_else(PoisonError::into_inner).insert(message.to_owned());
        if is_new {
            self.runners.notifier.notify(&Notice { level: Level::Info, from: None, message });
        }
    }

    async fn in_container(&self, pass: &Pass) -> Result<Value, NoResult> {
        let CustomRunners { docker, containers, .. } = &*self.runners;
        let input = json!({ "args": pass.args(), "context": container::context(&self.file, pass) });
        let result = container::run(&**docker, containers, &self.file, &input).await;
        if !matches!(result, Err(NoResult::NoContainer(_))) {
            let image = containers.image_for(&self.file);
            self.tell_once(&format!("the tool `{}` runs in a container of {image}", self.file.name));
        }
        result
    }

    async fn in_isolate(&self, pass: &Pass) -> Result<Value, ToolError> {
        let call = PluginCall {
            session_id: pass.context().session_id.clone(),
            call_id: pass.call_id().to_owned(),
            cause: pass.context().cause.clone(),
        };
        let ran = self.runners.isolates.run(&self.isolated, pass.args(), &call);
        // The sandbox has limits of its own; one that a tool asks for may be shorter
        let time = self.runners.containers.time_for(&self.file);
        let answer = tokio::time::timeout(time, ran).await.map_err(|_| self.late(time))?;
        answer.map_err(|why| self.failed(&why, line_in(&why)))
    }

    fn late(&self, time: Duration) -> ToolError {
        ToolError::new(format!(
            "`{}` failed: it took longer than {} ms and was stopped",
            self.file.name,
            time.as_millis()
        ))
    }

    fn failed(&self, why: &str, line: Option<usize>) -> ToolError {
        let place = line.map(|line| match self.file.code_line {
            Some(first) => format!(" (line {line} of its code, {}:{})", self.place, first + line - 1),
            None => format!(" (line {line} of its code in {})", self.place),
        });
        ToolError::new(format!("`{}` failed: {}{}", self.file.name, plain(why), place.unwrap_or_default()))
    }

    /// Whether its author wants no question about a call with these arguments. Nobody's word counts above medium risk.
    fn is_accepted(&self, arguments: &str, was_cut: bool) -> bool {
        let permissions = &self.file.permissions;
        let is_small = self.risk() <= Risk::Medium;
        is_small && (permissions.auto_accept || (!was_cut && permissions.allows(arguments)))
    }

    fn risk(&self) -> Risk {
        self.file.permissions.risk_level.unwrap_or(Risk::Medium)
    }
}

/// What kind of action a call is: one of its own, by the tool's name, unless other actions are known by that.
fn kind(name: &str) -> &str {
    const OTHERS: [&str; 13] =
        ["bash", "read", "write", "edit", "delete", "glob", "grep", "list", "todo", "task", "mcp", "plugin", "tool"];
    if OTHERS.contains(&name) { "tool" } else { name }
}

/// The line that a message of the sandbox names last: `… (tool.ts:3:5)`.
fn line_in(message: &str) -> Option<usize> {
    let rest = [".ts:", ".js:"].iter().filter_map(|file| message.rsplit_once(&format!("tool{file}"))).next()?.1;
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    rest[..digits].parse().ok().filter(|line| *line > 0)
}

#[async_trait]
impl Tool for CustomTool {
    fn definition(&self) -> ToolDefinition {
        let mut description = plain(self.file.description.trim());
        if let Some(tokens) = self.file.token_cost {
            description.push_str(&format!("\n\nA call's result costs about {tokens} tokens."));
        }
        ToolDefinition {
            name: self.file.name.clone(),
            description,
            input_schema: Value::Object(self.file.schema.clone()),
        }
    }

    fn source(&self) -> ToolSource {
        ToolSource::Custom
    }

    fn place(&self) -> String {
        self.place.clone()
    }

    fn need(&self, args: &Map<String, Value>) -> Option<Need> {
        let (arguments, was_cut) = arguments_line(&self.isolated.schema, args);
        // Not nothing, even if it is accepted: a rule that forbids it is asked all the same
        let risk = if self.is_accepted(&arguments, was_cut) { Risk::Low } else { self.risk() };
        Some(Need {
            kind: kind(&self.file.name).to_owned(),
            command: format!("{} {arguments}", self.file.name).trim_end().to_owned(),
            path: None,
            tool: self.file.name.clone(),
            least_risk: Some(risk),
        })
    }

    async fn run(&self, pass: &Pass) -> Result<Value, ToolError> {
        if self.file.runtime == CustomRuntime::Isolate {
            self.tell_once(&format!("the tool `{}` runs in Mimir's sandbox", self.file.name));
            return self.in_isolate(pass).await;
        }
        match self.in_container(pass).await {
            Ok(value) => Ok(value),
            Err(NoResult::Threw { message, line }) => Err(self.failed(&message, line)),
            Err(NoResult::Failed(why)) => Err(self.failed(&why, None)),
            Err(NoResult::NoContainer(why)) => {
                let hint = match &why {
                    PlatformError::NoImage { image } => format!(" (`docker pull {image}` fetches it)"),
                    _ => String::new(),
                };
                let name = &self.file.name;
                let why = with_causes(&why);
                self.tell_once(&format!("the tool `{name}` runs in Mimir's sandbox, without a container: {why}{hint}"));
                self.in_isolate(pass).await
            }
        }
    }
}
