use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::file::StoreFile;
use crate::adapters::{clock, disk};
use crate::error::LoadError;

/// The repositories whose plugins the user lets run, in `trust.json` of Mimir's folder.
#[derive(Debug, Clone)]
pub struct TrustStore {
    file: StoreFile<Trust>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Trust {
    /// By the path of the project's root, with all links resolved.
    repositories: BTreeMap<PathBuf, Trusted>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Trusted {
    /// In milliseconds since 1970.
    trusted_at: u64,
}

impl TrustStore {
    /// The store in Mimir's folder.
    pub fn in_home(home: &Path) -> Self {
        Self { file: StoreFile::new(home.join("trust.json")) }
    }

    /// Whether the user has said that the repository with this root is trusted. It is not inherited from a folder above.
    ///
    /// # Errors
    /// If the file can't be read or understood.
    pub fn is_trusted(&self, root: &Path) -> Result<bool, LoadError> {
        Ok(self.file.read()?.repositories.contains_key(&real(root)))
    }

    /// Trusts a repository.
    ///
    /// # Errors
    /// If the file can't be read, understood or written.
    pub fn trust(&self, root: &Path) -> Result<(), LoadError> {
        self.file.update(|content| {
            content.repositories.insert(real(root), Trusted { trusted_at: clock::now_ms() });
            (true, ())
        })
    }

    /// Trusts a repository no longer. Gives whether it was trusted.
    ///
    /// # Errors
    /// If the file can't be read, understood or written.
    pub fn distrust(&self, root: &Path) -> Result<bool, LoadError> {
        self.file.update(|content| {
            let was_trusted = content.repositories.remove(&real(root)).is_some();
            (was_trusted, was_trusted)
        })
    }

    /// The roots of all trusted repositories.
    ///
    /// # Errors
    /// If the file can't be read or understood.
    pub fn all(&self) -> Result<Vec<PathBuf>, LoadError> {
        Ok(self.file.read()?.repositories.into_keys().collect())
    }
}

fn real(root: &Path) -> PathBuf {
    disk::canonical(root).unwrap_or_else(|| root.to_owned())
}
