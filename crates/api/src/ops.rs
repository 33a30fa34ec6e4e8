//! The operations, one module a family. Each reads its arguments, asks the gate, looks whether a recording answers, and
//! only then acts.

use std::sync::Arc;

use crate::call::Call;
use crate::{ApiError, ErrorCode};

pub(crate) mod ask;
pub(crate) mod docker;
pub(crate) mod exec;
pub(crate) mod fetch;
pub(crate) mod files;
pub(crate) mod folders;
pub(crate) mod llm;
pub(crate) mod notify;
pub(crate) mod oauth;
pub(crate) mod secret;
pub(crate) mod session;
pub(crate) mod storage;
pub(crate) mod tools;

/// Does work on files where it keeps no isolate and no call of another plugin waiting. It has a turn of its plugin's until
/// it is done, also where nobody waits for that any more.
async fn blocking<T: Send + 'static>(
    call: &Arc<Call>,
    work: impl FnOnce(&Arc<Call>) -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    let turn = call.wait(call.turn.job()).await?;
    let call = Arc::clone(call);
    let work = move || {
        let _turn = turn;
        work(&call)
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(_) => Err(ApiError::new(ErrorCode::Io, "the work on a file was broken off")),
    }
}
