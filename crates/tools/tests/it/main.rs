//! The crate's integration tests.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::panic, reason = "tests")]

#[cfg(unix)]
mod builtin;
mod commands;
mod custom_tools;
mod mcp;
mod mcp_http;
mod outside;
#[cfg(unix)]
mod workbench;
