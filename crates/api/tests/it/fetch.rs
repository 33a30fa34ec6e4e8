use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::harness::{Options, World, world, world_with};

/// Answers each connection with the next of `answers`; `{port}` in them is its own port.
async fn serve(answers: Vec<&'static str>) -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let requests = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&requests);
    tokio::spawn(async move {
        for answer in answers {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !is_whole(&request) {
                assert_ne!(socket.read_buf(&mut request).await.unwrap(), 0);
            }
            seen.lock().unwrap().push(String::from_utf8(request).unwrap().to_ascii_lowercase());
            let answer = answer.replace("{port}", &port.to_string());
            socket.write_all(format!("{answer}\r\nconnection: close\r\n\r\nbody").as_bytes()).await.unwrap();
        }
    });
    (port, requests)
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    body.len() >= length.map_or(0, |length| length.parse().unwrap())
}

async fn fetch(world: &World, url: String, more: Value) -> Value {
    let mut args = json!({"url": url, "method": "GET", "headers": []});
    args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    world.call("fetch", args).await.unwrap()
}

#[tokio::test]
async fn requests_and_answers() {
    let (port, requests) = serve(vec!["HTTP/1.1 404 Not Found\r\nx-a: 1"]).await;
    let more = json!({"method": "post", "headers": [["x-b", "2"], ["Host", "evil"]], "body": "aGk="});
    let answer = fetch(&world(), format!("http://127.0.0.1:{port}/p?q=1#f"), more).await;
    assert_eq!(answer["url"], format!("http://127.0.0.1:{port}/p?q=1"));
    assert_eq!(
        (&answer["status"], &answer["statusText"], &answer["body"]),
        (&json!(404), &json!("Not Found"), &json!("Ym9keQ=="))
    );
    assert_eq!(answer["redirected"], false);
    assert!(answer["headers"].as_array().unwrap().contains(&json!(["x-a", "1"])));
    let request = &requests.lock().unwrap()[0];
    assert!(
        request.starts_with("post /p?q=1 ") && request.ends_with("\r\n\r\nhi") && request.contains("x-b: 2"),
        "{request}"
    );
    assert!(!request.contains("evil"));
}

#[tokio::test]
async fn redirects_follow_the_standard() {
    let (port, requests) = serve(vec![
        "HTTP/1.1 302 Found\r\nlocation: /two",
        "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://localhost:{port}/three",
        "HTTP/1.1 200 OK",
    ])
    .await;
    let more =
        json!({"method": "POST", "headers": [["authorization", "x"], ["content-type", "text/plain"]], "body": "aGk="});
    let answer = fetch(&world(), format!("http://127.0.0.1:{port}/one"), more).await;
    assert_eq!((&answer["status"], &answer["redirected"]), (&json!(200), &json!(true)));
    assert_eq!(answer["url"], format!("http://localhost:{port}/three"));
    let requests = requests.lock().unwrap();
    assert!(requests[0].starts_with("post /one ") && requests[0].contains("authorization: x"));
    assert!(requests[1].starts_with("get /two ") && requests[1].contains("authorization: x"), "{}", requests[1]);
    assert!(!requests[1].contains("content-type") && !requests[1].ends_with("hi"), "{}", requests[1]);
    assert!(requests[2].starts_with("get /three ") && !requests[2].contains("authorization"), "{}", requests[2]);
}

#[tokio::test]
async fn each_redirect_is_asked_about() {
    let (port, requests) = serve(vec!["HTTP/1.1 302 Found\r\nlocation: http://example.com/", "HTTP/1.1 200 OK"]).await;
    let world = world();
    let url = format!("http://127.0.0.1:{port}/");
    world.check("fetch", json!({"url": url}), Err(("CAPABILITY_DENIED", "example.com"))).await;
    assert_eq!(requests.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_host_at_a_private_address_is_not_reached() {
    let (port, requests) = serve(vec!["HTTP/1.1 200 OK"]).await;
    let capabilities = json!({"network": {"enabled": true, "allowlist": ["http://*:*"]}});
    let world = world_with(Options { capabilities, ..Options::default() });
    for host in ["127.0.0.1", "localhost", "2130706433", "[::ffff:127.0.0.1]"] {
        let error = world.call("fetch", json!({"url": format!("http://{host}:{port}/")})).await.unwrap_err();
        assert_eq!(
            (error.code.as_str(), error.capability.as_deref()),
            ("CAPABILITY_DENIED", Some("network")),
            "{error}"
        );
        assert!(error.hint.is_some());
    }
    assert!(requests.lock().unwrap().is_empty());
}

#[tokio::test]
async fn refuses_what_is_no_request() {
    let world = world();
    world.check("fetch", json!({"url": "no url"}), Err(("INVALID_ARGUMENT", "no URL"))).await;
    world.check("fetch", json!({"url": "file:///etc/passwd"}), Err(("CAPABILITY_DENIED", "file"))).await;
    world.check("fetch", json!({"url": "http://example.org/"}), Err(("CAPABILITY_DENIED", "example.org"))).await;
    world.check("fetch", json!({"url": "http://127.0.0.1:9/", "body": "!"}), Err(("INVALID_ARGUMENT", "base64"))).await;
    world
        .check("fetch", json!({"url": "http://127.0.0.1:9/", "method": "A B"}), Err(("INVALID_ARGUMENT", "method")))
        .await;
    world.check("fetch", json!({"url": "http://127.0.0.1:9/"}), Err(("IO", "can't be reached"))).await;
}
