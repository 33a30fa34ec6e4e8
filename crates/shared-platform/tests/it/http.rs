use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mimir_shared_platform::{AddressCheck, HttpClient, HttpRequest, PlatformError, ReqwestClient};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use url::Url;

/// Answers each connection with the next of `answers` and closes it; gives what was asked.
async fn serve(answers: Vec<Vec<u8>>) -> (u16, Arc<Mutex<Vec<String>>>) {
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
            seen.lock().unwrap().push(String::from_utf8(request).unwrap());
            // The client may have enough before everything is written
            let _ = socket.write_all(&answer).await;
            if answer.is_empty() {
                std::future::pending::<()>().await;
            }
        }
    });
    (port, requests)
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length =
        head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned));
    body.len() >= length.map_or(0, |length| length.parse().unwrap())
}

fn request(url: &str) -> HttpRequest {
    HttpRequest {
        method: "GET".to_owned(),
        url: Url::parse(url).unwrap(),
        headers: Vec::new(),
        body: None,
        timeout: Duration::from_secs(20),
        body_limit: 1_000,
    }
}

fn anywhere() -> AddressCheck {
    Arc::new(|_, _| Ok(()))
}

#[tokio::test]
async fn sends_and_receives() {
    let (port, requests) =
        serve(vec![b"HTTP/1.1 201 Created\r\nx-a: 1\r\nX-A: \xfc\r\ncontent-length: 2\r\n\r\nok".to_vec()]).await;
    let mut request = request(&format!("http://localhost:{port}/p?q=1"));
    request.method = "POST".to_owned();
    request.body = Some(b"body".to_vec());
    request.headers =
        [("x-b", "2"), ("Host", "evil.example"), ("content-length", "1"), ("Transfer-Encoding", "chunked")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    let check: AddressCheck = Arc::new(move |host, address| {
        seen.lock().unwrap().push((host.to_owned(), address));
        if address.is_ipv4() { Ok(()) } else { Err("not IPv4".to_owned()) }
    });
    let response = ReqwestClient::new().send(request, check).await.unwrap();
    assert_eq!(
        (response.status, response.status_text.as_str(), response.body.as_slice()),
        (201, "Created", &b"ok"[..])
    );
    assert!(response.headers.contains(&("x-a".to_owned(), "ü".to_owned())));
    assert!(asked.lock().unwrap().contains(&("localhost".to_owned(), IpAddr::from([127, 0, 0, 1]))));

    let text = requests.lock().unwrap()[0].to_ascii_lowercase();
    assert!(text.starts_with("post /p?q=1 http/1.1\r\n") && text.ends_with("\r\n\r\nbody"), "{text}");
    assert!(text.contains("x-b: 2") && text.contains("content-length: 4") && text.contains("user-agent: mimir/"));
    assert!(!text.contains("evil") && !text.contains("chunked"), "{text}");
}

#[tokio::test]
async fn connects_only_where_the_caller_allows() {
    let refuse: AddressCheck = Arc::new(|_, address| Err(format!("{address} is private")));
    for url in ["http://127.0.0.1:9/", "http://[::1]:9/", "http://localhost:9/", "http://2130706433:9/"] {
        let error = ReqwestClient::new().send(request(url), Arc::clone(&refuse)).await.unwrap_err();
        assert!(matches!(error, PlatformError::AddressRefused { .. }), "{url}: {error}");
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let (port, _) =
        serve(vec![b"HTTP/1.1 302 Found\r\nlocation: http://example.com/\r\ncontent-length: 0\r\n\r\n".to_vec()]).await;
    let response = ReqwestClient::new().send(request(&format!("http://127.0.0.1:{port}/")), anywhere()).await.unwrap();
    assert_eq!(response.status, 302);
}

#[tokio::test]
async fn a_body_comes_piece_by_piece() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let opened = tokio::spawn(async move { ReqwestClient::new().open(request(&url), anywhere()).await });
    let (mut server, _) = listener.accept().await.unwrap();
    server.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n").await.unwrap();
    // The head is enough
    let mut answer = opened.await.unwrap().unwrap();
    assert_eq!(answer.status, 200);
    for piece in ["a", "bc"] {
        server.write_all(piece.as_bytes()).await.unwrap();
        assert_eq!(answer.body.chunk().await.unwrap().unwrap(), piece.as_bytes());
    }
    // Who drops the body ends the connection
    drop(answer);
    let mut request = Vec::new();
    let end = server.read_to_end(&mut request).await;
    assert!(end.is_err() || String::from_utf8(request).unwrap().starts_with("GET / "));
}

#[tokio::test]
async fn what_a_request_shows_of_itself_is_no_secret() {
    let mut request = request("http://127.0.0.1/");
    request.headers = vec![("authorization".to_owned(), "Bearer hunter2".to_owned())];
    request.body = Some(b"hunter2".to_vec());
    let shown = format!("{request:?}");
    assert!(shown.contains("authorization") && !shown.contains("hunter2"), "{shown}");
}

#[tokio::test]
async fn answers_are_limited() {
    let long = vec![b'x'; 5_000];
    let declared = [b"HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n".to_vec(), long.clone()].concat();
    let undeclared = [b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), long].concat();
    let (port, _) = serve(vec![declared, undeclared, Vec::new()]).await;
    let url = format!("http://127.0.0.1:{port}/");
    for _ in 0..2 {
        let error = ReqwestClient::new().send(request(&url), anywhere()).await.unwrap_err();
        assert!(matches!(error, PlatformError::TooLarge { limit: 1_000, .. }), "{error}");
    }
    let slow = HttpRequest { timeout: Duration::from_millis(100), ..request(&url) };
    let error = ReqwestClient::new().send(slow, anywhere()).await.unwrap_err();
    assert!(matches!(error, PlatformError::TimedOut { .. }), "{error}");
}

#[tokio::test]
async fn what_is_no_request_is_refused() {
    let check = |change: fn(&mut HttpRequest)| {
        let mut request = request("http://127.0.0.1:9/");
        change(&mut request);
        async move {
            let error = ReqwestClient::new().send(request, anywhere()).await.unwrap_err();
            assert!(matches!(error, PlatformError::InvalidRequest { .. }), "{error}");
        }
    };
    check(|request| request.url = Url::parse("file:///etc/passwd").unwrap()).await;
    check(|request| request.url = Url::parse("http://user:pass@127.0.0.1/").unwrap()).await;
    check(|request| request.method = "GE T".to_owned()).await;
    check(|request| request.method = "CONNECT".to_owned()).await;
    check(|request| request.headers = vec![("a b".to_owned(), String::new())]).await;
    check(|request| request.headers = vec![("a".to_owned(), "1\r\nb: 2".to_owned())]).await;
}
