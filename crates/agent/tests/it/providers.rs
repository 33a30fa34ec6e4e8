//! Providers over the real transport, against a small server of our own that writes what services write.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt as _;
use mimir_agent::adapters::transport::HttpTransport;
use mimir_shared_platform::ReqwestClient;
use mimir_shared_providers::{
    ChatEvent, ChatRequest, HttpProvider, LlmProvider, Message, NoCredentials, ProviderError, ProviderKind,
    ProviderRouter, ProviderSettings, Role, Secret, StopReason, ToolDefinition, Usage,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const KEY: &str = "sk-very-secret";

/// What the server does with one connection.
enum Reply {
    /// Sends these bytes, one piece after the other, and closes.
    Bytes(Vec<Vec<u8>>),
    /// The same, and then says nothing more without closing.
    Hangs(Vec<Vec<u8>>),
    /// The same, and then resets the connection.
    Resets(Vec<Vec<u8>>),
}

/// A server that answers each connection with the next reply.
struct Server {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(replies: Vec<Reply>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        tokio::spawn(async move {
            let mut held = Vec::new();
            for reply in replies {
                let (mut socket, _) = listener.accept().await.unwrap();
                socket.set_nodelay(true).unwrap();
                let request = read_request(&mut socket).await;
                seen.lock().unwrap().push(request);
                let (Reply::Bytes(pieces) | Reply::Hangs(pieces) | Reply::Resets(pieces)) = &reply;
                for piece in pieces {
                    // The client may have had enough
                    let _ = socket.write_all(piece).await;
                    let _ = socket.flush().await;
                    tokio::task::yield_now().await;
                }
                match reply {
                    Reply::Bytes(_) => {}
                    Reply::Hangs(_) => held.push(socket),
                    Reply::Resets(_) => {
                        // What is left of the request is never read, so the system resets
                        let _ = socket.set_zero_linger();
                    }
                }
            }
            // As long as the test
            std::future::pending::<()>().await;
        });
        Self { url, requests }
    }

    fn request(&self, index: usize) -> String {
        self.requests.lock().unwrap()[index].clone()
    }

    fn provider(&self, kind: ProviderKind) -> HttpProvider {
        self.provider_with(kind, |_| {})
    }

    fn provider_with(&self, kind: ProviderKind, change: impl FnOnce(&mut ProviderSettings)) -> HttpProvider {
        let mut settings = ProviderSettings::new("local", kind, &self.url);
        settings.api_key = Some(Secret::new(KEY));
        change(&mut settings);
        let transport = HttpTransport::new(Arc::new(ReqwestClient::new()));
        HttpProvider::new(settings, Arc::new(transport), Arc::new(NoCredentials)).unwrap()
    }
}

async fn read_request(socket: &mut TcpStream) -> String {
    let mut request = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&request).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return text;
            }
        }
        assert_ne!(socket.read_buf(&mut request).await.unwrap(), 0, "the request is whole");
    }
}

/// An answer that ends with its connection.
fn head(status: &str, headers: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\n{headers}connection: close\r\n\r\n").into_bytes()
}

fn stream(body: &str) -> Reply {
    Reply::Bytes(vec![head("200 OK", "content-type: text/event-stream\r\n"), body.into()])
}

fn refusal(status: &str, headers: &str, body: &str) -> Reply {
    Reply::Bytes(vec![head(status, headers), body.into()])
}

fn request() -> ChatRequest {
    ChatRequest {
        model: "m-1".to_owned(),
        messages: vec![Message::text(Role::System, "Be brief."), Message::text(Role::User, "Größe?")],
        tools: vec![ToolDefinition {
            name: "bash".to_owned(),
            description: "runs".to_owned(),
            input_schema: json!({"type": "object", "properties": {"command": {"type": "string"}}}),
        }],
        max_output_tokens: 100,
        temperature: None,
    }
}

fn events(all: &[Value]) -> String {
    all.iter().map(|data| format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap_or("message"))).collect()
}

fn anthropic() -> String {
    events(&[
        json!({"type": "message_start", "message": {"model": "m-1-20260101", "usage": {"input_tokens": 9, "output_tokens": 1, "cache_read_input_tokens": 4}}}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "I "}}),
        json!({"type": "ping"}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "look."}}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "content_block_start", "index": 1, "content_block": {"type": "tool_use", "id": "toolu_1", "name": "bash", "input": {}}}),
        json!({"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": "{\"command\": \"ls\"}"}}),
        json!({"type": "content_block_stop", "index": 1}),
        json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 12}}),
        json!({"type": "message_stop"}),
    ])
}

