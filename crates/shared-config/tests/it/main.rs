//! What people write, and what comes of it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod agent;
mod closed;
mod config;
mod decide;
mod design;
mod edit;
mod grants;
mod manifest;
mod messages;
mod permits;
mod properties;
mod repository;
mod schemas;
