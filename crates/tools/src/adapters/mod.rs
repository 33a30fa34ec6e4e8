//! What touches the outside world.
#![allow(clippy::disallowed_methods, reason = "adapters are where the outside world is touched")]

mod project_search;

pub use project_search::ProjectSearch;
