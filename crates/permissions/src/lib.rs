//! Whether an action of the agent may happen.
//!
//! Rules decide first (deny over allow, the company over the user), then plugins (`permission.ask`), then the person; an
//! answer may be remembered. Whatever is decided, plugins hear of it (`permission.replied`).
//!
//! This crate does not know what a tool is and draws no prompt: who asks says what would be done, and the person stands
//! behind the port [`Person`].

#![forbid(unsafe_code)]

mod ports;
mod request;

pub use ports::{Person, Reply, Scope};
pub use request::{Assessment, Decider, Prompt, Request, Verdict};
