//! The operations, one module a family. Each reads its arguments, asks the gate, looks whether a recording answers, and
//! only then acts.

use crate::{ApiError, ErrorCode};

pub(crate) mod docker;
pub(crate) mod exec;
pub(crate) mod fetch;
pub(crate) mod files;
pub(crate) mod folders;
pub(crate) mod llm;
pub(crate) mod notify;
pub(crate) mod secret;
pub(crate) mod session;
pub(crate) mod storage;

/// Does work on files where it keeps no isolate and no other call waiting.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(_) => Err(ApiError::new(ErrorCode::Io, "the work on a file was broken off")),
    }
}
