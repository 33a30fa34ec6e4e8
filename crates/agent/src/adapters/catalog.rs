use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use mimir_plugins::{ToolAnswer, ToolCatalog, ToolRequest};
use mimir_shared_providers::ToolDefinition;
use mimir_tools::{CallContext, Dispatcher, ToolCall};
use serde_json::{Value, json};

use super::late::Late;

/// `ctx.tools` over the dispatcher, which is made after the plugins.
#[derive(Default)]
pub(crate) struct DispatchedCatalog {
    pub(crate) dispatcher: Late<Arc<Dispatcher>>,
    calls: AtomicU64,
}

#[async_trait]
impl ToolCatalog for DispatchedCatalog {
    async fn list(&self) -> Vec<ToolDefinition> {
        self.dispatcher.get().map(|dispatcher| dispatcher.definitions(|_| true)).unwrap_or_default()
    }

    async fn execute(&self, request: ToolRequest) -> ToolAnswer {
        let Some(dispatcher) = self.dispatcher.get() else {
            return ToolAnswer { result: json!("the agent is not ready yet"), is_error: true };
        };
        let ToolRequest { name, args, session_id, chain } = request;
        let id = format!("plugin_{}", self.calls.fetch_add(1, Ordering::Relaxed) + 1);
        let context = CallContext {
            session_id: session_id.map(|id| id.to_string()).unwrap_or_default(),
            agent_id: None,
            cause: chain.to_vec(),
            changed_by: Vec::new(),
        };
        let outcome = dispatcher.dispatch(ToolCall { id, name, args: Value::Object(args) }, context).await;
        ToolAnswer { result: outcome.result, is_error: outcome.is_error }
    }
}
