//! The only modules that touch the disk, the clock and other processes.
#![allow(clippy::disallowed_methods, reason = "adapters are where the outside world is touched")]

pub(crate) mod bundler_process;
pub(crate) mod clock;
pub(crate) mod disk;
pub(crate) mod own_file;
