//! The agent: the features, wired together over the ports that they own.
//!
//! No feature knows another. Here each one's ports are implemented over the others (`adapters`), and the language model, the
//! plugins and the configuration are handed to them.

#![forbid(unsafe_code)]

pub mod adapters;
mod agent;
mod builder;
mod error;
mod keys;
mod mcp;
mod model;
mod permit;
mod settings;
mod start;

pub use agent::Agent;
pub use builder::{AgentBuilder, PreparedAgent};
pub use error::AgentError;
pub use mimir_chat as chat;
pub use mimir_permissions as permissions;
pub use mimir_plugins::events;
