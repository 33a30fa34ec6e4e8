//! The real adapters, on real files, processes and sockets.

#![allow(clippy::unwrap_used, reason = "a test that fails here should stop")]

mod audit;
mod confined;
mod directory;
#[cfg(unix)]
mod docker;
mod file_system;
mod http;
mod private_file;
mod processes;
mod properties;
