use std::error::Error as _;
use std::io;

use mimir_shared_config::Denial;
use mimir_shared_platform::PlatformError;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Why a call of a plugin was refused or failed, as the plugin gets it: a code to decide by, a sentence for people, and
/// where something is missing from the manifest, what and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Error, Serialize, Deserialize)]
#[error("{message}")]
pub struct ApiError {
    /// What kind of failure.
    pub code: ErrorCode,
    /// What happened.
    pub message: String,
    /// The capability that is missing, for instance `filesystem.write`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capability: Option<String>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// The kinds of failure that a plugin can tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ErrorCode {
    /// The plugin may not do this.
    CapabilityDenied,
    /// A replay has no answer to this call and does not let it act.
    NotRecorded,
    /// The arguments are wrong.
    InvalidArgument,
    /// There is no such file, program or session.
    NotFound,
    /// The operating system or the network failed.
    Io,
    /// It took too long.
    Timeout,
    /// Something is larger than allowed.
    Limit,
    /// There is no such call.
    Unsupported,
    /// The tool that was called failed, or was refused.
    Failed,
}

impl ErrorCode {
    /// The code as plugins see it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CapabilityDenied => "CAPABILITY_DENIED",
            Self::NotRecorded => "NOT_RECORDED",
            Self::InvalidArgument => "INVALID_ARGUMENT",
            Self::NotFound => "NOT_FOUND",
            Self::Io => "IO",
            Self::Timeout => "TIMEOUT",
            Self::Limit => "LIMIT",
            Self::Unsupported => "UNSUPPORTED",
            Self::Failed => "FAILED",
        }
    }
}

impl ApiError {
    /// An error of a kind, without a hint.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), capability: None, hint: None }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidArgument, message)
    }

    pub(crate) fn limit(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Limit, message)
    }

    pub(crate) fn denied(op: &str, denial: Denial) -> Self {
        Self {
            code: ErrorCode::CapabilityDenied,
            message: format!("{op} is denied: {}", denial.reason),
            capability: Some(denial.capability),
            hint: denial.hint,
        }
    }

    #[must_use]
    pub(crate) fn with_hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

impl From<PlatformError> for ApiError {
    fn from(error: PlatformError) -> Self {
        let code = match &error {
            _ if error.is_not_found() => ErrorCode::NotFound,
            PlatformError::TooLarge { .. } => ErrorCode::Limit,
            PlatformError::TimedOut { .. } => ErrorCode::Timeout,
            PlatformError::WrongKind { .. } | PlatformError::InvalidRequest { .. } => ErrorCode::InvalidArgument,
            PlatformError::Outside { .. }
            | PlatformError::ProgramInside { .. }
            | PlatformError::AddressRefused { .. } => ErrorCode::CapabilityDenied,
            PlatformError::File { source, .. }
                if matches!(source.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::InvalidFilename) =>
            {
                ErrorCode::InvalidArgument
            }
            _ => ErrorCode::Io,
        };
        // A plugin sees one text and no chain of sources
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            message.push_str(": ");
            message.push_str(&cause.to_string());
            source = cause.source();
        }
        Self::new(code, message)
    }
}
