//! `ctx.tools`: the agent's tools, called as the model calls them, with the plugin among the causes of the call.

use std::sync::Arc;

use mimir_shared_config::Access;
use mimir_shared_platform::Guard;
use mimir_shared_providers::ToolDefinition;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::call::Call;
use crate::{ApiError, ErrorCode, ToolAnswer, ToolCatalog, ToolRequest};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NameArgs {
    name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExecuteArgs {
    name: String,
    #[serde(default)]
    args: Map<String, Value>,
}

/// The tools that the plugin may call.
pub(crate) async fn list(call: &Arc<Call>) -> Result<Value, ApiError> {
    let all: Vec<ToolDefinition> = match call.recorded(false) {
        // A recording gives no rights
        Some(answer) => serde_json::from_value(answer?).map_err(|error| ApiError::invalid(error.to_string()))?,
        None => catalog(call)?.list().await,
    };
    let named = |tool: &&ToolDefinition| !Guard::ToolsListed.stands() || call.holds(&access(&tool.name));
    let listed: Vec<_> = all.iter().filter(named).collect();
    if listed.is_empty()
        && let Some(first) = all.first()
    {
        // Says what is missing
        call.check(&access(&first.name))?;
    }
    call.note("tools", listed.len());
    Ok(json!(listed))
}

/// One tool; `null` if there is none of that name.
pub(crate) async fn get(call: &Arc<Call>) -> Result<Value, ApiError> {
    let NameArgs { name } = call.args()?;
    check(call, &name)?;
    if let Some(answer) = call.recorded(false) {
        return answer;
    }
    let found = catalog(call)?.list().await.into_iter().find(|tool| tool.name == name);
    Ok(json!(found))
}

pub(crate) async fn execute(call: &Arc<Call>) -> Result<Value, ApiError> {
    let ExecuteArgs { name, args } = call.args()?;
    check(call, &name)?;
    if let Some(answer) = call.recorded(true) {
        return answer;
    }
    let catalog = catalog(call)?;
    let _turn = call.wait(call.turn.program()).await?;
    let chain = match Guard::ToolsCause.stands() {
        true => call.origin.chain.iter().chain([&call.plugin.id]).cloned().collect(),
        false => Arc::default(),
    };
    let request = ToolRequest { name, args, session_id: call.origin.session_id.clone(), chain };
    let ToolAnswer { result, is_error } = catalog.execute(request).await;
    let size = result.to_string().len();
    call.note("bytes", size);
    if size > call.shared.limits.response {
        let most = call.shared.limits.response;
        return Err(ApiError::limit(format!("the tool's result has {size} bytes, {most} are allowed")));
    }
    if !is_error {
        return Ok(result);
    }
    let message = match result {
        Value::String(message) => message,
        other => other.to_string(),
    };
    Err(ApiError::new(ErrorCode::Failed, message))
}

fn access(name: &str) -> Access {
    Access::Tool { name: name.to_owned() }
}

fn check(call: &Call, name: &str) -> Result<(), ApiError> {
    if name.is_empty() || name.len() > 128 || name.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(ApiError::invalid("`name` is no name of a tool"));
    }
    match call.check(&access(name)) {
        Err(_) if !Guard::ToolsListed.stands() => Ok(()),
        checked => checked,
    }
}

fn catalog(call: &Call) -> Result<&dyn ToolCatalog, ApiError> {
    call.shared.ports.tools.as_deref().ok_or_else(|| {
        ApiError::new(ErrorCode::Unsupported, "there are no tools here")
            .with_hint("`ctx.tools` works where the agent runs")
    })
}
