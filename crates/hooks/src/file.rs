//! Files that the agent touches.

use mimir_shared_config::EventName;

use crate::Hooks;
use crate::definition::Definition;
use crate::payload::payloads;

payloads! {
    /// A file was written.
    FileModified {
        /// Its path.
        path: String,
        /// The tool that wrote it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tool: Option<String>,
        /// Its size now, in bytes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bytes: Option<u64>,
    }
    /// A file was deleted.
    FileDeleted {
        /// Its path.
        path: String,
        /// The tool that deleted it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tool: Option<String>,
        /// Its size before, in bytes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bytes: Option<u64>,
    }
}

pub(crate) static MODIFIED: Definition = Definition::tells::<FileModified>(
    EventName::FileModified,
    "A file was written. The agent goes on when the plugins are done with it, so that it reads what a formatter left.",
    true,
);
pub(crate) static DELETED: Definition =
    Definition::tells::<FileDeleted>(EventName::FileDeleted, "A file was deleted.", true);

/// Raises the events about files.
#[derive(Clone)]
pub struct FileEvents(pub(crate) Hooks);

impl FileEvents {
    /// `file.modified`: waits until the plugins are done with the file.
    pub async fn modified(&self, event: &FileModified) {
        self.0.ask(event).await;
    }

    /// `file.deleted`: waits until the plugins know.
    pub async fn deleted(&self, event: &FileDeleted) {
        self.0.ask(event).await;
    }
}
