use std::sync::Arc;

use async_trait::async_trait;
use mimir_plugins::events::ToolSource;
use mimir_shared_providers::ToolDefinition;
use serde_json::{Map, Value};

use super::listing::Offered;
use super::server::Server;
use crate::arguments_line::arguments_line;
use crate::plain::plain_line;
use crate::{Need, Pass, Tool, ToolError};

/// A tool of an MCP server.
pub(super) struct McpTool {
    pub(super) offered: Offered,
    pub(super) server: Arc<Server>,
}

#[async_trait]
impl Tool for McpTool {
    fn definition(&self) -> ToolDefinition {
        ToolDefinition {
            name: self.offered.model_name.clone(),
            description: self.offered.description.clone(),
            input_schema: self.offered.schema.clone(),
        }
    }

    fn source(&self) -> ToolSource {
        ToolSource::Mcp
    }

    fn place(&self) -> String {
        self.server.place()
    }

    /// What a server says of itself decides how calls are ordered, and never whether somebody is asked.
    fn only_reads(&self) -> bool {
        self.offered.only_reads
    }

    fn need(&self, args: &Map<String, Value>) -> Option<Need> {
        let (arguments, _) = arguments_line(&self.offered.schema, args);
        // One word, whatever the server calls it: rules are about the first one
        let tool = plain_line(&self.offered.name, 200).replace(' ', "_");
        let server = &self.server.settings.name;
        Some(Need {
            kind: "mcp".to_owned(),
            command: format!("{server}/{tool} {arguments}").trim_end().to_owned(),
            path: None,
            tool: self.offered.model_name.clone(),
            least_risk: Some(self.server.settings.least_risk),
        })
    }

    async fn run(&self, pass: &Pass) -> Result<Value, ToolError> {
        self.server.call(&self.offered, pass.args()).await
    }
}
