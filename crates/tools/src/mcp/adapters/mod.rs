#![allow(clippy::disallowed_methods, reason = "adapters are where the outside world is touched")]

mod process;

pub(super) use process::{ServerProcess, Streams};
