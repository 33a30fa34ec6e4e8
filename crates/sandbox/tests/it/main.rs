//! Plugins in real isolates, in real sandbox processes and on threads.

#![allow(clippy::unwrap_used, reason = "tests")]

mod host;

mod answers;
mod fetch;
mod kills;
mod prelude;
mod runaways;
mod web_apis;
