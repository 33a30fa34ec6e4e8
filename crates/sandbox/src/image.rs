//! What the sandbox takes and gives: images of plugins, calls, replies, failures.

use std::sync::Arc;
use std::time::Duration;

use mimir_shared_config::{Limits, PluginId};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A plugin that is ready to run: one self-contained ES module and what its isolate needs to know.
#[derive(Debug, Clone)]
pub struct PluginImage {
    /// The plugin's name. Its module is called `mimir:plugin/<id>` in stack traces.
    pub id: PluginId,
    /// The ES module. It may import nothing.
    pub code: Arc<str>,
    /// What `ctx` shows without a host call, as JSON text: `{"plugin": {"name", "version"}, "project": {"root",
    /// "worktree"}, "config": …, "env": {NAME: value}}`.
    pub context: Arc<str>,
    /// The limits that hold for it.
    pub limits: Limits,
    /// Whether `WebAssembly` exists in its isolate.
    pub wasm: bool,
    /// Plugins of one group share a sandbox process; the caller puts only those together whose effective grants are equal.
    pub group: Arc<str>,
}

/// What a call is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CallKind {
    /// An event, by its name.
    Event,
    /// A tool that the plugin registered, by its name.
    Tool,
    /// A slash command that the plugin registered, by its name.
    Command,
    /// An auth provider that the plugin registered, by its name: it is asked for a token.
    Auth,
}

/// One call into a plugin.
#[derive(Debug, Clone)]
pub struct Call {
    /// What it is about.
    pub kind: CallKind,
    /// The event's, tool's or command's name.
    pub name: Arc<str>,
    /// The event's payload or the tool's arguments, as JSON text.
    pub payload: Arc<str>,
    /// What caused it; handed back with each host call that the plugin makes on its behalf.
    pub origin: CallOrigin,
}

/// Why a call happens. The sandbox hands it back with host calls; it does not look inside.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallOrigin {
    /// The plugins whose host calls led to this, the first cause first.
    pub chain: Arc<[PluginId]>,
    /// The session that it belongs to.
    pub session_id: Arc<str>,
    /// The auth provider that is asked, if one is.
    pub auth: Option<Arc<str>>,
    /// Which event it is, by the embedder's number; 0 if it is none.
    pub event: u64,
}

/// What came of a call.
#[derive(Debug)]
pub struct CallReply {
    /// For an event `{"value"?, "changed"?}`, for a tool or command its result; JSON text.
    pub result: Result<String, CallFailure>,
    /// CPU time that the plugin took in its isolate.
    pub cpu: Duration,
    /// From the call to its reply, as the caller saw it.
    pub wall: Duration,
    /// The largest V8 heap seen for this plugin so far, in bytes.
    pub heap_peak: usize,
}

/// What was thrown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thrown {
    /// The error's `name`, or `Error`.
    pub name: String,
    /// Its message, or the value as a string.
    pub message: String,
    /// V8's stack trace, with positions in the bundle.
    pub stack: Option<String>,
}

/// A limit that a plugin can pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Limit {
    /// CPU time of one entry.
    Cpu,
    /// Wall time of one event, tool or command.
    Time,
    /// Wall time of its start.
    Init,
    /// V8 heap.
    Heap,
    /// Memory outside the heap.
    OffHeap,
    /// Size of its answer.
    Output,
}

/// Why a call has no answer.
#[derive(Debug, Clone, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum CallFailure {
    /// The handler threw.
    #[error("{}: {}", .0.name, .0.message)]
    Threw(Thrown),
    /// The plugin could not be started: its module or its function threw, or exports no plugin.
    #[error("could not start: {}: {}", .0.name, .0.message)]
    Start(Thrown),
    /// A limit stopped it. Its isolate starts anew with the next call.
    #[error("{}", limit_text(*.limit, *.bound))]
    Limit {
        /// Which one.
        limit: Limit,
        /// Its bound: milliseconds, or bytes.
        bound: u64,
    },
    /// Its answer is no JSON data: a function, a cycle, a getter that throws.
    #[error("gave no valid answer: {message}")]
    Invalid {
        /// What is wrong with it.
        message: String,
    },
    /// It did not react to being stopped, or brought V8 down: its process was killed. It should be quarantined.
    #[error("its sandbox process had to be killed: {reason}")]
    Crashed {
        /// What was seen.
        reason: String,
    },
    /// The process went away through no fault of this plugin while the call was under way.
    #[error("the sandbox process ended while the call was under way")]
    Lost,
    /// The caller went away or the plugin was disposed of.
    #[error("the call was interrupted")]
    Interrupted,
    /// The sandbox process could not be started.
    #[error("the sandbox process could not be started: {reason}")]
    Unavailable {
        /// The operating system's answer.
        reason: String,
    },
}

fn limit_text(limit: Limit, bound: u64) -> String {
    let mib = bound >> 20;
    match limit {
        Limit::Cpu => format!("took more than {bound} ms of CPU time"),
        Limit::Time => format!("did not answer within {bound} ms"),
        Limit::Init => format!("did not start within {bound} ms"),
        Limit::Heap => format!("used more than {mib} MiB of heap"),
        Limit::OffHeap => format!("used more than {mib} MiB of memory outside the heap"),
        Limit::Output => format!("answered with more than {mib} MiB"),
    }
}
