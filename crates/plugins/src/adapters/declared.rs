use mimir_loader::{LoadedPlugin, PluginCache};
use mimir_sandbox::PluginImage;

/// What a plugin declared when it was started the last time, so that it need not be started to know what it adds.
#[derive(Clone)]
pub(crate) struct Declared {
    cache: PluginCache,
    key: String,
}

impl Declared {
    /// For this content with these rights and settings: all that a plugin can see at its start without asking.
    pub(crate) fn new(cache: PluginCache, plugin: &LoadedPlugin, image: &PluginImage) -> Self {
        let version = env!("CARGO_PKG_VERSION");
        let identity = &plugin.identity;
        // Quoted, so that no part can reach into the next one
        let key = format!("{version:?} {identity:?} {:?} {:?}", image.group, image.context);
        Self { cache, key }
    }

    pub(crate) async fn get(&self) -> Option<String> {
        let Self { cache, key } = self.clone();
        tokio::task::spawn_blocking(move || cache.declared(&key)).await.ok().flatten()
    }

    /// Keeps it, and tells whether something else was kept before.
    pub(crate) async fn put(&self, declared: &str) -> bool {
        let (Self { cache, key }, declared) = (self.clone(), declared.to_owned());
        let put = move || {
            let before = cache.declared(&key);
            if before.as_ref() != Some(&declared) {
                // What can't be kept costs a start the next time, and nothing else
                let _ = cache.store_declared(&key, &declared);
            }
            before.is_some_and(|before| before != declared)
        };
        tokio::task::spawn_blocking(put).await.unwrap_or(false)
    }
}
