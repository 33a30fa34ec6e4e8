//! What stands for this crate's ports in the real world.

pub(crate) mod sqlite;
