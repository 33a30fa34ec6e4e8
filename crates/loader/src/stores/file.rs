use std::marker::PhantomData;
use std::path::PathBuf;

use mimir_shared_platform::Guard;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::adapters::disk::{self, Durability};
use crate::adapters::own_file;
use crate::error::LoadError;

/// The format of all these files. A file with a higher number is left alone.
const FORMAT: u32 = 1;

/// Only written: read through `flatten`, a number with a fraction would be none, as serde_json keeps numbers exactly.
#[derive(Serialize)]
struct Envelope<T> {
    format: u32,
    #[serde(flatten)]
    content: T,
}

#[derive(Deserialize)]
struct FormatOnly {
    format: u32,
}

/// A JSON file that several processes read and change. Readers see whole files; a change is made under a lock, so that
/// none is lost; a file that can't be understood, or that somebody else could have written, is never overwritten.
#[derive(Debug, Clone)]
pub(super) struct StoreFile<T> {
    path: PathBuf,
    content: PhantomData<fn() -> T>,
}

impl<T: Default + Serialize + DeserializeOwned> StoreFile<T> {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, content: PhantomData }
    }

    /// What the file holds; the default if there is none.
    pub(super) fn read(&self) -> Result<T, LoadError> {
        let bytes = if Guard::TrustStore.stands() { own_file::read(&self.path)? } else { disk::read(&self.path)? };
        let Some(bytes) = bytes else { return Ok(T::default()) };
        let corrupt = |source| LoadError::StoreCorrupt { path: self.path.clone(), source };
        let FormatOnly { format } = serde_json::from_slice(&bytes).map_err(corrupt)?;
        if format > FORMAT {
            return Err(LoadError::StoreTooNew { path: self.path.clone(), format });
        }
        serde_json::from_slice(&bytes).map_err(corrupt)
    }

    /// Changes what the file holds, if `change` says that it did.
    pub(super) fn update<R>(&self, change: impl FnOnce(&mut T) -> (bool, R)) -> Result<R, LoadError> {
        let _locked = disk::lock(&self.path)?;
        let mut content = self.read()?;
        let (is_changed, result) = change(&mut content);
        if is_changed {
            let mut text = serde_json::to_vec_pretty(&Envelope { format: FORMAT, content })
                .map_err(|source| LoadError::StoreCorrupt { path: self.path.clone(), source })?;
            text.push(b'\n');
            disk::write_atomic(&self.path, &text, Durability::Lasting)?;
        }
        Ok(result)
    }
}
