use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::error::Problem;

/// The first argument that makes the binary a bundler.
pub(crate) const CHILD_ARGUMENT: &str = "--mimir-internal-bundler";

/// A line on the child's standard error that starts so carries a [`Problem`]: the most deeply nested place so far.
pub(crate) const NESTING_NOTE: &str = "mimir-nesting ";

/// What to bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundleRequest {
    /// The plugin's folder, canonical. Nothing outside it is read.
    pub root: PathBuf,
    /// The module to start from, relative to `root`, with `/`.
    pub entry: String,
    /// The plugin's name, for messages.
    pub name: String,
}

/// A bundle and what went into it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bundled {
    /// One ES module with the exports of the entry and no import.
    pub code: String,
    /// Its source map (version 3, JSON), with sources relative to the plugin's folder.
    pub source_map: String,
    /// Every file that was taken in, sorted by path.
    pub inputs: Vec<Input>,
    /// What the plugin's author may want to change.
    pub warnings: Vec<Problem>,
    /// How far the bundler was confined.
    pub confinement: Confinement,
}

/// A file that a bundle was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// Relative to the plugin's folder, with `/`.
    pub path: String,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    /// Whether its code is part of the bundle. Otherwise it only decided where an import leads (`package.json`).
    pub is_module: bool,
}

/// What kept the bundler from the rest of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Confinement {
    /// The kernel lets it read the plugin's folder and nothing else, and gives it no network.
    Full,
    /// An older kernel: some of that is enforced.
    Partial,
    /// The system has no Landlock: only the checks on resolved paths hold.
    None,
}

/// What the child answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Response {
    Done(Bundled),
    Failed(Vec<Problem>),
}
