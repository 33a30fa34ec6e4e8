//! From a plugin's folder to a bundled plugin that is ready to run.
//!
//! [`PluginLoader`] finds plugins in the places where they may lie, checks each, bundles it to one ES module and says
//! whether the user has granted what it asks for. What lasts between runs is kept under `~/.mimir`: bundles
//! ([`PluginCache`]), grants ([`GrantStore`]), trusted repositories ([`TrustStore`]) and quarantine ([`StateStore`]).
//!
//! It reads no configuration file (it is given the [`Config`](mimir_shared_config::Config)), runs no plugin code, and does not know
//! what a grant permits. Plugin sources are untrusted: they are parsed in a confined child process, never here.

#![forbid(unsafe_code)]

mod adapters;
mod bundle;
mod cache;
mod declared;
mod discovery;
mod entry;
mod error;
mod identity;
mod index;
mod known;
mod loaded;
mod loader;
mod manifest;
mod ports;
mod stack;
mod stores;
mod tool;
mod validator;

pub use adapters::bundler_process::{BundlerLimits, BundlerProcess};
pub use adapters::own_file::{HomeProblem, home_problems};
pub use bundle::child::bundler_main_if_requested;
pub use bundle::protocol::{BundleRequest, Bundled, Confinement, Input};
pub use cache::PluginCache;
pub use declared::Declarations;
pub use discovery::{Discovery, Found, Place, Places, Shadowed};
pub use error::{LoadError, Problem};
pub use known::Examined;
pub use loaded::{GrantState, LoadedPlugin};
pub use loader::{LoadReport, PluginLoader};
pub use ports::Bundler;
pub use stores::{GrantStore, PluginState, Quarantine, StateStore, TrustStore};
pub use tool::{LoadedTool, ToolLanguage};
pub use validator::{PluginValidator, Validation};

/// What a plugin's bundle is called inside V8, so that a stack trace can be traced back to it.
pub fn script_name(id: &str) -> String {
    format!("{}{id}", stack::SCRIPT_PREFIX)
}
