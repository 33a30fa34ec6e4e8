//! The bus and the registry as the composition uses them.

#![allow(clippy::unwrap_used, reason = "a test that fails here should stop")]

mod background;
mod delivery;
mod failures;
mod observe;
mod setup;
