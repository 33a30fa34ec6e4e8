use std::path::{Path, PathBuf};
use std::sync::Arc;

use mimir_api::{EventSink, FileChange, FileEvent};
use mimir_registry::{Envelope, EventBus};
use mimir_shared_config::EventName;
use mimir_shared_platform::Clock;
use serde_json::json;

/// The context's [`EventSink`] over the bus: what a plugin's write raises goes to the other plugins, never back to one
/// that caused it.
pub(crate) struct BusEvents {
    pub(crate) bus: EventBus,
    pub(crate) clock: Arc<dyn Clock>,
    /// The project's folder, without links.
    pub(crate) root: PathBuf,
}

impl EventSink for BusEvents {
    fn raise(&self, event: FileEvent) {
        let FileEvent { change, path, chain, session_id } = event;
        let session_id = session_id.unwrap_or_default();
        let (timestamp, session, path) = (self.clock.now_ms(), &*session_id, named(&self.root, &path));
        let (name, payload) = match change {
            FileChange::Modified { bytes } => {
                let payload = json!({ "timestamp": timestamp, "sessionId": session, "path": path, "bytes": bytes });
                (EventName::FileModified, payload)
            }
            FileChange::Deleted => {
                (EventName::FileDeleted, json!({ "timestamp": timestamp, "sessionId": session, "path": path }))
            }
        };
        let cause = chain.iter().cloned().collect();
        // Whoever raised it is in the middle of a call and must not wait for the others
        drop(self.bus.emit_background(Envelope::new(name, payload.to_string(), session_id).caused_by(cause)));
    }
}

/// A file as the events of tools name it too: with `/`, and relative to the project where that is possible.
fn named(root: &Path, path: &Path) -> String {
    let Ok(inside) = path.strip_prefix(root) else { return path.to_string_lossy().into_owned() };
    let names: Vec<_> = inside.components().map(|part| part.as_os_str().to_string_lossy()).collect();
    if names.is_empty() { ".".to_owned() } else { names.join("/") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_as_tools_name_them() {
        let check = |path: &str, expected: &str| assert_eq!(named(Path::new("/project"), Path::new(path)), expected);
        check("/project/src/a.ts", "src/a.ts");
        check("/project", ".");
        check("/project2/a.ts", "/project2/a.ts");
        check("/elsewhere/a.ts", "/elsewhere/a.ts");
    }
}
