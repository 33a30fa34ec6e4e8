//! The audit log: the port, and what its files consist of.

mod anchor;
mod chain;

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::PlatformError;

pub(crate) use anchor::{Anchor, AnchorKind, Anchored, Anchors, Note};
pub use chain::{AuditLine, BrokenChain, ChainHead, Torn, verify_segment};
pub(crate) use chain::{Line, LineReader, Link, hash_hex};

/// Puts a record together.
pub type MakeRecord = Box<dyn FnOnce() -> AuditRecord + Send>;

/// Remembers what plugins did and what was decided about it.
pub trait AuditLog: Send + Sync {
    /// Adds a record. This does not wait for the disk; a log that can't be written says so at [`AuditLog::flush`].
    fn record(&self, record: AuditRecord);

    /// Adds a record that is put together off the caller's thread. `make` must not block, and not log.
    fn record_later(&self, make: MakeRecord) {
        self.record(make());
    }

    /// Waits while the log is so far behind that whoever records might soon have to wait for the disk; none if it is not.
    /// Whatever can wait without keeping a thread asks for this before it does what it will record.
    fn catching_up(&self) -> Option<BoxFuture<'_, ()>> {
        None
    }

    /// Waits until everything recorded so far is written.
    ///
    /// # Errors
    /// [`PlatformError::Audit`] if anything since the start could not be written.
    fn flush(&self) -> Result<(), PlatformError>;

    /// Writes everything recorded so far and says on record that this is the end. What is recorded later all the same
    /// is kept as well.
    ///
    /// # Errors
    /// Those of [`AuditLog::flush`].
    fn close(&self) -> Result<(), PlatformError> {
        self.flush()
    }
}

/// One thing that happened. Contents of files, bodies of requests and secrets do not belong here; their sizes do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditRecord {
    /// The plugin that it is about; nothing for Mimir itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin: Option<String>,
    /// What kind of thing: `call`, `failure`, `grant`, …
    pub kind: String,
    /// The rest, as the kind wants it.
    pub detail: Value,
}

impl AuditRecord {
    /// A record about a plugin.
    pub fn new(plugin: impl Into<String>, kind: impl Into<String>, detail: Value) -> Self {
        Self { plugin: Some(plugin.into()), kind: kind.into(), detail }
    }

    /// A record about no plugin in particular.
    pub fn of_mimir(kind: impl Into<String>, detail: Value) -> Self {
        Self { plugin: None, kind: kind.into(), detail }
    }
}
