//! The crate's integration tests.

#![allow(clippy::unwrap_used, reason = "a test may fail by a panic")]
#![allow(clippy::disallowed_methods, reason = "tests prepare the real disk and look at it")]

mod store;
mod talk;
