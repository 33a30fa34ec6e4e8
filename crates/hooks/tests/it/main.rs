//! The events as plugins and features see them.

#![allow(clippy::unwrap_used, reason = "a test that fails here should stop")]

mod answers;
mod catalogue;
mod payloads;
mod properties;
mod samples;
