use std::sync::Arc;

use mimir_loader::PluginCache;
use mimir_sandbox::CodeCache;

/// The sandbox's [`CodeCache`] over the loader's cache under Mimir's folder.
pub(crate) struct CompiledCode(pub(crate) PluginCache);

impl CodeCache for CompiledCode {
    fn get(&self, key: &str) -> Option<Arc<[u8]>> {
        self.0.code_cache(key).map(Into::into)
    }

    fn put(&self, key: &str, cache: &[u8]) {
        // A cache that can't be kept costs time at the next start, and nothing else.
        let _ = self.0.store_code_cache(key, cache);
    }
}
