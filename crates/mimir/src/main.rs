//! The `mimir` command.

#![forbid(unsafe_code)]

fn main() {}
