use mimir_registry::{Failure, FailureKind};
use mimir_sandbox::{CallFailure, Limit};

/// The registry's word for what the sandbox says about a plugin.
pub(crate) fn failure_of(failure: &CallFailure) -> Failure {
    let kind = match failure {
        CallFailure::Threw(_) => FailureKind::Threw,
        CallFailure::Start(_) | CallFailure::Limit { limit: Limit::Init, .. } => FailureKind::Startup,
        CallFailure::Limit { limit: Limit::Cpu, .. } => FailureKind::Cpu,
        CallFailure::Limit { limit: Limit::Time, .. } => FailureKind::Time,
        CallFailure::Limit { limit: Limit::Heap | Limit::OffHeap, .. } => FailureKind::Memory,
        CallFailure::Limit { limit: Limit::Output, .. } => FailureKind::Output,
        CallFailure::Invalid { .. } => FailureKind::Invalid,
        CallFailure::Crashed { .. } => FailureKind::Crashed,
        CallFailure::Lost => FailureKind::Lost,
        CallFailure::Interrupted => FailureKind::Interrupted,
        CallFailure::Unavailable { .. } => FailureKind::Unavailable,
    };
    let message = match failure {
        CallFailure::Start(_) | CallFailure::Limit { .. } | CallFailure::Invalid { .. } => format!("it {failure}"),
        other => other.to_string(),
    };
    Failure::new(kind, message)
}
