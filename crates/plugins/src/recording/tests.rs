#![allow(clippy::unwrap_used, reason = "a test that fails here should stop")]

use std::sync::Arc;

use mimir_api::{ErrorCode, Redaction};
use mimir_registry::Envelope;
use mimir_shared_config::{EventName, PluginId};
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::{RecordedEvent, Recorder, RecorderError, Tape};
use crate::report::Reports;

/// Keeps the lines that a file would have.
#[derive(Default)]
struct Lines(Mutex<Vec<String>>);

impl Recorder for Lines {
    fn event(&self, event: RecordedEvent) -> Result<(), RecorderError> {
        self.0.lock().extend(event.lines().unwrap().lines().map(str::to_owned));
        Ok(())
    }
}

struct Setup {
    tape: Tape,
    lines: Arc<Lines>,
}

impl Setup {
    fn new() -> Self {
        let lines = Arc::<Lines>::default();
        Self { tape: Tape::new(lines.clone(), Redaction::default(), Reports::default()), lines }
    }

    fn call(&self, plugin: &str, event: Option<u64>, op: &str, args: &Value, result: &Value) {
        self.tape.call(&id(plugin), event, op, &args.to_string()).unwrap().answered(result);
    }

    /// What was handed over since the last look: events by their number, calls by plugin, operation and result.
    #[track_caller]
    fn check(&self, expected: &[&str]) {
        let lines = std::mem::take(&mut *self.lines.0.lock());
        let shown: Vec<String> = lines
            .iter()
            .map(|line| {
                let line: Value = serde_json::from_str(line).unwrap();
                let call = &line["hostCall"];
                match call["plugin"].as_str() {
                    Some(plugin) => format!(
                        "{plugin} {} {}",
                        call["op"].as_str().unwrap(),
                        call.get("result").unwrap_or(&call["error"]["code"])
                    ),
                    None => line["payload"]["n"].to_string(),
                }
            })
            .collect();
        assert_eq!(shown, expected);
    }
}

fn id(name: &str) -> PluginId {
    PluginId::new(name).unwrap()
}

fn event(number: u64) -> Envelope {
    let envelope = Envelope::new(EventName::SessionIdle, json!({ "n": number }).to_string(), "s");
    Envelope { number, ..envelope }
}

#[test]
fn events_are_handed_over_in_order_when_they_are_complete() {
    let setup = Setup::new();
    // The third has begun before the second is known
    for number in [1, 3] {
        setup.tape.begun(&event(number));
    }
    setup.tape.over(&event(3));
    setup.tape.over(&event(1));
    setup.check(&["1"]);
    setup.tape.begun(&event(2));
    let pending = setup.tape.call(&id("a"), Some(2), "fs.exists", r#"{"path":"x"}"#).unwrap();
    setup.call("b", Some(2), "notify", &json!({}), &Value::Null);
    setup.tape.over(&event(2));
    setup.check(&[]);
    // In the order in which they began, not in that of their answers
    pending.answered(&json!(true));
    setup.check(&["2", "a fs.exists true", "b notify null", "3"]);
}

#[test]
fn each_call_belongs_to_the_event_for_which_it_was_made() {
    let setup = Setup::new();
    for number in [1, 2] {
        setup.tape.begun(&event(number));
    }
    setup.call("a", Some(2), "fs.exists", &json!({}), &json!(2));
    setup.call("b", Some(1), "fs.exists", &json!({}), &json!(1));
    setup.tape.call(&id("b"), Some(1), "exec", "{}").unwrap().failed(ErrorCode::NotFound, "gone");
    // One whose plugin has died, one of a tool, and what was logged
    drop(setup.tape.call(&id("a"), Some(1), "exec", "{}"));
    assert!(setup.tape.call(&id("a"), Some(0), "exec", "{}").is_none());
    assert!(setup.tape.call(&id("a"), Some(1), "log", "{}").is_none());
    setup.tape.over(&event(2));
    setup.tape.over(&event(1));
    setup.check(&["1", "b fs.exists 1", "b exec \"NOT_FOUND\"", "2", "a fs.exists 2"]);
}

#[test]
fn what_belongs_to_no_event_goes_with_the_plugins_next_one() {
    let setup = Setup::new();
    // It was started to learn what it adds
    setup.call("a", None, "storage.get", &json!({"key": "k"}), &json!(7));
    setup.tape.begun(&event(1));
    drop(setup.tape.delivered(&id("b"), 1));
    setup.tape.over(&event(1));
    setup.check(&["1"]);
    setup.tape.begun(&event(2));
    let at_hand = setup.tape.delivered(&id("a"), 2);
    // By itself while it has an event at hand, and for one that is over
    setup.call("a", None, "fs.exists", &json!({}), &json!(2));
    setup.call("a", Some(1), "fs.exists", &json!({}), &json!(1));
    drop(at_hand);
    setup.tape.over(&event(2));
    setup.check(&["2", "a storage.get 7", "a fs.exists 2", "a fs.exists 1"]);
    setup.call("a", Some(2), "notify", &json!({}), &json!(3));
    setup.tape.begun(&event(3));
    drop(setup.tape.delivered(&id("a"), 3));
    setup.tape.finish();
    setup.check(&["3", "a notify 3"]);
}

#[test]
fn a_body_that_came_in_pieces_is_one_answer() {
    let setup = Setup::new();
    setup.tape.begun(&event(1));
    let fetch = |id: u64| json!({"url": "https://a.test/", "id": id});
    for (plugin, number) in [("a", 1), ("a", 2), ("b", 1)] {
        setup.call(plugin, Some(1), "fetch", &fetch(number), &json!({"status": 200, "stream": true}));
    }
    for (plugin, number, piece) in [("a", 2, "Zm9v"), ("b", 1, "eA=="), ("a", 2, "YmFy"), ("a", 1, "eQ==")] {
        setup.call(plugin, Some(1), "fetch.read", &json!({ "id": number }), &json!(piece));
    }
    setup.call("a", Some(1), "fetch.read", &json!({"id": 2}), &Value::Null);
    setup.tape.over(&event(1));
    setup.check(&[
        "1",
        r#"a fetch {"status":200,"body":"eQ=="}"#,
        r#"a fetch {"status":200,"body":"Zm9vYmFy"}"#,
        r#"b fetch {"status":200,"body":"eA=="}"#,
    ]);
}
