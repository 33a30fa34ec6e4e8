//! The plugin commands of the command line.

#![forbid(unsafe_code)]
