//! The plugin system as a program that embeds it sees it, as far as no plugin has to run for that.

#![allow(clippy::unwrap_used, reason = "a test that fails here should stop")]
#![forbid(unsafe_code)]

mod hooks;
mod place;
