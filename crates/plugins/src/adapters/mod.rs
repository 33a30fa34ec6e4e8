//! One slice behind another's port, a file each. Nothing in here decides anything: it converts types.

pub(crate) mod audit;
pub(crate) mod browser;
pub(crate) mod code_cache;
pub(crate) mod declared;
pub(crate) mod emit;
pub(crate) mod event_sink;
pub(crate) mod failure;
pub(crate) mod file_recorder;
pub(crate) mod gate;
pub(crate) mod host_calls;
pub(crate) mod log_sink;
pub(crate) mod notifier;
pub(crate) mod plugin_store;
pub(crate) mod policy;
pub(crate) mod problems;
pub(crate) mod reporter;
pub(crate) mod secret_store;
pub(crate) mod session_view;
pub(crate) mod state_store;
pub(crate) mod subscriber;
#[cfg(feature = "test-hooks")]
pub(crate) mod testing;
