//! The plugin system, wired together.

#![forbid(unsafe_code)]