fn openai() -> String {
    let chunk = |delta: Value, finish: Option<&str>| json!({"model": "m-1-20260101", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]});
    let call = json!({"tool_calls": [{"index": 0, "id": "toolu_1", "type": "function", "function": {"name": "bash", "arguments": "{\"command\": \"ls\"}"}}]});
    let chunks = [
        chunk(json!({"role": "assistant", "content": "I "}), None),
        chunk(json!({"content": "look."}), None),
        chunk(call, None),
        chunk(json!({}), Some("tool_calls")),
        json!({"choices": [], "usage": {"prompt_tokens": 13, "completion_tokens": 12, "prompt_tokens_details": {"cached_tokens": 4}}}),
    ];
    let chunks: String = chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect();
    chunks + "data: [DONE]\n\n"
}

const BOTH: [(ProviderKind, fn() -> String); 2] =
    [(ProviderKind::Anthropic, anthropic), (ProviderKind::OpenAi, openai)];

#[tokio::test]
async fn streams_text_calls_and_usage() {
    for (kind, body) in BOTH {
        let server = Server::start(vec![stream(&body())]).await;
        let router = ProviderRouter::new([Arc::new(server.provider(kind)) as Arc<dyn LlmProvider>]);
        let asked = ChatRequest { model: "local/m-1".to_owned(), ..request() };
        let stream = router.stream(&asked).await.unwrap();
        let mut events: Vec<ChatEvent> = stream.map(Result::unwrap).collect().await;
        let Some(ChatEvent::Done(answer)) = events.pop() else { panic!("no end") };
        let call = ChatEvent::ToolCall { id: "toolu_1".into(), name: "bash".into() };
        assert_eq!(events, [ChatEvent::Text("I ".into()), ChatEvent::Text("look.".into()), call]);
        let expected = json!({"role": "assistant", "content": [
            {"type": "text", "text": "I look."},
            {"type": "toolCall", "id": "toolu_1", "name": "bash", "args": {"command": "ls"}},
        ]});
        assert_eq!(serde_json::to_value(&answer.message).unwrap(), expected);
        assert_eq!((&answer.stop, answer.model.as_str()), (&StopReason::ToolCalls, "m-1-20260101"));
        assert_eq!(answer.usage, Usage { cache_read_tokens: 4, ..Usage::new(9, 12) });

        let sent = server.request(0);
        let (head, body) = sent.split_once("\r\n\r\n").unwrap();
        let head = head.to_ascii_lowercase();
        assert!(head.contains(KEY) && head.contains("accept-encoding: identity") && !head.contains("gzip"), "{head}");
        let body: Value = serde_json::from_str(body).unwrap();
        assert_eq!((&body["model"], &body["stream"]), (&json!("m-1"), &json!(true)));
        let path = if kind == ProviderKind::Anthropic { "/v1/messages" } else { "/v1/chat/completions" };
        assert!(head.starts_with(&format!("post {path} http/1.1")), "{head}");
    }
}

#[tokio::test]
async fn an_answer_comes_however_it_is_cut() {
    for (kind, body) in BOTH {
        let pieces = |size: usize| body().as_bytes().chunks(size).map(<[u8]>::to_vec).collect::<Vec<_>>();
        let closed = |size| Reply::Bytes([vec![head("200 OK", "")], pieces(size)].concat());
        let chunked = || {
            let chunks = pieces(50)
                .into_iter()
                .map(|piece| [format!("{:x}\r\n", piece.len()).into_bytes(), piece, b"\r\n".into()].concat());
            let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
            Reply::Bytes([vec![head], chunks.collect(), vec![b"0\r\n\r\n".to_vec()]].concat())
        };
        let server = Server::start(vec![closed(7), closed(1), chunked()]).await;
        let provider = server.provider(kind);
        for _ in 0..3 {
            assert_eq!(provider.complete(&request()).await.unwrap().message.plain_text(), "I look.");
        }
    }
}

#[tokio::test]
async fn refusals_say_what_they_are() {
    let error = |message: &str| json!({"error": {"type": "x", "message": message}}).to_string();
    let check = async |status: &str, headers: &str, body: &str, expected: &str, retry: Option<Option<u64>>| {
        for (kind, _) in BOTH {
            let server = Server::start(vec![refusal(status, headers, body)]).await;
            let error = server.provider(kind).complete(&request()).await.unwrap_err();
            assert_eq!(error.to_string(), expected, "{kind:?}");
            assert_eq!(error.is_retryable(), retry.is_some(), "{error}");
            assert_eq!(error.retry_after(), retry.flatten().map(Duration::from_secs), "{error}");
            assert!(error.is_free() && !format!("{error:?}").contains(KEY), "{error:?}");
        }
    };
    check("401 Unauthorized", "", &error("bad key"), "local does not accept the credentials", None).await;
    check("403 Forbidden", "", &error("not here"), "local refused the request with status 403: not here", None).await;
    let echo = error(&format!("no key like {KEY}\u{1b}[31m"));
    check("400 Bad Request", "", &echo, "local refused the request with status 400: no key like … [31m", None).await;
    check("429 Too Many Requests", "retry-after: 7\r\n", "", "local asks for fewer requests", Some(Some(7))).await;
    check("429 Too Many Requests", "", "slow", "local asks for fewer requests", Some(None)).await;
    let html = "<html><title>500 Oops</title></html>";
    let oops = "local is not available (status 500): a page of HTML, `500 Oops`";
    check("500 Internal Server Error", "", html, oops, Some(None)).await;
    let busy = error("Overloaded");
    check("529 Overloaded", "", &busy, "local is not available (status 529): Overloaded", Some(None)).await;
    let away = "local refused the request with status 302: it sends on to https://evil.example/, which is not followed: check \
                its URL";
    check("302 Found", "location: https://evil.example/\r\n", "", away, None).await;
}

