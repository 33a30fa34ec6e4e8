use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use crate::ApiError;
use crate::call::Call;

#[derive(Deserialize)]
struct HandleArgs {
    name: String,
}

/// Gives what stands for a secret in the values of headers. Whether the plugin may send it is asked when it does.
pub(crate) fn handle(call: &Arc<Call>) -> Result<Value, ApiError> {
    let HandleArgs { name } = call.args()?;
    if let Some(answer) = call.recorded(false) {
        return answer;
    }
    call.note("secret", name.as_str());
    Ok(call.shared.handles.handle(call, &name)?.into())
}
