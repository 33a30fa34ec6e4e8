//! Parts of what a plugin asks for, for `grant --only`.

use clap::ValueEnum;
use mimir_shared_config::{Capabilities, Filesystem};

/// A part of what a plugin asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// Reading, changing and deleting files
    Filesystem,
    /// Reading files
    Read,
    /// Creating and changing files
    Write,
    /// Deleting files
    Delete,
    /// Requests
    Network,
    /// Programs
    Exec,
    /// Language models
    Llm,
    /// Containers
    Docker,
    /// Environment variables
    Env,
    /// Approving in your place
    Permissions,
    /// Secrets that it uses without seeing them
    Secrets,
    /// Calls of the agent's tools
    Tools,
    /// WebAssembly
    Wasm,
    /// The limits that it wants raised
    Limits,
}

/// What is left of `asked` if only these parts are granted.
pub(crate) fn only(asked: &Capabilities, parts: &[Part]) -> Capabilities {
    let has = |part: Part| parts.contains(&part);
    let files = has(Part::Filesystem);
    // Taken apart in full, so that a new capability cannot be granted by a list that does not name it
    let Capabilities { filesystem, network, exec, llm, docker, env, permissions, secrets, tools, wasm } = asked.clone();
    Capabilities {
        filesystem: Filesystem {
            read: filesystem.read && (files || has(Part::Read)),
            write: filesystem.write && (files || has(Part::Write)),
            delete: filesystem.delete && (files || has(Part::Delete)),
            restricted: filesystem.restricted,
        },
        network: if has(Part::Network) { network } else { Default::default() },
        exec: if has(Part::Exec) { exec } else { Default::default() },
        llm: if has(Part::Llm) { llm } else { Default::default() },
        docker: if has(Part::Docker) { docker } else { Default::default() },
        env: if has(Part::Env) { env } else { Default::default() },
        permissions: if has(Part::Permissions) { permissions } else { Default::default() },
        secrets: if has(Part::Secrets) { secrets } else { Default::default() },
        tools: if has(Part::Tools) { tools } else { Default::default() },
        wasm: wasm && has(Part::Wasm),
    }
}
