//! The plugin system, wired together: what the rest of Mimir, and whoever embeds it, uses.
//!
//! The slices know nothing of each other. Here each one's ports are implemented over the others (`adapters`), what the
//! configuration enables is loaded and subscribed (`start`), and [`Plugins`] is the handle to all of it:
//!
//! ```no_run
//! use mimir_plugins::events::{Decision, ToolExecuteBefore, ToolSource};
//! use mimir_plugins::{Plugins, PluginsError};
//! use serde_json::{Map, json};
//!
//! # async fn example() -> Result<(), PluginsError> {
//! let plugins = Plugins::builder().project(".").on_report(|report| eprintln!("{report}")).build().await?;
//! let event = ToolExecuteBefore {
//!     timestamp: 1_767_603_600_000,
//!     session_id: "s1".to_owned(),
//!     tool: "bash".to_owned(),
//!     args: Map::from_iter([("command".to_owned(), json!("ls"))]),
//!     call_id: "c1".to_owned(),
//!     source: ToolSource::Builtin,
//!     agent_id: None,
//!     extra: Map::new(),
//! };
//! match plugins.tools().before(event).await {
//!     Decision::Proceed(event) => println!("run {} with {:?}", event.tool, event.args),
//!     Decision::Blocked { reason, .. } => println!("blocked: {reason}"),
//! }
//! plugins.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! The program that embeds it calls [`main_if_requested`] first in its `main`, since it is started again as the sandbox
//! process and as the bundler. `docs/embedding.md` says the rest: how a feature emits, how Rust code subscribes, what answers
//! plugins, how to stop.

#![forbid(unsafe_code)]

mod adapters;
mod auth;
mod builder;
mod builtin;
mod closed;
mod context;
mod custom_tool;
mod emitters;
mod error;
mod folders;
mod layers;
mod plugin_calls;
mod plugins;
mod recording;
mod report;
mod start;
mod surroundings;
mod trace;

pub use adapters::file_recorder::FileRecorder;
pub use adapters::plugin_store::Store;
pub use auth::{AuthProvider, AuthRequest, ProviderToken};
pub use builder::{PluginsBuilder, Prepared};
pub use custom_tool::{CustomToolCode, CustomToolHandle};
pub use error::PluginsError;
pub use folders::Folders;
pub use mimir_api::{
    ApiError, Asked, Asker, BuiltTool, DeclaredCommand, Effects, ErrorCode, Question, QuestionKind, RecordedCall,
    RecordedCalls, Recording, Registrations, SessionInfo, SessionView, ToolAnswer, ToolCatalog, ToolRequest,
};
pub use mimir_commands::{Problem, Severity};
/// The events' payloads, the decisions about them, and the typed emitters.
pub use mimir_hooks as events;
pub use mimir_hooks::Hooks;
pub use mimir_loader::ToolLanguage;
pub use mimir_registry::{
    AnswerRecord, Background, Delivery, Emission, Envelope, Failure, FailureKind, Outcome, PluginRecord, PluginState,
    Reply, Subscriber, Subscription, SubscriptionId, subscriber_fn,
};
pub use mimir_sandbox::{Placement, SandboxStats};
pub use mimir_shared_config::{EventName, PluginId};
pub use mimir_shared_platform::Level;
pub use mimir_shared_providers::{
    LlmProvider, Message, ScriptedAnswer, ScriptedProvider, Secret, ToolDefinition, Usage,
};
pub use plugin_calls::{CallError, Invocation, PluginCommandInfo, PluginTool};
pub use plugins::Plugins;
pub use recording::{RecordedEvent, Recorder, RecorderError};
pub use report::{Report, ReportKind};
pub use trace::{Change, Traced};

/// Compiles what the page says.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/embedding.md")]
pub struct EmbeddingPage;

/// Turns this process into the sandbox process, the bundler or the trampoline of programs if it was started as one, and does
/// not come back then. Must be the first thing that `main` does: no thread may exist yet.
pub fn main_if_requested() {
    mimir_shared_platform::exec_main_if_requested();
    mimir_sandbox::sandbox_main_if_requested();
    mimir_loader::bundler_main_if_requested();
}
