//! A server on this machine that remembers who asked it for what, so that an attack on the network leaves a trace.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// `/ok`, `/redirect?to=URL`, `/echo` (the headers as JSON), `/flood` (an endless body), `/slow` (no answer).
pub(super) struct Server {
    pub(super) port: u16,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let log = Arc::clone(&requests);
        // Ends with the test's process: nobody waits for what an attack left open
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let log = Arc::clone(&log);
                thread::spawn(move || drop(answer(stream, &log)));
            }
        });
        Self { port, requests }
    }

    /// What arrived, each request with its headers and its body.
    pub(super) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn answer(mut stream: TcpStream, log: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut head = String::new();
    // A connection is an arrival, whatever is sent over it
    let index = {
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        log.push("a connection".to_owned());
        log.len() - 1
    };
    while reader.read_line(&mut head)? > 0 && !head.ends_with("\r\n\r\n") {}
    let headers: Vec<(String, String)> = head
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length").and_then(|(_, value)| value.parse().ok());
    let mut body = Vec::new();
    reader.take(length.unwrap_or(0)).read_to_end(&mut body)?;
    log.lock().unwrap_or_else(PoisonError::into_inner)[index] = format!("{head}{}", String::from_utf8_lossy(&body));

    let target = head.split_whitespace().nth(1).unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let full = |status: &str, more: &str, body: &str| {
        let length = body.len();
        format!("HTTP/1.1 {status}\r\n{more}content-length: {length}\r\nconnection: close\r\n\r\n{body}")
    };
    match path {
        "/redirect" => {
            let to = decoded(query.strip_prefix("to=").unwrap_or_default());
            stream.write_all(full("302 Found", &format!("location: {to}\r\n"), "").as_bytes())?;
        }
        "/echo" => {
            let headers: serde_json::Map<_, _> =
                headers.into_iter().map(|(name, value)| (name, value.into())).collect();
            let body = serde_json::Value::from(headers).to_string();
            stream.write_all(full("200 OK", "content-type: application/json\r\n", &body).as_bytes())?;
        }
        "/flood" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n")?;
            let piece = [b'x'; 64 * 1024];
            loop {
                stream.write_all(&piece)?;
            }
        }
        "/slow" => drop(stream.read(&mut [0])?),
        _ => stream.write_all(full("200 OK", "content-type: text/plain\r\n", "ok").as_bytes())?,
    }
    stream.shutdown(Shutdown::Both)
}

/// Percent signs resolved.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, more @ ..] = rest {
        let code = (*first == b'%').then(|| more.get(..2)).flatten().and_then(|code| std::str::from_utf8(code).ok());
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &more[2..];
            }
            None => {
                bytes.push(*first);
                rest = more;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
