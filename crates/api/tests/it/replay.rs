use std::fs;
use std::sync::Arc;

use mimir_api::{Effects, RecordedCalls};
use serde_json::{Value, json};

use crate::harness::{Options, World, world_with};

fn replay(capabilities: Option<Value>) -> (World, Arc<RecordedCalls>) {
    let calls = Arc::new(RecordedCalls::default());
    let usual = Options::default();
    let capabilities = capabilities.unwrap_or(usual.capabilities);
    let effects = Effects::Recorded(Arc::clone(&calls) as _);
    (world_with(Options { capabilities, effects, ..Options::default() }), calls)
}

fn everything() -> Value {
    let mut capabilities = Options::default().capabilities;
    capabilities["tools"] = json!(["bash", "read"]);
    capabilities
}

#[tokio::test]
async fn nothing_acts_that_was_not_recorded() {
    let (world, _) = replay(Some(everything()));
    for (op, args) in [
        ("fs.writeFile", json!({"path": "src/a.ts", "data": "x"})),
        ("fs.appendFile", json!({"path": "src/a.ts", "data": "x"})),
        ("fs.mkdir", json!({"path": "x"})),
        ("fs.remove", json!({"path": "src/a.ts"})),
        ("exec", json!({"command": "touch", "args": ["x"]})),
        ("fetch", json!({"url": "http://127.0.0.1:9/"})),
        ("notify", json!({"message": "x"})),
        ("tools.execute", json!({"name": "bash"})),
        ("ask", json!({"question": "?"})),
        ("confirm", json!({"question": "?"})),
    ] {
        let error = world.call(op, args.clone()).await.unwrap_err();
        assert_eq!(error.code.as_str(), "NOT_RECORDED", "{op}: {error}");
        assert!(error.hint.unwrap().contains("--live"));
    }
    assert_eq!(world.read("src/a.ts"), "a");
    assert!(!world.root.join("x").exists());
    assert!(world.notifier.notices().is_empty() && world.events().is_empty());
    // Reading goes on
    world.check("fs.readFile", json!({"path": "src/a.ts"}), Ok(json!("a"))).await;
    world.check("session.get", json!({}), Ok(json!({"id": "s1", "metadata": {"title": "a session"}}))).await;
}

#[tokio::test]
async fn the_recording_answers_what_it_has() {
    let (world, calls) = replay(Some(everything()));
    let tool = |name: &str| json!({"name": name, "description": "d", "inputSchema": {"type": "object"}});
    calls.replace(
        serde_json::from_value(json!([
            {"plugin": "p", "op": "exec", "args": {"command": "git", "args": ["status"]},
             "result": {"exitCode": 0, "stdout": "clean", "stderr": ""}},
            {"plugin": "p", "op": "fs.writeFile", "args": {"path": "src/a.ts", "data": "x"}},
            {"plugin": "p", "op": "fs.readFile", "args": {"path": "gone.ts"}, "result": "as it was"},
            {"plugin": "p", "op": "fetch", "args": {"url": "http://127.0.0.1:9/"}, "error": {"code": "TIMEOUT", "message": "slow"}},
            {"plugin": "q", "op": "notify", "args": {"message": "x"}},
            {"plugin": "p", "op": "tools.list", "result": [tool("read"), tool("write")]},
            {"plugin": "p", "op": "tools.execute", "args": {"name": "read"}, "result": "its text"},
            {"plugin": "p", "op": "ask", "args": {"question": "Which?"}, "result": "this"},
            {"plugin": "p", "op": "confirm", "result": true},
        ]))
        .unwrap(),
    );
    world.check("tools.list", json!({}), Ok(json!([tool("read")]))).await;
    world.check("tools.execute", json!({"name": "read", "args": {"path": "x"}}), Ok(json!("its text"))).await;
    world.check("ask", json!({"question": "Which?"}), Ok(json!("this"))).await;
    world.check("confirm", json!({"question": "Sure?"}), Ok(json!(true))).await;
    let clean = json!({"exitCode": 0, "stdout": "clean", "stderr": ""});
    world.check("exec", json!({"command": "git", "args": ["status"]}), Ok(clean)).await;
    world.check("fs.writeFile", json!({"path": "src/a.ts", "data": "x"}), Ok(Value::Null)).await;
    assert_eq!(world.read("src/a.ts"), "a");
    world.check("fs.readFile", json!({"path": "gone.ts"}), Ok(json!("as it was"))).await;
    world.check("fetch", json!({"url": "http://127.0.0.1:9/"}), Err(("TIMEOUT", "slow"))).await;
    world.check("notify", json!({"message": "x"}), Err(("NOT_RECORDED", ""))).await;
    assert_eq!(world.audit.records()[0].detail["replayed"], true);
}

#[tokio::test]
async fn a_recording_gives_no_rights() {
    let (world, calls) = replay(Some(json!({})));
    calls.replace(
        serde_json::from_value(json!([{"plugin": "p", "op": "exec", "args": {"command": "ls"}, "result": 1}])).unwrap(),
    );
    world.check("exec", json!({"command": "ls"}), Err(("CAPABILITY_DENIED", ""))).await;
}

#[tokio::test]
async fn storage_stays_in_memory() {
    let (world, _) = replay(None);
    world.check("storage.set", json!({"key": "a", "value": 1}), Ok(Value::Null)).await;
    world.check("storage.get", json!({"key": "a"}), Ok(json!(1))).await;
    world.check("storage.keys", json!({}), Ok(json!(["a"]))).await;
    world.check("storage.clear", json!({}), Ok(Value::Null)).await;
    world.check("storage.keys", json!({}), Ok(json!([]))).await;
    assert!(fs::read_dir(world.temp.path().join("home")).is_err());
}
