use std::sync::Arc;

use mimir_shared_config::Access;
use mimir_shared_platform::Guard;
use serde::Deserialize;
use serde_json::Value;

use super::blocking;
use crate::ApiError;
use crate::call::Call;

#[derive(Deserialize)]
struct KeyArgs {
    key: String,
}

#[derive(Deserialize)]
struct SetArgs {
    key: String,
    #[serde(default)]
    value: Value,
}

pub(crate) async fn get(call: &Arc<Call>) -> Result<Value, ApiError> {
    let KeyArgs { key } = call.args()?;
    read(call, move |call| Ok(call.shared.storage.get(&call.plugin.identity, &key)?.unwrap_or_default())).await
}

pub(crate) async fn keys(call: &Arc<Call>) -> Result<Value, ApiError> {
    read(call, |call| Ok(call.shared.storage.keys(&call.plugin.identity)?.into())).await
}

pub(crate) async fn set(call: &Arc<Call>) -> Result<Value, ApiError> {
    let SetArgs { key, value } = call.args()?;
    write(call, move |call| call.shared.storage.set(&call.plugin.identity, &key, value)).await
}

pub(crate) async fn delete(call: &Arc<Call>) -> Result<Value, ApiError> {
    let KeyArgs { key } = call.args()?;
    write(call, move |call| call.shared.storage.delete(&call.plugin.identity, &key)).await
}

pub(crate) async fn clear(call: &Arc<Call>) -> Result<Value, ApiError> {
    write(call, |call| call.shared.storage.clear(&call.plugin.identity)).await
}

async fn read(
    call: &Arc<Call>,
    work: impl FnOnce(&Call) -> Result<Value, ApiError> + Send + 'static,
) -> Result<Value, ApiError> {
    call.check(&Access::Storage)?;
    if let Some(answer) = call.recorded(false) {
        return answer;
    }
    in_turn(call, work).await
}

/// In a replay the store itself keeps changes in memory, so no recording is asked.
async fn write(
    call: &Arc<Call>,
    work: impl FnOnce(&Call) -> Result<(), ApiError> + Send + 'static,
) -> Result<Value, ApiError> {
    call.check(&Access::Storage)?;
    in_turn(call, |call| work(call).map(|()| Value::Null)).await
}

/// One after the other of those on the same file, which is what its lock would make of them, but without a thread for each
/// that waits.
async fn in_turn(
    call: &Arc<Call>,
    work: impl FnOnce(&Call) -> Result<Value, ApiError> + Send + 'static,
) -> Result<Value, ApiError> {
    let turn = match Guard::LimitTurns.stands() {
        true => Some(call.wait(call.shared.storage.turn(&call.plugin.identity)).await?),
        false => None,
    };
    blocking(call, move |call| {
        let _turn = turn;
        work(call)
    })
    .await
}
