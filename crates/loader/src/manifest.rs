use std::path::Path;
use std::sync::Arc;

use mimir_shared_config::PluginManifest;
use serde_json::Value;

use crate::adapters::disk;
use crate::error::{LoadError, Problem};
use crate::identity::{OwnHashes, sha256};

/// The manifest's file name.
pub(crate) const MANIFEST: &str = "plugin.yml";
/// npm's word about a package.
pub(crate) const PACKAGE: &str = "package.json";

/// No manifest and no `package.json` comes near this, in bytes.
const LARGEST: u64 = 1 << 20;

/// A plugin's folder, as far as it can be read without looking at code.
#[derive(Debug)]
pub(crate) struct ReadManifest {
    pub(crate) manifest: Arc<PluginManifest>,
    /// The manifest's bytes, for the content hash.
    pub(crate) bytes: Vec<u8>,
    /// `package.json`, if there is one and it is JSON.
    pub(crate) package: Option<Value>,
    /// Its bytes, whatever they are.
    pub(crate) package_bytes: Option<Vec<u8>>,
}

impl ReadManifest {
    /// The package's name, if `package.json` says it.
    pub(crate) fn package_name(&self) -> Option<String> {
        self.package.as_ref()?.get("name")?.as_str().map(str::to_owned)
    }

    /// The same, or what the plugin calls itself.
    pub(crate) fn package_or_plugin(&self) -> String {
        self.package_name().unwrap_or_else(|| self.manifest.name.as_str().to_owned())
    }

    /// Its part of the content hash.
    pub(crate) fn hashes(&self) -> OwnHashes {
        OwnHashes { manifest: sha256(&self.bytes), package_json: self.package_bytes.as_deref().map(sha256) }
    }
}

/// Reads the manifest and `package.json` of a folder, which is canonical. Neither is taken through a link that leads out
/// of the folder: it could not be part of the plugin's hash as what it seems to be.
pub(crate) fn read(dir: &Path) -> Result<ReadManifest, LoadError> {
    let bytes = read_inside(dir, MANIFEST)?.ok_or_else(|| LoadError::ManifestMissing { dir: dir.to_owned() })?;
    let manifest = Arc::new(parse(dir, &bytes)?);
    let package_bytes = read_inside(dir, PACKAGE)?;
    let package = package_bytes.as_deref().and_then(|bytes| serde_json::from_slice(bytes).ok());
    Ok(ReadManifest { manifest, bytes, package, package_bytes })
}

fn read_inside(dir: &Path, name: &str) -> Result<Option<Vec<u8>>, LoadError> {
    let path = dir.join(name);
    match disk::canonical(&path) {
        None => disk::read_at_most(&path, LARGEST),
        Some(real) if real.starts_with(dir) => disk::read_at_most(&real, LARGEST),
        Some(_) => Err(LoadError::MainOutside { dir: dir.to_owned(), main: name.to_owned() }),
    }
}

fn parse(dir: &Path, bytes: &[u8]) -> Result<PluginManifest, LoadError> {
    let invalid = |problems| LoadError::ManifestInvalid { dir: dir.to_owned(), problems };
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Err(invalid(vec![whole("it is not UTF-8", Some("save it as UTF-8".into()))]));
    };
    PluginManifest::parse(MANIFEST, text).map_err(|error| {
        let mut problems: Vec<_> = error
            .files()
            .iter()
            .flat_map(|file| &file.problems)
            .map(|problem| Problem {
                line: u32::try_from(problem.line).ok(),
                column: u32::try_from(problem.column).ok(),
                ..whole(&problem.message, problem.help.clone())
            })
            .collect();
        if problems.is_empty() {
            problems.push(whole(&error.to_string(), error.help().map(str::to_owned)));
        }
        invalid(problems)
    })
}

/// Something about the manifest that has no one place.
pub(crate) fn whole(message: &str, hint: Option<String>) -> Problem {
    Problem { file: MANIFEST.to_owned(), line: None, column: None, message: message.to_owned(), hint, excerpt: None }
}
