//! Providers behind HTTP: what their dialects have in common.

mod answer;
mod conversation;
mod dialect;
mod failure;
mod lines;
mod names;
mod provider;
mod reading;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub(crate) use answer::Answer;
pub(crate) use conversation::{Conversation, Piece, Speaker};
pub(crate) use dialect::{Decoder, Dialect, Quirks, Step, Trouble, json};
pub(crate) use failure::Said;
pub(crate) use names::{ToolNames, sendable_id};
pub use provider::HttpProvider;
