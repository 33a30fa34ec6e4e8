//! Bodies that stay with the host until the plugin reads them.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mimir_api::{ApiLimits, PluginProfile};
use mimir_shared_config::PluginId;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::harness::{Options, World, profile, world, world_with};

/// More than what is part of an answer.
const LARGE: usize = 200_000;

struct Server(TcpListener);

impl Server {
    async fn start() -> Self {
        Self(TcpListener::bind(("127.0.0.1", 0)).await.unwrap())
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.0.local_addr().unwrap().port())
    }

    /// Takes a connection and reads the request.
    async fn asked(&self) -> TcpStream {
        let (mut socket, _) = self.0.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            assert_ne!(socket.read_buf(&mut request).await.unwrap(), 0);
        }
        socket
    }

    /// Answers the next request with a head that announces `length` bytes, and with `body`.
    async fn answer(&self, length: usize, body: &[u8]) -> TcpStream {
        let mut socket = self.asked().await;
        socket.write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n").as_bytes()).await.unwrap();
        // More than fits into buffers is only taken as somebody reads
        let _ = socket.write_all(body).await;
        socket
    }
}

/// Waits until the other side has closed the connection.
async fn closed(mut socket: TcpStream) {
    let mut rest = Vec::new();
    let _ = socket.read_to_end(&mut rest).await;
}

async fn open(world: &World, server: &Server, id: u64) -> Value {
    world.call("fetch", json!({ "url": server.url(), "id": id })).await.unwrap()
}

async fn read(world: &World, id: u64) -> Result<Option<Vec<u8>>, String> {
    match world.call("fetch.read", json!({ "id": id })).await {
        Ok(Value::Null) => Ok(None),
        Ok(chunk) => Ok(Some(STANDARD.decode(chunk.as_str().unwrap()).unwrap())),
        Err(error) => Err(format!("{}: {}", error.code.as_str(), error.message)),
    }
}

/// The lines of the audit log: outcome, bytes and what became of the body.
fn lines(world: &World) -> Vec<(String, Value, Value)> {
    let records = world.audit.records();
    let line = |detail: &Value| {
        (detail["outcome"].as_str().unwrap().to_owned(), detail["bytes"].clone(), detail["body"].clone())
    };
    records.iter().map(|record| line(&record.detail)).collect()
}

#[tokio::test]
async fn a_large_body_is_read_piece_by_piece() {
    let (world, server) = (world(), Server::start().await);
    let body: Vec<u8> = (0..LARGE).map(|index| index as u8).collect();
    let reading = async {
        let answer = open(&world, &server, 1).await;
        assert_eq!((&answer["stream"], &answer["body"]), (&json!(true), &Value::Null));
        assert!(lines(&world).is_empty(), "the line comes at the end of the body");
        let mut found = Vec::new();
        while let Some(chunk) = read(&world, 1).await.unwrap() {
            found.extend(chunk);
        }
        found
    };
    let (found, _socket) = tokio::join!(reading, server.answer(LARGE, &body));
    assert!(found == body);
    assert_eq!(lines(&world), [("ok".to_owned(), json!(LARGE), Value::Null)]);
    assert!(read(&world, 1).await.unwrap_err().starts_with("IO: the answer was given up"));
}

#[tokio::test]
async fn a_small_body_is_part_of_the_answer() {
    let (world, server) = (world(), Server::start().await);
    // Without a number, whatever its size and however slow it is
    let body = vec![b'x'; LARGE];
    let whole = world.call("fetch", json!({ "url": server.url() }));
    let (answer, _socket) = tokio::join!(whole, server.answer(LARGE, &body));
    assert_eq!(answer.unwrap()["body"].as_str().unwrap().len(), LARGE.div_ceil(3) * 4);
    assert_eq!(lines(&world), [("ok".to_owned(), json!(LARGE), Value::Null)]);
}

#[tokio::test]
async fn who_gives_up_ends_the_connection() {
    let (world, server) = (world(), Server::start().await);
    // While the body is on its way
    let (_, socket) = tokio::join!(open(&world, &server, 1), server.answer(LARGE, b"some"));
    assert_eq!(read(&world, 1).await.unwrap().unwrap(), b"some");
    let (waiting, ()) = tokio::join!(read(&world, 1), async {
        world.check("fetch.cancel", json!({ "id": 1 }), Ok(Value::Null)).await;
    });
    assert!(waiting.unwrap_err().contains("given up"));
    closed(socket).await;
    assert_eq!(lines(&world), [("ok".to_owned(), json!(4), json!("not read to its end"))]);

    // Before there is an answer
    let (refused, socket) = tokio::join!(world.call("fetch", json!({ "url": server.url(), "id": 2 })), async {
        let socket = server.asked().await;
        world.check("fetch.cancel", json!({ "id": 2 }), Ok(Value::Null)).await;
        socket
    });
    assert_eq!(refused.unwrap_err().message, "the request was given up");
    closed(socket).await;

    // Before the request has come
    world.check("fetch.cancel", json!({ "id": 3 }), Ok(Value::Null)).await;
    world.check("fetch", json!({ "url": server.url(), "id": 3 }), Err(("IO", "given up"))).await;

    // With everything else, because the plugin is gone
    let (_, socket) = tokio::join!(open(&world, &server, 4), server.answer(LARGE, b"some"));
    world.context.forget_open(&PluginId::new("p").unwrap());
    closed(socket).await;
}

#[tokio::test]
async fn an_answer_belongs_to_one_plugin() {
    let (world, server) = (world(), Server::start().await);
    let (_, _socket) = tokio::join!(open(&world, &server, 1), server.answer(LARGE, b"some"));
    let other: Arc<PluginProfile> = profile("q", "/plugins/q");
    let error = world.call_as(&other, "fetch.read", json!({ "id": 1 })).await.unwrap_err();
    assert!(error.message.contains("given up"), "{error}");
    world.call_as(&other, "fetch.cancel", json!({ "id": 1 })).await.unwrap();
    assert_eq!(read(&world, 1).await.unwrap().unwrap(), b"some");
    world.check("fetch.read", json!({}), Err(("INVALID_ARGUMENT", "id"))).await;
}

#[tokio::test]
async fn the_whole_body_has_a_limit() {
    let limits = ApiLimits { response: 100_000, ..ApiLimits::default() };
    let world = world_with(Options { limits, ..Options::default() });
    let server = Server::start().await;
    let head = async {
        let mut socket = server.asked().await;
        let _ = socket.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
        let _ = socket.write_all(&vec![b'x'; LARGE]).await;
    };
    let (answer, ()) = tokio::join!(open(&world, &server, 1), head);
    assert_eq!(answer["stream"], true);
    let error = loop {
        match read(&world, 1).await {
            Ok(chunk) => assert!(chunk.is_some()),
            Err(error) => break error,
        }
    };
    assert!(error.starts_with("LIMIT: ") && error.contains("100000"), "{error}");
    assert_eq!(lines(&world)[0].0, "LIMIT");
}

#[tokio::test]
async fn the_answer_that_nobody_reads_makes_room() {
    let (world, server) = (world(), Server::start().await);
    let mut sockets = Vec::new();
    for id in 0..17 {
        let (_, socket) = tokio::join!(open(&world, &server, id), server.answer(LARGE, b"some"));
        sockets.push(socket);
        if id == 1 {
            assert!(read(&world, 0).await.unwrap().is_some());
        }
    }
    // The second is the one that was not read for longest
    closed(sockets.remove(1)).await;
    assert!(read(&world, 1).await.is_err());
    assert!(read(&world, 2).await.unwrap().is_some());
}
