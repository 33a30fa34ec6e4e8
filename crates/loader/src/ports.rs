use std::path::Path;

use crate::bundle::protocol::{BundleRequest, Bundled};
use crate::error::LoadError;

/// Turns a plugin's modules into one. The real one is [`crate::BundlerProcess`].
#[cfg_attr(test, mockall::automock)]
pub trait Bundler: Send + Sync {
    /// Bundles the plugin in `root`, a canonical path; blocks until it is done.
    ///
    /// # Errors
    /// [`LoadError::Bundle`] if the sources are at fault, and the `Bundler…` variants if the bundler is.
    fn bundle(&self, root: &Path, request: &BundleRequest) -> Result<Bundled, LoadError>;
}
