//! Host calls that are answered from the recording.

use std::sync::{Mutex, PoisonError};

use mimir_plugins::{ApiError, PluginId, RecordedCall, Recording};
use serde_json::Value;

/// The calls that were recorded with the event at hand.
///
/// A recording says what matters about a call: an argument that it leaves out may be anything. Calls that are alike are
/// answered in the order in which they were recorded; the last of them goes on answering, since a plugin may ask more
/// often than it once did.
#[derive(Default)]
pub(crate) struct CallsOfEvent(Mutex<Vec<RecordedCall>>);

impl CallsOfEvent {
    /// Goes on to the next event.
    pub(crate) fn replace(&self, calls: Vec<RecordedCall>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = calls;
    }
}

impl Recording for CallsOfEvent {
    fn answer(&self, plugin: &PluginId, op: &str, args: &Value) -> Option<Result<Value, ApiError>> {
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_meant = |call: &RecordedCall| call.plugin == *plugin && call.op == op && is_part_of(&call.args, args);
        let first = calls.iter().position(is_meant)?;
        let has_more = calls[first + 1..].iter().any(is_meant);
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
    #![allow(clippy::unwrap_used, reason = "a test may fail by a panic")]

    use serde_json::json;

    use super::*;

    #[test]
    fn a_recording_says_what_matters() {
        let calls = CallsOfEvent::default();
        let call = |args: Value, result: Value| {
            serde_json::from_value(json!({"plugin": "p", "op": "notify", "args": args, "result": result})).unwrap()
        };
        calls.replace(vec![call(json!({"message": "a"}), json!(1)), call(json!({"message": "a"}), json!(2))]);
        let plugin = PluginId::new("p").unwrap();
        let ask = |args: Value| calls.answer(&plugin, "notify", &args).map(Result::unwrap);
        assert_eq!(ask(json!({"message": "b"})), None);
        assert_eq!(ask(json!({"message": "a", "level": "info"})), Some(json!(1)));
        assert_eq!(ask(json!({"message": "a"})), Some(json!(2)));
        assert_eq!(ask(json!({"message": "a"})), Some(json!(2)));
        assert!(calls.answer(&PluginId::new("q").unwrap(), "notify", &json!({"message": "a"})).is_none());
    }
}
