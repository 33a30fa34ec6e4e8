//! Recording a session: each event as it was emitted, and what plugins asked of Mimir while they answered it, in the form
//! that `mimir replay` reads.

mod pieces;
mod tape;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use mimir_api::RecordedCall;
use mimir_shared_config::{EventName, PluginId};
use serde::Serialize;
use serde_json::value::RawValue;
use thiserror::Error;

pub(crate) use tape::Tape;

/// An event, and the host calls that plugins made while they answered it, without secrets.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedEvent {
    /// Which event.
    pub event: EventName,
    /// Its payload as it was emitted, before any plugin changed it: JSON text in one line.
    pub payload: Arc<str>,
    /// The plugins whose host calls led to it, the first cause first. They did not get it.
    pub cause: Vec<PluginId>,
    /// The calls, in the order in which they were made.
    pub calls: Vec<RecordedCall>,
}

/// Takes what is recorded.
pub trait Recorder: Send + Sync {
    /// Takes an event. Called once for each, in the order in which they were emitted, when it is through all plugins and the
    /// host calls made for it have their answers.
    ///
    /// # Errors
    /// If it can't be kept. The session goes on without being recorded, and the user is told.
    fn event(&self, event: RecordedEvent) -> Result<(), RecorderError>;

    /// Where it is kept, if that is a file: plugins can't open it.
    fn place(&self) -> Option<&Path> {
        None
    }
}

/// A recording could not be begun, or does not go on.
#[derive(Debug, Error)]
#[error("the recording {problem}")]
pub struct RecorderError {
    /// What was tried, and where.
    pub problem: String,
    /// Why it failed.
    #[source]
    pub source: std::io::Error,
}

#[derive(Serialize)]
struct EventLine<'a> {
    event: EventName,
    payload: &'a RawValue,
    #[serde(skip_serializing_if = "<[PluginId]>::is_empty")]
    cause: &'a [PluginId],
}

#[derive(Serialize)]
struct CallLine<'a> {
    #[serde(rename = "hostCall")]
    host_call: &'a RecordedCall,
}

impl RecordedEvent {
    /// The lines of a recording, each with its line end: `{"event", "payload"}`, then `{"hostCall": {…}}` for each call.
    ///
    /// # Errors
    /// If the payload is no JSON.
    pub fn lines(&self) -> Result<String, serde_json::Error> {
        let payload: &RawValue = serde_json::from_str(&self.payload)?;
        let mut lines = serde_json::to_string(&EventLine { event: self.event, payload, cause: &self.cause })?;
        lines.push('\n');
        for host_call in &self.calls {
            // A `String` takes everything
            let _ = writeln!(lines, "{}", serde_json::to_string(&CallLine { host_call })?);
        }
        Ok(lines)
    }
}
