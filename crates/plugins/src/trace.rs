//! What happened while one event was delivered, beside what the bus says: each plugin's own change, and who failed.

use std::sync::Arc;

use mimir_registry::Emission;
use mimir_shared_config::PluginId;
use parking_lot::Mutex;

tokio::task_local! {
    /// The bus asks its policy and tells its reporter in the task that emits, so that what they see belongs to the
    /// event of this task.
    static CURRENT: Arc<Mutex<Seen>>;
}

/// What a plugin changed about an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Who changed it.
    pub plugin: PluginId,
    /// The payload that it got, JSON text.
    pub before: Arc<str>,
    /// The payload that it left, JSON text.
    pub after: Arc<str>,
}

/// What became of an event, with each plugin's own part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traced {
    /// What became of it.
    pub emission: Emission,
    /// What each plugin changed, or would have changed if it only observes, in order.
    pub changes: Vec<Change>,
    /// The plugins that failed, whatever that did to the event.
    pub failed: Vec<PluginId>,
}

#[derive(Default)]
struct Seen {
    changes: Vec<Change>,
    failed: Vec<PluginId>,
}

/// Watches one emission.
pub(crate) async fn watch(emission: impl Future<Output = Emission>) -> Traced {
    let seen = Arc::new(Mutex::default());
    let emission = CURRENT.scope(Arc::clone(&seen), emission).await;
    let Seen { changes, failed } = std::mem::take(&mut *seen.lock());
    Traced { emission, changes, failed }
}

pub(crate) fn changed(change: impl FnOnce() -> Change) {
    // Nobody watches most events.
    let _ = CURRENT.try_with(|seen| seen.lock().changes.push(change()));
}

pub(crate) fn failed(plugin: &PluginId) {
    let _ = CURRENT.try_with(|seen| seen.lock().failed.push(plugin.clone()));
}
