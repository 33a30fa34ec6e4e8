use serde_json::{Map, Value};

use crate::{CallContext, Need};

/// A call that may run: `tool.execute.before` and the permission are behind it. Only the dispatcher makes one, and nobody
/// can keep one or copy it: a tool borrows it for as long as it runs.
///
/// So whoever has a tool can't run it:
///
/// ```no_run
/// # use mimir_tools::{CallContext, Need, Pass, Tool, ToolError};
/// # use serde_json::{Map, Value};
/// async fn run(tool: &dyn Tool, pass: &Pass) -> Result<Value, ToolError> {
///     tool.run(pass).await
/// }
/// ```
///
/// ```compile_fail
/// # use mimir_tools::{CallContext, Need, Pass, Tool, ToolError};
/// # use serde_json::{Map, Value};
/// async fn run(tool: &dyn Tool, args: Map<String, Value>) -> Result<Value, ToolError> {
///     let pass = Pass { call_id: String::new(), args, context: CallContext::default(), need: None };
///     tool.run(&pass).await
/// }
/// ```
///
/// ```compile_fail
/// # use mimir_tools::{CallContext, Need, Pass, Tool, ToolError};
/// # use serde_json::{Map, Value};
/// async fn run(tool: &dyn Tool, args: Map<String, Value>) -> Result<Value, ToolError> {
///     tool.run(&Pass::new(String::new(), args, CallContext::default(), None)).await
/// }
/// ```
///
/// ```compile_fail
/// # use mimir_tools::{CallContext, Need, Pass, Tool, ToolError};
/// # use serde_json::{Map, Value};
/// async fn run(tool: &dyn Tool, pass: &Pass) -> Result<Value, ToolError> {
///     let copy: Pass = pass.clone();
///     tool.run(&copy).await
/// }
/// ```
#[derive(Debug)]
pub struct Pass {
    call_id: String,
    args: Map<String, Value>,
    context: CallContext,
    need: Option<Need>,
}

impl Pass {
    pub(super) fn new(call_id: String, args: Map<String, Value>, context: CallContext, need: Option<Need>) -> Self {
        Self { call_id, args, context, need }
    }

    /// Names the call.
    pub fn call_id(&self) -> &str {
        &self.call_id
    }

    /// The arguments: they match the tool's schema, also where plugins changed them.
    pub fn args(&self) -> &Map<String, Value> {
        &self.args
    }

    /// On whose behalf the call is made.
    pub fn context(&self) -> &CallContext {
        &self.context
    }

    /// What was allowed; nothing where no permission was needed. A tool does that and nothing else, whatever happened to
    /// the files since.
    pub fn need(&self) -> Option<&Need> {
        self.need.as_ref()
    }
}
