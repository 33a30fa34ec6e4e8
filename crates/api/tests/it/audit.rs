use mimir_api::{HostRequest, Origin};
use serde_json::json;

use crate::harness::{profile, world};

#[tokio::test]
async fn every_call_leaves_a_line_without_contents_or_secrets() {
    let world = world();
    let calls = [
        ("fs.writeFile", json!({"path": "src/b.ts", "data": "TOP SECRET"})),
        ("fs.readFile", json!({"path": "src/b.ts"})),
        ("fs.readFile", json!({"path": ".env"})),
        (
            "exec",
            json!({"command": "echo", "args": ["--token", "TOP SECRET", "API_KEY=TOP SECRET", "plain"], "input": "TOP SECRET"}),
        ),
        (
            "fetch",
            json!({"url": "http://127.0.0.1:9/path?api_key=TOPSECRET", "headers": [["authorization", "TOPSECRET"]]}),
        ),
        ("fetch", json!({"url": "http://example.org/?q=TOPSECRET"})),
        ("storage.set", json!({"key": "k", "value": "TOP SECRET"})),
        ("notify", json!({"message": "TOP SECRET"})),
        ("session.messages", json!({})),
        ("no.such", json!({"x": "TOP SECRET"})),
    ];
    for (op, args) in calls.clone() {
        let _ = world.call(op, args).await;
    }
    let records = world.audit.records();
    assert_eq!(records.len(), calls.len());
    for (record, (op, _)) in records.iter().zip(&calls) {
        assert_eq!(
            (record.plugin.as_deref(), record.kind.as_str(), &record.detail["op"]),
            (Some("p"), "call", &json!(op))
        );
        let text = record.detail.to_string();
        assert!(!text.contains("TOP"), "{text}");
        assert_eq!((&record.detail["session"], &record.detail["chain"]), (&json!("s1"), &json!(["first"])));
        assert_eq!(record.detail["hash"], "a".repeat(64));
        assert!(record.detail["us"].is_u64());
    }
    let detail = |at: usize| &records[at].detail;
    assert_eq!(
        (&detail(0)["allowed"], &detail(0)["outcome"], &detail(0)["bytes"]),
        (&json!(true), &json!("ok"), &json!(10))
    );
    let path = world.root.join("src/b.ts").display().to_string();
    assert_eq!(detail(0)["what"], json!([format!("write {path}")]));
    assert_eq!((&detail(2)["allowed"], &detail(2)["outcome"]), (&json!(false), &json!("CAPABILITY_DENIED")));
    assert!(detail(2)["reason"].as_str().unwrap().contains("restricted"));
    assert_eq!(detail(3)["what"], json!(["run echo --token '[removed]' 'API_KEY=[removed]' plain"]));
    assert_eq!(
        (&detail(4)["what"][0], &detail(4)["outcome"]),
        (&json!("request http://127.0.0.1:9/path"), &json!("IO"))
    );
    assert_eq!(detail(5)["allowed"], false);
}

#[tokio::test]
async fn what_was_really_opened_is_on_record() {
    let world = world();
    let _ = world.call("fs.readFile", json!({"path": "innocent"})).await;
    let what = world.audit.records()[0].detail["what"].clone();
    let paths = ["innocent", ".env"].map(|path| format!("read {}", world.root.join(path).display()));
    assert_eq!(what, json!(paths));
}

#[tokio::test]
async fn a_dropped_call_leaves_a_line_too() {
    let world = world();
    let args = json!({"command": "sleep", "args": ["1000"]}).to_string();
    let request = HostRequest { plugin: profile("p", "/p"), origin: Origin::default(), op: "exec", args: &args };
    let mut call = Box::pin(world.context.call(request));
    // Once around: the program has started by then, or is about to
    tokio::select! {
        biased;
        _ = &mut call => panic!("it sleeps"),
        () = tokio::task::yield_now() => {}
    }
    drop(call);
    // What has begun on another thread comes to its end first
    while world.audit.records().is_empty() {
        tokio::task::yield_now().await;
    }
    let records = world.audit.records();
    assert_eq!((records.len(), &records[0].detail["outcome"]), (1, &json!("dropped")));
}
