//! What lasts between runs and is the user's: grants, trust and quarantine. Never in a file that a repository carries.

mod file;
mod grants;
mod state;
mod trust;

pub use grants::GrantStore;
pub use state::{PluginState, Quarantine, StateStore};
pub use trust::TrustStore;
