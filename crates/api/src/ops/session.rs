use mimir_shared_config::Access;
use serde_json::{Value, json};

use crate::call::Call;
use crate::{ApiError, ErrorCode};

pub(crate) async fn get(call: &Call) -> Result<Value, ApiError> {
    call.check(&Access::Session)?;
    if let Some(answer) = call.recorded(false) {
        return answer;
    }
    let id = id(call)?;
    let session = call.shared.ports.sessions.session(id).await?.ok_or_else(|| unknown(id))?;
    Ok(json!({"id": session.id, "metadata": session.metadata}))
}

pub(crate) async fn messages(call: &Call) -> Result<Value, ApiError> {
    call.check(&Access::Session)?;
    if let Some(answer) = call.recorded(false) {
        return answer;
    }
    let id = id(call)?;
    let messages = call.shared.ports.sessions.messages(id).await?.ok_or_else(|| unknown(id))?;
    call.note("messages", messages.len());
    serde_json::to_value(messages).map_err(|error| ApiError::new(ErrorCode::Io, error.to_string()))
}

fn id(call: &Call) -> Result<&str, ApiError> {
    call.origin
        .session_id
        .as_deref()
        .filter(|id| !id.is_empty())
        .ok_or_else(|| ApiError::new(ErrorCode::NotFound, "there is no session here: this is not part of an event"))
}

fn unknown(id: &str) -> ApiError {
    ApiError::new(ErrorCode::NotFound, format!("there is no session `{id}`"))
}
