//! Where this repository is.

use std::path::{Path, PathBuf};

/// The root folder: the parent of `xtask/`, as cargo says at run time, so that a moved clone is found too.
pub(crate) fn root() -> PathBuf {
    let xtask = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").to_owned());
    Path::new(&xtask).parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}
