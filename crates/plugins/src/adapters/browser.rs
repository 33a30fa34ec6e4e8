use std::io;
use std::process::Stdio;
use std::time::Duration;

use async_trait::async_trait;
use mimir_api::{ApiError, Browser, ErrorCode, Redirect, Redirects};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::sync::{Mutex, mpsc};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

/// How long a request's head may take, and how long its answer.
const SOON: Duration = Duration::from_secs(5);

/// Bytes of a request's head.
const HEAD: usize = 8 << 10;

/// Connections at once. Others wait in the system's queue.
const CONNECTIONS: usize = 16;

/// What opens a page, for the system that this is.
#[cfg(target_os = "macos")]
const OPENER: &str = "open";
#[cfg(not(target_os = "macos"))]
const OPENER: &str = "xdg-open";

/// The person's browser on this machine.
pub(crate) struct SystemBrowser;

#[async_trait]
impl Browser for SystemBrowser {
    async fn listen(&self) -> Result<Box<dyn Redirects>, ApiError> {
        let failed =
            |error: io::Error| ApiError::new(ErrorCode::Io, format!("this machine takes no requests: {error}"));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let (found, requests) = mpsc::channel(CONNECTIONS);
        let worker = tokio::spawn(accept(listener, found)).abort_handle();
        Ok(Box::new(Listening { port, requests, worker }))
    }

    async fn open(&self, url: &str) {
        let mut command = Command::new(OPENER);
        command.arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        // Whether it works shows when the person comes back, and the address was shown
        if let Ok(mut child) = command.spawn() {
            tokio::spawn(async move { child.wait().await });
        }
    }
}

struct Listening {
    port: u16,
    requests: mpsc::Receiver<Request>,
    worker: AbortHandle,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.worker.abort();
    }
}

#[async_trait]
impl Redirects for Listening {
    fn port(&self) -> u16 {
        self.port
    }

    async fn next(&mut self) -> Result<Box<dyn Redirect>, ApiError> {
        match self.requests.recv().await {
            Some(request) => Ok(Box::new(request)),
            None => Err(ApiError::new(ErrorCode::Io, "this machine takes no more requests")),
        }
    }
}

/// Whoever is slow keeps only itself waiting.
async fn accept(listener: TcpListener, found: mpsc::Sender<Request>) {
    let mut reading = JoinSet::new();
    loop {
        if reading.len() >= CONNECTIONS {
            reading.join_next().await;
        }
        match listener.accept().await {
            Ok((stream, _)) => {
                let found = found.clone();
                reading.spawn(async move {
                    if let Ok(Some(request)) = timeout(SOON, read(stream)).await {
                        let _ = found.send(request).await;
                    }
                });
            }
            // Out of sockets, for instance: it may be better soon
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
        while reading.try_join_next().is_some() {}
    }
}

struct Request {
    target: String,
    host: Option<String>,
    stream: Mutex<TcpStream>,
}

async fn read(mut stream: TcpStream) -> Option<Request> {
    let mut head = Vec::new();
    let mut buffer = [0; 2048];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let count = stream.read(&mut buffer).await.ok()?;
        if count == 0 || head.len() + count > HEAD {
            return None;
        }
        head.extend_from_slice(&buffer[..count]);
    }
    let head = String::from_utf8(head).ok()?;
    let mut lines = head.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?, first.next()?);
    if method != "GET" || !target.starts_with('/') {
        return None;
    }
    let host = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("host").then(|| value.trim().to_owned())
    });
    Some(Request { target: target.to_owned(), host, stream: Mutex::new(stream) })
}

#[async_trait]
impl Redirect for Request {
    fn target(&self) -> &str {
        &self.target
    }

    fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    async fn answer(&self, status: u16, text: &str) {
        let reason = if status == 200 { "OK" } else { "Refused" };
        // The address in the bar holds the code: it goes nowhere from here
        let page = format!(
            "HTTP/1.1 {status} {reason}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\n\
             cache-control: no-store\r\nreferrer-policy: no-referrer\r\nx-content-type-options: nosniff\r\n\
             connection: close\r\n\r\n{text}",
            text.len()
        );
        let mut stream = self.stream.lock().await;
        // The browser may be gone
        let _ = timeout(SOON, async {
            stream.write_all(page.as_bytes()).await?;
            stream.shutdown().await
        })
        .await;
    }
}
