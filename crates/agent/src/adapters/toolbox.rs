use std::sync::Arc;

use async_trait::async_trait;
use mimir_chat::{Begins, ToolCall, ToolOutcome, ToolRemark, Toolbox, WeakChat};
use mimir_shared_providers::ToolDefinition;
use mimir_tools::{CallContext, Dispatcher, Remark};

use super::deeds::Deeds;
use super::late::Late;

/// The chat's tools over the dispatcher.
pub(crate) struct DispatchedTools {
    pub(crate) dispatcher: Arc<Dispatcher>,
    pub(crate) deeds: Arc<Deeds>,
    /// The chat, for what led to a sub-agent's calls.
    pub(crate) chat: Arc<Late<WeakChat>>,
}

#[async_trait]
impl Toolbox for DispatchedTools {
    async fn definitions<'a>(&self, _agent_id: Option<&'a str>) -> Vec<ToolDefinition> {
        self.dispatcher.definitions(|_| true)
    }

    fn only_reads(&self, tool: &str) -> bool {
        self.dispatcher.only_reads(tool)
    }

    async fn run<'a>(
        &self,
        session_id: &'a str,
        agent_id: Option<&'a str>,
        call: &'a ToolCall,
        begins: Begins<'a>,
    ) -> ToolOutcome {
        let ToolCall { id, name, args } = call.clone();
        let chat = self.chat.get().and_then(WeakChat::upgrade);
        let cause = agent_id.zip(chat).map(|(agent, chat)| chat.cause_of(session_id, agent)).unwrap_or_default();
        let context = CallContext {
            session_id: session_id.to_owned(),
            agent_id: agent_id.map(str::to_owned),
            cause,
            changed_by: Vec::new(),
        };
        let call = mimir_tools::ToolCall { id, name, args };
        let outcome = self.dispatcher.dispatch_journalled(call, context, begins).await;
        ToolOutcome {
            result: outcome.result,
            is_error: outcome.is_error,
            args: outcome.args,
            duration_ms: outcome.duration_ms,
            remarks: outcome.remarks.into_iter().flat_map(|remark| self.remarks(remark)).collect(),
        }
    }
}

impl DispatchedTools {
    /// What was done to a call, in words: a remark for each plugin that did it.
    fn remarks(&self, remark: Remark) -> Vec<ToolRemark> {
        let (plugins, what, reason, deed) = match remark {
            Remark::Blocked { by, reason } => (Vec::from_iter(by), "blocked".to_owned(), Some(reason), Some("blocked")),
            Remark::ChangedArgs { by, .. } => (by, "arguments changed".to_owned(), None, Some("changed")),
            Remark::ChangedResult { by } => (by, "result changed".to_owned(), None, Some("changed")),
            Remark::Allowed { by, reason } => (Vec::new(), format!("allowed by {by}"), reason, None),
            Remark::Denied { by, reason } => (Vec::new(), format!("denied by {by}"), reason, None),
        };
        if plugins.is_empty() {
            return vec![ToolRemark { plugin: None, what, reason }];
        }
        if let Some(deed) = deed {
            plugins.iter().for_each(|plugin| self.deeds.count(plugin, deed));
        }
        let remark = |plugin| ToolRemark { plugin: Some(plugin), what: what.clone(), reason: reason.clone() };
        plugins.into_iter().map(remark).collect()
    }
}
