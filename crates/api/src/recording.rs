use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use mimir_shared_config::PluginId;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{ApiError, ErrorCode};

/// Whether calls act on the world.
#[derive(Clone)]
pub enum Effects {
    /// They do.
    Live,
    /// They are answered from a recording. What it does not know is refused as `NOT_RECORDED` if it would write, delete,
    /// run, request or notify; is done if it only reads; and stays in memory if it concerns the plugin's storage.
    Recorded(Arc<dyn Recording>),
}

impl fmt::Debug for Effects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Live => "Live",
            Self::Recorded(_) => "Recorded",
        })
    }
}

/// Answers that calls once got.
#[cfg_attr(test, mockall::automock)]
pub trait Recording: Send + Sync {
    /// What this call got, if it was recorded.
    fn answer(&self, plugin: &PluginId, op: &str, args: &Value) -> Option<Result<Value, ApiError>>;
}

/// A call as a recorded session has it: the object under `hostCall`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordedCall {
    /// Who called.
    pub plugin: PluginId,
    /// The operation.
    pub op: String,
    /// Its arguments.
    #[serde(default)]
    pub args: Value,
    /// What it gave, if it did not fail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<RecordedError>,
}

/// Why a recorded call failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordedError {
    /// The kind of failure.
    pub code: ErrorCode,
    /// What happened.
    pub message: String,
}

/// The recorded calls that belong to the event being replayed.
///
/// A recording says what matters about a call: an argument that it leaves out may be anything. Calls that are alike are
/// answered in the order in which they were recorded; the last of them goes on answering, since a plugin may ask more
/// often than it once did.
#[derive(Debug, Default)]
pub struct RecordedCalls {
    calls: Mutex<Vec<RecordedCall>>,
}

impl RecordedCalls {
    /// Takes the calls of the next event in place of those there were.
    pub fn replace(&self, calls: Vec<RecordedCall>) {
        *self.calls.lock().unwrap_or_else(PoisonError::into_inner) = calls;
    }
}

impl Recording for RecordedCalls {
    fn answer(&self, plugin: &PluginId, op: &str, args: &Value) -> Option<Result<Value, ApiError>> {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let is_meant = |call: &RecordedCall| call.plugin == *plugin && call.op == op && is_part_of(&call.args, args);
        let mut alike = calls.iter().enumerate().filter(|(_, call)| is_meant(call)).map(|(at, _)| at);
        let (first, has_more) = (alike.next()?, alike.next().is_some());
        let call = if has_more { calls.remove(first) } else { calls[first].clone() };
        Some(match call.error {
            Some(error) => Err(ApiError::new(error.code, error.message)),
            None => Ok(call.result.unwrap_or_default()),
        })
    }
}

/// Whether a call with `args` is one that was recorded with these.
fn is_part_of(recorded: &Value, args: &Value) -> bool {
    match (recorded, args) {
        (Value::Null, _) => true,
        (Value::Object(recorded), Value::Object(args)) => {
            recorded.iter().all(|(key, value)| args.get(key) == Some(value))
        }
        (recorded, args) => recorded == args,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails here should stop")]

    use serde_json::json;

    use super::*;

    #[test]
    fn answers_in_order_by_plugin_op_and_arguments() {
        let calls = RecordedCalls::default();
        let (p, q) = (PluginId::new("p").unwrap(), PluginId::new("q").unwrap());
        let args = json!({"command": "ls", "args": []});
        assert_eq!(calls.answer(&p, "exec", &args), None);
        calls.replace(
            serde_json::from_value(json!([
                {"plugin": "p", "op": "exec", "args": {"args": [], "command": "ls"}, "result": 1},
                {"plugin": "q", "op": "exec", "args": args, "error": {"code": "IO", "message": "broken"}},
                {"plugin": "p", "op": "exec", "args": args, "result": 2},
                {"plugin": "p", "op": "notify", "args": {"message": "x"}},
            ]))
            .unwrap(),
        );
        assert_eq!(calls.answer(&p, "exec", &json!({"command": "ls"})), None);
        let answers: Vec<_> = (0..3).map(|_| calls.answer(&p, "exec", &args).unwrap().unwrap()).collect();
        assert_eq!(answers, [json!(1), json!(2), json!(2)]);
        let error = calls.answer(&q, "exec", &args).unwrap().unwrap_err();
        assert_eq!((error.code, error.message.as_str()), (ErrorCode::Io, "broken"));
        assert_eq!(calls.answer(&p, "notify", &json!({"message": "x", "level": "info"})), Some(Ok(Value::Null)));
        assert_eq!(calls.answer(&p, "notify", &json!({"message": "y"})), None);
        calls.replace(Vec::new());
        assert_eq!(calls.answer(&p, "exec", &args), None);
    }
}