#[tokio::test]
async fn a_cut_stream_keeps_what_came() {
    for (kind, body) in BOTH {
        let whole = body();
        let until = whole.find("look.").unwrap();
        let start = || vec![head("200 OK", ""), whole.as_bytes()[..until].to_vec()];
        let declared = vec![head("200 OK", "content-length: 100000\r\n"), whole.as_bytes()[..until].to_vec()];
        let server = Server::start(vec![Reply::Bytes(start()), Reply::Bytes(declared), Reply::Hangs(start())]).await;
        let provider = server.provider_with(kind, |settings| settings.idle_timeout = Duration::from_secs(2));
        for _ in 0..3 {
            let error = provider.complete(&request()).await.unwrap_err();
            assert!(error.to_string().starts_with("the answer of local broke off: "), "{error}");
            assert_eq!(error.partial().unwrap().message.plain_text(), "I ");
            assert!(error.is_retryable() && !error.is_free());
        }
    }
}

#[tokio::test]
async fn nobody_waits_for_ever() {
    let hangs = || Reply::Hangs(Vec::new());
    let server = Server::start(vec![hangs(), Reply::Hangs(vec![head("200 OK", "")]), Reply::Resets(Vec::new())]).await;
    let soon = Duration::from_millis(200);
    let provider = server.provider_with(ProviderKind::OpenAi, |settings| settings.head_timeout = soon);
    let error = provider.complete(&request()).await.unwrap_err();
    assert!(
        matches!(&error, ProviderError::Transport { source, .. } if source.to_string() == "nothing came for 0.2 s")
    );
    let provider = server.provider_with(ProviderKind::OpenAi, |settings| settings.idle_timeout = soon);
    let error = provider.complete(&request()).await.unwrap_err();
    assert_eq!(error.to_string(), "the answer of local broke off: nothing came for 0.2 s");
    let error = provider.complete(&request()).await.unwrap_err();
    assert!(matches!(&error, ProviderError::Transport { .. }) && error.is_retryable(), "{error}");
}

#[tokio::test]
async fn nonsense_is_none_of_the_answers() {
    let packed = Reply::Bytes(vec![head("200 OK", "content-encoding: gzip\r\n"), vec![0x1f, 0x8b, 8]]);
    let line = format!("data: {}", "x".repeat(200_000));
    let replies = vec![
        stream("data: {\"choices\": 1}\n\ndata: }{\n\n"),
        stream("<html>"),
        refusal("200 OK", "content-type: application/json\r\n", "{\"no\": 1}"),
        packed,
        stream(&line),
        stream(&": ping\n\n".repeat(40_000)),
        Reply::Bytes(vec![head("200 OK", "content-length: 99999999\r\n")]),
    ];
    let count = replies.len();
    let server = Server::start(replies).await;
    let provider = server.provider_with(ProviderKind::OpenAi, |settings| {
        settings.limits.event_bytes = 100_000;
        settings.limits.bytes = 300_000;
    });
    for index in 0..count {
        let error = provider.complete(&request()).await.unwrap_err();
        assert!(matches!(&error, ProviderError::InvalidReply { .. }) && !error.is_retryable(), "{index}: {error}");
    }
}

#[tokio::test]
async fn who_drops_an_answer_ends_its_connection() {
    let (sender, closed) = tokio::sync::oneshot::channel();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        read_request(&mut socket).await;
        socket.write_all(&head("200 OK", "")).await.unwrap();
        socket.write_all(openai().split_inclusive("\n\n").next().unwrap().as_bytes()).await.unwrap();
        // Comes back when the other side is gone
        let mut rest = Vec::new();
        let _ = socket.read_to_end(&mut rest).await;
        let _ = sender.send(());
    });
    let server = Server { url, requests: Arc::default() };
    let mut stream = server.provider(ProviderKind::OpenAi).stream(&request()).await.unwrap();
    assert_eq!(stream.next().await.unwrap().unwrap(), ChatEvent::Text("I ".into()));
    drop(stream);
    closed.await.unwrap();
}
