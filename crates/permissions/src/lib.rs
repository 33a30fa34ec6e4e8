//! Whether an action of the agent may happen.
//!
//! Rules decide first (deny over allow, the company over the user), then plugins (`permission.ask`), then the person; an
//! answer may be remembered. Whatever is decided, plugins hear of it (`permission.replied`).
//!
//! This crate does not know what a tool is and draws no prompt: who asks says what would be done, and the person stands
//! behind the port [`Person`].

#![forbid(unsafe_code)]

mod adapters;
mod answers;
mod paths;
mod permissions;
mod ports;
mod render;
mod request;
mod risk;
mod rules;
mod settings;
mod shell;

pub use adapters::AnswerFile;
pub use answers::{About, Answer, AnswersError};
pub use permissions::Permissions;
pub use ports::{AnswerStore, Person, Reply, Scope};
pub use render::render;
pub use request::{Assessment, Decider, Prompt, Request, Verdict};
pub use settings::Settings;
