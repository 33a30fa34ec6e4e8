use mimir_loader::{Declarations, LoadedPlugin};

use super::subscriber::Equipment;

/// What a plugin declared when it was started the last time, so that it need not be started to know what it adds.
#[derive(Clone)]
pub(crate) struct Declared {
    kept: Declarations,
    key: String,
}

impl Declared {
    /// For this content with these rights and settings: all that a plugin can see at its start without asking.
    pub(crate) fn new(kept: Declarations, plugin: &LoadedPlugin, equipment: &Equipment) -> Self {
        let version = env!("CARGO_PKG_VERSION");
        let identity = &plugin.identity;
        // Quoted, so that no part can reach into the next one
        let key = format!("{version:?} {identity:?} {:?} {:?}", equipment.group, equipment.context);
        Self { kept, key }
    }

    pub(crate) fn get(&self) -> Option<String> {
        self.kept.get(&self.key)
    }

    /// Keeps it, and tells whether something else was kept before.
    pub(crate) async fn put(&self, declared: &str) -> bool {
        let (Self { kept, key }, declared) = (self.clone(), declared.to_owned());
        let put = move || {
            let before = kept.get(&key);
            if before.as_ref() != Some(&declared) {
                // What can't be kept costs a start the next time, and nothing else
                let _ = kept.put(&key, &declared);
            }
            before.is_some_and(|before| before != declared)
        };
        tokio::task::spawn_blocking(put).await.unwrap_or(false)
    }
}
