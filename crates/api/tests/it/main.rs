//! Whole calls, on real files, processes and sockets; the gate decides by real capabilities.

#![allow(clippy::unwrap_used, reason = "a test that fails here should stop")]
#![allow(clippy::disallowed_methods, reason = "the tests prepare and look at what the calls touch")]

mod answers;
mod audit;
mod docker;
mod exec;
mod fetch;
mod files;
mod harness;
mod llm;
mod oauth;
mod paths;
mod races;
mod replay;
mod secrets;
mod session;
mod storage;
mod tools;
mod turns;
