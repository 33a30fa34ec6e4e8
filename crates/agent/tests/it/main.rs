//! The crate's integration tests.
#![allow(clippy::unwrap_used, reason = "a test that fails here should stop")]

mod providers;
