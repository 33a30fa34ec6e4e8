use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use mimir_shared_config::PluginIdentity;
use mimir_shared_platform::{FileSystem, Guard};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use crate::{ApiError, ErrorCode};

/// The key-value stores of plugins: one JSON file a plugin and project.
///
/// A store belongs to a plugin's source and package name, not to its content: a new version finds what the one before it
/// kept, and a folder in a repository can't read what a package of the same name stored.
pub(crate) struct Storage {
    files: Arc<dyn FileSystem>,
    folder: PathBuf,
    project: String,
    quota: usize,
    /// In a replay, what would have been written.
    overlay: Option<Mutex<HashMap<PathBuf, Map<String, Value>>>>,
    /// Whose turn it is at each file.
    turns: Mutex<HashMap<PathBuf, Arc<AsyncMutex<()>>>>,
}

/// The file, with enough in it for a person to see whose it is.
#[derive(Serialize, Deserialize)]
struct StoreFile {
    package: String,
    source: String,
    project: String,
    values: Map<String, Value>,
}

const MAX_KEY_BYTES: usize = 256;

impl Storage {
    pub(crate) fn new(
        files: Arc<dyn FileSystem>,
        folder: &Path,
        project: &Path,
        quota: usize,
        is_replay: bool,
    ) -> Self {
        let project = project.to_string_lossy().into_owned();
        Self {
            files,
            folder: folder.to_owned(),
            project,
            quota,
            overlay: is_replay.then(Mutex::default),
            turns: Mutex::default(),
        }
    }

    /// Waits until what was asked of a plugin's store before is done.
    pub(crate) async fn turn(&self, plugin: &PluginIdentity) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(turns.entry(self.path(plugin)).or_default())
        };
        turn.lock_owned().await
    }

    pub(crate) fn get(&self, plugin: &PluginIdentity, key: &str) -> Result<Option<Value>, ApiError> {
        check_key(key)?;
        Ok(self.values(plugin)?.shift_remove(key))
    }

    pub(crate) fn keys(&self, plugin: &PluginIdentity) -> Result<Vec<String>, ApiError> {
        Ok(self.values(plugin)?.into_iter().map(|(key, _)| key).collect())
    }

    pub(crate) fn set(&self, plugin: &PluginIdentity, key: &str, value: Value) -> Result<(), ApiError> {
        check_key(key)?;
        let mut value = Some(value);
        self.update(plugin, &mut |values| {
            values.insert(key.to_owned(), value.take().unwrap_or_default());
        })
    }

    pub(crate) fn delete(&self, plugin: &PluginIdentity, key: &str) -> Result<(), ApiError> {
        check_key(key)?;
        self.update(plugin, &mut |values| {
            values.shift_remove(key);
        })
    }

    pub(crate) fn clear(&self, plugin: &PluginIdentity) -> Result<(), ApiError> {
        self.update(plugin, &mut Map::clear)
    }

    /// Removes what a plugin stored in all projects.
    pub(crate) fn forget(&self, plugin: &PluginIdentity) -> Result<(), ApiError> {
        Ok(self.files.remove(&self.folder.join(folder_name(plugin)))?)
    }

    fn path(&self, plugin: &PluginIdentity) -> PathBuf {
        self.folder.join(folder_name(plugin)).join(format!("{}.json", short_hash(&[&self.project])))
    }

    fn values(&self, plugin: &PluginIdentity) -> Result<Map<String, Value>, ApiError> {
        let path = self.path(plugin);
        if let Some(overlay) = &self.overlay
            && let Some(values) = overlay.lock().unwrap_or_else(PoisonError::into_inner).get(&path)
        {
            return Ok(values.clone());
        }
        match self.files.read(&path) {
            Ok(contents) => parse(Some(contents)),
            Err(error) if error.is_not_found() => Ok(Map::new()),
            Err(error) => Err(error.into()),
        }
    }

    fn update(&self, plugin: &PluginIdentity, change: &mut dyn FnMut(&mut Map<String, Value>)) -> Result<(), ApiError> {
        let path = self.path(plugin);
        if let Some(overlay) = &self.overlay {
            let mut values = self.values(plugin)?;
            change(&mut values);
            self.check_quota(&values)?;
            overlay.lock().unwrap_or_else(PoisonError::into_inner).insert(path, values);
            return Ok(());
        }
        let mut refused = None;
        let updated = self.files.update(&path, Some(0o600), &mut |before| {
            let mut apply = || {
                let mut values = parse(before.clone())?;
                change(&mut values);
                self.check_quota(&values)?;
                let file = StoreFile {
                    package: plugin.package.clone(),
                    source: plugin.source.to_string(),
                    project: self.project.clone(),
                    values,
                };
                serde_json::to_vec(&file).map_err(|error| ApiError::new(ErrorCode::Io, error.to_string()))
            };
            match apply() {
                Ok(contents) => Ok(Some(contents)),
                Err(error) => {
                    refused = Some(error);
                    Ok(None)
                }
            }
        });
        updated?;
        refused.map_or(Ok(()), Err)
    }

    fn check_quota(&self, values: &Map<String, Value>) -> Result<(), ApiError> {
        let size = serde_json::to_vec(values).map_or(usize::MAX, |json| json.len());
        if size <= self.quota || !Guard::LimitStorage.stands() {
            return Ok(());
        }
        Err(ApiError::limit(format!("the storage would hold {size} bytes, and {} are allowed", self.quota)))
    }
}

fn parse(contents: Option<Vec<u8>>) -> Result<Map<String, Value>, ApiError> {
    let Some(contents) = contents else { return Ok(Map::new()) };
    match serde_json::from_slice::<StoreFile>(&contents) {
        Ok(file) => Ok(file.values),
        Err(error) => Err(ApiError::new(ErrorCode::Io, format!("the storage is damaged: {error}"))
            .with_hint("`storage.clear` can't help; remove the file under `storage/` in Mimir's folder")),
    }
}

fn check_key(key: &str) -> Result<(), ApiError> {
    if key.is_empty() || key.len() > MAX_KEY_BYTES || key.chars().any(char::is_control) {
        return Err(ApiError::invalid(format!(
            "a key has 1 to {MAX_KEY_BYTES} bytes and no control characters, unlike `{}`",
            key.chars().take(80).collect::<String>().escape_debug()
        )));
    }
    Ok(())
}

/// A name that people recognise, and a hash that tells apart what is alike only to them.
fn folder_name(plugin: &PluginIdentity) -> String {
    let name: String = plugin
        .package
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '-' { c.to_ascii_lowercase() } else { '-' })
        .take(60)
        .collect();
    format!("{}-{}", name.trim_matches('-'), short_hash(&[&plugin.source.to_string(), &plugin.package]))
}

fn short_hash(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
