//! From a plugin's folder to a bundled plugin that is ready to run.

#![forbid(unsafe_code)]
