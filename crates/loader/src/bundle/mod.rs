//! Many modules become one. What is here apart from the protocol runs in the confined child.

pub(crate) mod child;
mod confine;
mod diagnostics;
mod guard;
mod nesting;
pub(crate) mod protocol;

/// Part of the key of every cache entry: what, apart from the sources, decides what a bundle looks like. To be raised
/// when this crate changes what it asks of the bundler.
pub(crate) const BUNDLER_VERSION: &str = "rolldown-1.2.5/1";

/// The module that `@mimir/plugin` means.
pub(crate) const SDK: &str = include_str!("../../../../packages/plugin/index.js");
