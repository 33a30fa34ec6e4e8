use std::io;

use thiserror::Error;

/// Why the sandbox itself, not a plugin, failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// The sandbox process could not be started.
    #[error("cannot start the sandbox process")]
    Spawn {
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// A socket pair, the shared page or a thread could not be made.
    #[error("cannot set up the sandbox: {what}")]
    Setup {
        /// What was being made.
        what: &'static str,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// A sandbox process ended before it said anything.
    #[error("the sandbox process ended at its start")]
    Silent,
}

/// A frame that the other side must not have sent.
#[derive(Debug, Error)]
pub(crate) enum ProtocolError {
    #[error("a frame of {bytes} bytes")]
    Oversized { bytes: usize },
    #[error("a frame with bytes behind its message")]
    TrailingBytes,
    #[error("a malformed frame")]
    Malformed {
        #[source]
        source: postcard::Error,
    },
}
