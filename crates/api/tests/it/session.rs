use mimir_api::{HostRequest, LogLevel, Origin};
use mimir_shared_platform::Level;
use serde_json::{Value, json};

use crate::harness::{profile, world};

#[tokio::test]
async fn shows_the_session_at_hand() {
    let world = world();
    world.check("session.get", json!({}), Ok(json!({"id": "s1", "metadata": {"title": "a session"}}))).await;
    let messages = json!([{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]);
    world.check("session.messages", json!({}), Ok(messages)).await;

    for session_id in [None, Some(""), Some("other")] {
        let origin = Origin { session_id: session_id.map(Into::into), ..Origin::default() };
        let request = HostRequest { plugin: profile("p", "/p"), origin, op: "session.get", args: "{}" };
        assert_eq!(world.context.call(request).await.unwrap_err().code.as_str(), "NOT_FOUND");
    }
}

#[tokio::test]
async fn tells_the_user() {
    let world = world();
    world.check("notify", json!({"message": "hello"}), Ok(Value::Null)).await;
    world.check("notify", json!({"message": "x".repeat(5_000), "level": "warn"}), Ok(Value::Null)).await;
    world.check("notify", json!({"message": "x", "level": "loud"}), Err(("INVALID_ARGUMENT", "loud"))).await;
    let notices = world.notifier.notices();
    assert_eq!(notices[0], (Level::Info, Some("p".to_owned()), "hello".to_owned()));
    assert_eq!((notices[1].0, notices[1].2.chars().count()), (Level::Warning, 4_097));
    assert_eq!(notices.len(), 2);
}

#[tokio::test]
async fn logs_without_a_line_in_the_audit_log() {
    let world = world();
    world.check("log", json!({"level": "warn", "message": "careful", "fields": {"n": 1}}), Ok(Value::Null)).await;
    world.check("log", json!({"level": "shout", "message": ""}), Err(("INVALID_ARGUMENT", "shout"))).await;
    let lines = world.logs.0.lock().unwrap();
    assert_eq!((lines.len(), lines[0].level, lines[0].message.as_str()), (1, LogLevel::Warn, "careful"));
    assert_eq!(lines[0].fields["n"], 1);
    assert!(world.audit.records().is_empty());
}

#[tokio::test]
async fn what_does_not_exist_is_unsupported() {
    let world = world();
    for op in ["llm.think", "fs.chmod", "", "__proto__"] {
        world.check(op, json!({}), Err(("UNSUPPORTED", "there is no call"))).await;
    }
    assert_eq!(world.audit.records().len(), 4);
}
