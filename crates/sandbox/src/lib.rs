//! V8 behind two walls: an isolate a plugin, inside a process without any rights.
//!
//! A [`PluginSandbox`] takes a [`PluginImage`] (one ES module and its limits) and gives a [`PluginHandle`], which is called
//! with JSON text and answers with JSON text. What the plugin asks of its host comes out at the port [`HostCalls`].
//!
//! This is the only crate that sees V8, and the only one with `unsafe` in it. It does not know what an event means, what
//! a host call does or where plugins come from, and it never reads a file.
//!
//! Both placements run the same loop (`lane`) over the same messages (`message`) on a socket: in a sandbox process, or
//! on threads of this one. From the agent inwards: [`PluginSandbox`] → `plugin` → `host` (one process) → `process::link` (one
//! socket) → `lane` (one thread) → `isolate` → the prelude.

#![allow(unsafe_code, reason = "V8's C++ interface, shared memory and process start; every block says why it is sound")]

mod capability_control;
mod error;
mod flags;
mod host;
mod image;
mod isolate;
mod lane;
mod layer;
mod limits;
mod message;
mod on_this_thread;
mod page;
mod plugin;
mod ports;
mod process;
mod sandbox;
mod watchdog;
mod web;

pub use capability_control::CapabilityControl;
pub use error::SandboxError;
pub use image::{Call, CallFailure, CallKind, CallOrigin, CallReply, Limit, PluginImage, Thrown};
pub use isolate::engine::initialize as initialize_v8;
pub use layer::LayerReport;
#[doc(hidden)]
pub use on_this_thread::OnThisThread;
pub use ports::{CodeCache, HostCall, HostCallError, HostCalls, LogLine};
pub use process::child::sandbox_main_if_requested;
pub use sandbox::{Placement, PluginHandle, PluginSandbox, SandboxOptions, SandboxStats, code_cache_key};

/// Reads bytes as frames, for the fuzz target.
#[cfg(feature = "test-hooks")]
#[doc(hidden)]
pub fn check_frames(bytes: &[u8]) {
    message::property::check(bytes);
}
