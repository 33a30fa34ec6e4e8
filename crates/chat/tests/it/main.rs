//! The crate's integration tests.

#![allow(clippy::unwrap_used, reason = "a test may fail by a panic")]

mod store;
