//! The tools of plugins, as tools of the dispatcher.

use std::sync::Arc;

use async_trait::async_trait;
use mimir_plugins::events::ToolSource;
use mimir_shared_config::Risk;
use mimir_shared_providers::ToolDefinition;
use serde_json::{Map, Value};

use crate::arguments_line::arguments_line;
use crate::plain::plain;
use crate::plugin_ports::{OfferedTool, PluginCall, PluginHost};
use crate::{Need, Pass, Tool, ToolError};

/// The tools that plugins add, in the plugins' order. No plugin is started for it that told its tools before.
pub async fn plugin_tools(plugins: &Arc<dyn PluginHost>) -> Vec<Arc<dyn Tool>> {
    let tool = |offered| Arc::new(PluginTool { offered, plugins: Arc::clone(plugins) }) as Arc<dyn Tool>;
    plugins.tools().await.into_iter().map(tool).collect()
}

struct PluginTool {
    offered: OfferedTool,
    plugins: Arc<dyn PluginHost>,
}

#[async_trait]
impl Tool for PluginTool {
    fn definition(&self) -> ToolDefinition {
        let ToolDefinition { name, description, input_schema } = &self.offered.definition;
        ToolDefinition { name: name.clone(), description: plain(description), input_schema: input_schema.clone() }
    }

    fn source(&self) -> ToolSource {
        ToolSource::Plugin
    }

    fn place(&self) -> String {
        format!("the plugin {}", self.offered.plugin)
    }

    fn need(&self, args: &Map<String, Value>) -> Option<Need> {
        let OfferedTool { plugin, definition } = &self.offered;
        let (arguments, _) = arguments_line(&definition.input_schema, args);
        Some(Need {
            kind: "plugin".to_owned(),
            command: format!("{plugin}/{} {arguments}", definition.name).trim_end().to_owned(),
            path: None,
            tool: definition.name.clone(),
            // Each of its host calls is checked against its grant; that a model may start them is the person's to say
            least_risk: Some(Risk::Medium),
        })
    }

    async fn run(&self, pass: &Pass) -> Result<Value, ToolError> {
        let OfferedTool { plugin, definition } = &self.offered;
        let call = PluginCall {
            session_id: pass.context().session_id.clone(),
            call_id: pass.call_id().to_owned(),
            cause: pass.context().cause.clone(),
        };
        let args = Value::Object(pass.args().clone());
        let answer = self.plugins.call_tool(plugin, &definition.name, &args, &call).await;
        answer.map_err(|why| {
            ToolError::new(format!("`{}` of the plugin {plugin} failed: {}", definition.name, plain(&why)))
        })
    }
}
