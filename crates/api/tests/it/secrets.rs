//! Secrets that a plugin sends and never sees.

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mimir_api::{Effects, RecordedCalls};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::harness::{Options, SECRET, World, profile, world_with};

/// Repeats each request, head and all, as the body of its answer; `more` is added to the head.
async fn repeating(more: &'static str) -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let requests = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&requests);
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.windows(4).any(|end| end == b"\r\n\r\n") {
                assert_ne!(socket.read_buf(&mut request).await.unwrap(), 0);
            }
            let request = String::from_utf8(request).unwrap();
            let repeated = request.lines().find_map(|line| line.strip_prefix("x-key: ")).unwrap_or_default();
            let head = format!("HTTP/1.1 200 OK\r\n{more}x-repeated: {repeated}\r\nconnection: close\r\n\r\n");
            let _ = socket.write_all(format!("{head}{request}").as_bytes()).await;
            seen.lock().unwrap().push(request);
        }
    });
    (port, requests)
}

fn world_for(port: u16, effects: Effects) -> World {
    let capabilities = json!({
        "network": {"enabled": true, "allowlist": ["http://127.0.0.1:*", "http://localhost:*", "http://example.com"]},
        "secrets": [
            {"name": "TOKEN", "hosts": [format!("http://127.0.0.1:{port}"), "http://example.com"]},
            {"name": "MISSING", "hosts": [format!("http://127.0.0.1:{port}")]},
        ],
    });
    world_with(Options { capabilities, effects, ..Options::default() })
}

async fn handle(world: &World, name: &str) -> String {
    world.call("secret.handle", json!({ "name": name })).await.unwrap().as_str().unwrap().to_owned()
}

fn request(url: &str, value: &str) -> Value {
    json!({ "url": url, "headers": [["x-key", value]] })
}

#[tokio::test]
async fn a_secret_goes_out_and_does_not_come_back() {
    let (port, requests) = repeating("").await;
    let world = world_for(port, Effects::Live);
    let key = handle(&world, "TOKEN").await;
    assert!(!key.contains("TOKEN") && !key.contains(SECRET), "{key}");
    assert_eq!(handle(&world, "TOKEN").await, key, "one for each secret");

    let url = format!("http://127.0.0.1:{port}/");
    let mut args = request(&url, &format!("Bearer {key}; again={key}"));
    args["headers"].as_array_mut().unwrap().extend([json!(["accept-encoding", "gzip"]), json!(["range", "bytes=0-1"])]);
    let answer = world.call("fetch", args).await.unwrap();
    let sent = requests.lock().unwrap()[0].clone();
    assert!(sent.contains(&format!("x-key: Bearer {SECRET}; again={SECRET}\r\n")), "{sent}");
    assert!(!sent.contains("gzip") && !sent.contains("bytes=0-1"), "what would hide it in the answer: {sent}");

    let body = STANDARD.decode(answer["body"].as_str().unwrap()).unwrap();
    assert!(String::from_utf8(body).unwrap().contains("Bearer [removed]; again=[removed]\r\n"));
    let repeated = ["x-repeated", "Bearer [removed]; again=[removed]"];
    assert!(answer["headers"].as_array().unwrap().contains(&json!(repeated)), "{answer}");
    for told in [answer.to_string(), format!("{:?}", world.audit.records())] {
        assert!(!told.contains(SECRET), "{told}");
    }
    assert!(!format!("{:?}", world.audit.records()).contains(&key));
}

#[tokio::test]
async fn a_secret_goes_nowhere_else() {
    let (port, requests) = repeating("").await;
    let world = world_for(port, Effects::Live);
    let key = handle(&world, "TOKEN").await;
    let url = format!("http://127.0.0.1:{port}/");
    let denied = |part| Err(("CAPABILITY_DENIED", part));
    let check = |args, expected| world.check("fetch", args, expected);
    check(
        request(&format!("http://localhost:{port}/"), &key),
        denied("the secret `TOKEN` may not be sent to `http://localhost"),
    )
    .await;
    check(request("http://example.com/", &key), denied("over https alone")).await;
    let (other, missing) = (handle(&world, "OTHER").await, handle(&world, "MISSING").await);
    check(request(&url, &other), denied("needs the capability `secrets`")).await;
    check(request(&url, &missing), Err(("NOT_FOUND", "there is no secret `MISSING`"))).await;
    let unknown = format!("mimir-secret-{}", "0".repeat(32));
    check(request(&url, &unknown), Err(("INVALID_ARGUMENT", "none of this plugin's"))).await;
    // Only in the values of headers
    let invalid = |part| Err(("INVALID_ARGUMENT", part));
    check(json!({ "url": format!("{url}?{key}") }), invalid("stands in the URL")).await;
    check(json!({ "url": url, "headers": [[key, "a"]] }), invalid("stands in the header's name")).await;
    check(json!({ "url": url, "method": "POST", "body": STANDARD.encode(&key) }), invalid("stands in the body")).await;
    // Of this plugin alone
    let error = world.call_as(&profile("q", "/plugins/q"), "fetch", request(&url, &key)).await.unwrap_err();
    assert!(error.message.contains("none of this plugin's"), "{error}");
    assert!(requests.lock().unwrap().is_empty());
    world.check("secret.handle", json!({ "name": "A B" }), invalid("letters")).await;
}

#[tokio::test]
async fn what_cannot_be_looked_through_is_refused() {
    let (port, _) = repeating("content-encoding: gzip\r\n").await;
    let world = world_for(port, Effects::Live);
    let key = handle(&world, "TOKEN").await;
    world.check("fetch", request(&format!("http://127.0.0.1:{port}/"), &key), Err(("IO", "is compressed"))).await;
}

#[tokio::test]
async fn a_redirect_takes_no_secret_along() {
    let (port, requests) = repeating("").await;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let first = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let _ = socket.read(&mut [0; 4_096]).await;
        let head = format!("HTTP/1.1 307 Elsewhere\r\nlocation: http://127.0.0.1:{port}/\r\ncontent-length: 0\r\n\r\n");
        let _ = socket.write_all(head.as_bytes()).await;
    });
    let world = world_for(first, Effects::Live);
    let key = handle(&world, "TOKEN").await;
    world.call("fetch", request(&format!("http://127.0.0.1:{first}/"), &key)).await.unwrap();
    let arrived = requests.lock().unwrap()[0].clone();
    assert!(!arrived.contains("x-key"), "{arrived}");
}

#[tokio::test]
async fn a_replay_knows_handles_and_no_values() {
    let calls = Arc::new(RecordedCalls::default());
    let (first, second) = (
        world_for(9, Effects::Recorded(Arc::clone(&calls) as _)),
        world_for(9, Effects::Recorded(Arc::clone(&calls) as _)),
    );
    let key = handle(&first, "TOKEN").await;
    assert_eq!(handle(&second, "TOKEN").await, key, "the same in each replay");
    let args = request("http://127.0.0.1:9/", &key);
    let answer = json!({ "url": "http://127.0.0.1:9/", "status": 200, "headers": [], "body": "" });
    let recorded = json!([{ "plugin": "p", "op": "fetch", "args": args, "result": answer }]);
    calls.replace(serde_json::from_value(recorded).unwrap());
    first.check("fetch", args, Ok(answer)).await;
}
