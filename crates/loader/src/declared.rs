use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::adapters::disk;
use crate::cache;
use crate::error::LoadError;
use crate::identity::sha256;

/// More is not kept of what a plugin declared, in bytes.
const LARGEST: usize = 1 << 20;
/// More is not kept of what all plugins of a project declared, in bytes. What this run did not ask for goes first.
const LARGEST_OF_ALL: usize = 8 << 20;

/// What the plugins of a project declared when they were last started, so that they need not be started to know what they
/// add. One file, read once: most plugins declare little, and there may be many. Clones share everything.
///
/// All of it can be made again, so a file that is damaged or can't be written is no error of whoever asks.
#[derive(Debug, Clone)]
pub struct Declarations(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    by_key: BTreeMap<String, String>,
    asked: BTreeSet<String>,
}

impl Declarations {
    /// Those in a file of the cache.
    pub(crate) fn read(path: PathBuf) -> Self {
        let known = Known { by_key: read(&path), asked: BTreeSet::new() };
        Self(Arc::new(Inner { path, known: Mutex::new(known) }))
    }

    /// What a plugin declared when it started the last time, JSON text. `key` names its content and all that it can see at
    /// its start.
    pub fn get(&self, key: &str) -> Option<String> {
        let (mut known, key) = (self.0.known.lock(), sha256(key.as_bytes()));
        let declared = known.by_key.get(&key).cloned();
        known.asked.insert(key);
        declared
    }

    /// Keeps what a plugin declared. What is unusually large is not kept. Waits for the disk.
    ///
    /// # Errors
    /// If the cache can't be written.
    pub fn put(&self, key: &str, declared: &str) -> Result<(), LoadError> {
        let (mut known, key) = (self.0.known.lock(), sha256(key.as_bytes()));
        known.asked.insert(key.clone());
        // Another process may have learnt something meanwhile
        let mut all = read(&self.0.path);
        match declared.len() {
            len if len > LARGEST => all.remove(&key),
            _ => all.insert(key, declared.to_owned()),
        };
        let is_too_much =
            |all: &BTreeMap<String, String>| all.values().map(String::len).sum::<usize>() > LARGEST_OF_ALL;
        if all.len() > cache::MAX_ENTRIES || is_too_much(&all) {
            all.retain(|key, _| known.asked.contains(key));
        }
        while is_too_much(&all) {
            all.pop_first();
        }
        known.by_key = all;
        let path = &self.0.path;
        let bytes = serde_json::to_vec(&known.by_key)
            .map_err(|source| LoadError::StoreCorrupt { path: path.clone(), source })?;
        cache::write_sealed(path, &bytes)?;
        path.parent().into_iter().for_each(cache::prune);
        Ok(())
    }
}

fn read(path: &std::path::Path) -> BTreeMap<String, String> {
    let read = || serde_json::from_slice(&cache::unseal(disk::read(path).ok()??)?).ok();
    read().unwrap_or_default()
}
