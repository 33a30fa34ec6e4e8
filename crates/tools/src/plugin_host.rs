//! This crate's ports over the plugin system.

use std::collections::HashMap;
use std::error::Error;

use async_trait::async_trait;
use mimir_plugins::{CustomToolCode, CustomToolHandle, Invocation, PluginId, Plugins, ToolLanguage};
use mimir_shared_config::LimitSettings;
use serde_json::{Map, Value};
use tokio::sync::Mutex;

use crate::plugin_ports::{IsolateTool, Isolates, OfferedCommand, OfferedTool, PluginCall, PluginHost};

#[async_trait]
impl PluginHost for Plugins {
    async fn tools(&self) -> Vec<OfferedTool> {
        let tools = self.plugin_tools().await.into_iter();
        tools.map(|tool| OfferedTool { plugin: tool.plugin, definition: tool.definition }).collect()
    }

    async fn commands(&self) -> Vec<OfferedCommand> {
        let commands = self.plugin_commands().await.into_iter();
        let offered = |command: mimir_plugins::PluginCommandInfo| OfferedCommand {
            plugin: command.plugin,
            name: command.name,
            description: command.description,
        };
        commands.map(offered).collect()
    }

    async fn call_tool(&self, plugin: &PluginId, tool: &str, args: &Value, call: &PluginCall) -> Result<Value, String> {
        Plugins::call_tool(self, plugin, tool, args, &invocation(call)).await.map_err(|error| error.to_string())
    }

    async fn call_command(
        &self,
        plugin: &PluginId,
        command: &str,
        args: &[String],
        call: &PluginCall,
    ) -> Result<Value, String> {
        Plugins::call_command(self, plugin, command, args, &invocation(call)).await.map_err(|error| error.to_string())
    }
}

/// Runs custom tools in the sandbox that plugins run in, without any capability. A tool's isolate is kept for its next
/// call.
pub struct SandboxIsolates {
    plugins: Plugins,
    /// By the tool's name, with the code that it was made from.
    ready: Mutex<HashMap<String, (String, CustomToolHandle)>>,
}

impl SandboxIsolates {
    /// In the sandbox of these plugins.
    pub fn new(plugins: Plugins) -> Self {
        Self { plugins, ready: Mutex::default() }
    }

    async fn handle(&self, tool: &IsolateTool) -> Result<CustomToolHandle, String> {
        let mut ready = self.ready.lock().await;
        if let Some((code, handle)) = ready.get(&tool.name)
            && *code == tool.code
        {
            return Ok(handle.clone());
        }
        let language = if tool.is_typescript { ToolLanguage::TypeScript } else { ToolLanguage::JavaScript };
        let code = CustomToolCode {
            name: tool.name.clone(),
            text: tool.code.clone(),
            language,
            limits: LimitSettings::default(),
        };
        // The one before goes first: two tools of one name are not admitted
        ready.remove(&tool.name);
        let handle = self.plugins.custom_tool(code).await.map_err(|error| with_causes(&error))?;
        ready.insert(tool.name.clone(), (tool.code.clone(), handle.clone()));
        Ok(handle)
    }
}

#[async_trait]
impl Isolates for SandboxIsolates {
    async fn run(&self, tool: &IsolateTool, args: &Map<String, Value>, call: &PluginCall) -> Result<Value, String> {
        let handle = self.handle(tool).await?;
        let args = Value::Object(args.clone());
        handle.call(&args, &invocation(call)).await.map_err(|error| error.to_string())
    }
}

fn invocation(call: &PluginCall) -> Invocation {
    let PluginCall { session_id, call_id, cause } = call;
    Invocation { session_id: session_id.clone(), call_id: call_id.clone(), chain: cause.clone() }
}

/// An error with everything that caused it, in one sentence.
pub(crate) fn with_causes(error: &dyn Error) -> String {
    let (mut text, mut cause) = (error.to_string(), error.source());
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
