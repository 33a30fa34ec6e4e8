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
}

impl EventSink for BusEvents {
    fn raise(&self, event: FileEvent) {
        let FileEvent { change, path, chain, session_id } = event;
        let session_id = session_id.unwrap_or_default();
        let (timestamp, session) = (self.clock.now_ms(), &*session_id);
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
