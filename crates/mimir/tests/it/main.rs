//! The binary as people and scripts use it, with real plugins in real sandbox processes.

#![allow(clippy::unwrap_used, reason = "a test may fail by a panic")]

mod agent;
#[cfg(all(feature = "test-hooks", target_os = "linux"))]
mod attacks;
mod audit;
mod auth;
#[cfg(unix)]
mod doctor;
mod embedding;
mod errors;
mod event_table;
mod events;
#[cfg(target_os = "linux")]
mod formatter;
mod kills;
mod observe;
mod packages;
mod place;
mod placement;
mod plugin;
mod plugin_tools;
mod recording;
mod replay;
mod runaways;
mod sessions;
mod sessions_command;
#[cfg(target_os = "linux")]
mod stalls;
