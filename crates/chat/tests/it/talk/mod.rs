//! Conversations, with everything around them played by hand.

mod agents;
mod commands;
mod compaction;
mod costs;
mod cut;
mod interruption;
mod memory;
mod retries;
mod sqlite;
mod turns;
mod world;
