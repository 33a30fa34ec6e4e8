use mimir_shared_config::Access;
use mimir_shared_platform::{Level, Notice};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::call::Call;
use crate::{ApiError, LogLevel, LogLine};

#[derive(Deserialize)]
struct NotifyArgs {
    message: String,
    #[serde(default)]
    level: NotifyLevel,
}

#[derive(Default, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum NotifyLevel {
    #[default]
    Info,
    #[serde(alias = "warn")]
    Warning,
    Error,
}

pub(crate) fn notify(call: &Call) -> Result<Value, ApiError> {
    let NotifyArgs { mut message, level } = call.args()?;
    call.check(&Access::Notify)?;
    if let Some(answer) = call.recorded(true) {
        return answer;
    }
    truncate(&mut message, call.shared.limits.message);
    let level = match level {
        NotifyLevel::Info => Level::Info,
        NotifyLevel::Warning => Level::Warning,
        NotifyLevel::Error => Level::Error,
    };
    call.shared.ports.notifier.notify(&Notice { level, from: Some(call.plugin.id.as_str()), message: &message });
    Ok(Value::Null)
}

#[derive(Deserialize)]
struct LogArgs {
    level: LogLevel,
    message: String,
    #[serde(default)]
    fields: Map<String, Value>,
}

pub(crate) fn log_line(args: &str, limit: usize) -> Result<LogLine, ApiError> {
    if args.len() > limit.saturating_mul(8) {
        return Err(ApiError::limit(format!("a log line has at most {limit} characters and some fields")));
    }
    let LogArgs { level, message, fields } =
        serde_json::from_str(args).map_err(|error| ApiError::invalid(format!("log: {error}")))?;
    Ok(LogLine { level, message, fields })
}

/// Cuts `text` after `limit` characters.
pub(crate) fn truncate(text: &mut String, limit: usize) {
    if let Some((at, _)) = text.char_indices().nth(limit) {
        text.truncate(at);
        text.push('…');
    }
}
