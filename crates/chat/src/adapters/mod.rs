//! What stands for this crate's ports in the real world.
#![allow(clippy::disallowed_methods, reason = "adapters are where the outside world is touched")]

pub(crate) mod sqlite;
