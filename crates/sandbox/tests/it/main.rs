//! Plugins in real isolates, in real sandbox processes and on threads.

#![allow(clippy::unwrap_used, reason = "tests")]

mod host;
mod recorder;

mod answers;
mod causes;
mod context;
mod dispatch;
mod fetch;
mod kills;
mod logging;
mod prelude;
mod realm;
mod runaways;
mod seal;
mod web_apis;
