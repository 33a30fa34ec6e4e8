//! What a plugin can call, seen from the host.
//!
//! [`PluginContext`] answers every `ctx.*` call: it checks the arguments, asks the [`Gate`] before anything happens and
//! again about what was really opened or resolved, acts through the ports of the platform, and leaves a line in the audit
//! log. [`Registrations`] and [`ToolBuilder`] check what a plugin returned from its function.
//!
//! This crate does not know who grants what (the [`Gate`] does), where a plugin runs, or how an event travels: what a
//! plugin's own writes raise goes into an [`EventSink`].

#![forbid(unsafe_code)]

mod call;
mod command_line;
mod context;
mod error;
mod ledger;
mod limits;
mod lines;
mod ops;
mod ports;
mod profile;
mod project_path;
mod public_config;
mod recording;
mod redaction;
mod registrations;
mod secrets;
mod storage;
mod tool_builder;
mod turns;

pub use context::{ContextPorts, ContextSettings, PluginContext};
pub use error::{ApiError, ErrorCode};
pub use limits::ApiLimits;
pub use ports::{
    Asked, Asker, Browser, EventSink, FileChange, FileEvent, Gate, LogLevel, LogLine, LogSink, Models, Question,
    QuestionKind, Redirect, Redirects, SecretStore, SessionInfo, SessionView, ToolAnswer, ToolCatalog, ToolRequest,
};
pub use profile::{HostRequest, Origin, PluginProfile};
pub use public_config::public_config;
pub use recording::{Effects, RecordedCall, RecordedCalls, RecordedError, Recording};
pub use redaction::Redaction;
pub use registrations::{DeclaredCommand, Registrations};
pub use secrets::{SecretValue, redacted_text};
pub use tool_builder::{BuiltTool, DeclaredTool, ToolBuilder};
