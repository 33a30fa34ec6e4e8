//! The loader with real folders and the real bundler in its own process.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests arrange the disk, and a test that can't fails"
)]

mod bundling;
mod cache;
mod discovery;
mod loading;
mod project;
mod sdk;
mod stores;
