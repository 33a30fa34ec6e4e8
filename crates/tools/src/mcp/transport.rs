use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use rmcp::RoleClient;
use rmcp::model::{ErrorCode, ErrorData, JsonRpcMessage, RequestId};
use rmcp::service::{RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{ChildStdin, ChildStdout};
use tokio::sync::watch;

use super::adapters::Streams;

/// One message a line, in both directions. Unlike the library's own transport, it ends at a message that is too large,
/// where the other would wait for an answer that it has thrown away, and tells the caller of an answer that makes no sense.
pub(super) struct Lines {
    output: BufReader<ChildStdout>,
    /// A line that has not ended yet. Reading may be broken off at any `await`, so nothing of it is kept elsewhere.
    line: Vec<u8>,
    input: Arc<tokio::sync::Mutex<Option<ChildStdin>>>,
    connection: Connection,
    _lifetime: Lifetime,
    limit: usize,
}

/// How a connection is.
#[derive(Clone, Default)]
pub(super) struct Connection(Arc<Ending>);

#[derive(Default)]
struct Ending {
    is_closed: watch::Sender<bool>,
    /// Why it was given up, if the server is to blame.
    trouble: Mutex<Option<String>>,
}

impl Connection {
    /// Waits until nothing comes any more.
    pub(super) async fn closed(&self) {
        let mut changes = self.0.is_closed.subscribe();
        // The sender is in `self`
        let _ = changes.wait_for(|is_closed| *is_closed).await;
    }

    /// What the server did that the connection could not go on with.
    pub(super) fn trouble(&self) -> Option<String> {
        self.0.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn give_up(&self, why: String) {
        *self.0.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
    }

    /// What the connection lasts as long as.
    pub(super) fn lifetime(&self) -> Lifetime {
        Lifetime(self.clone())
    }
}

/// Closes its connection when it is dropped.
pub(super) struct Lifetime(Connection);

impl Drop for Lifetime {
    fn drop(&mut self) {
        self.0.0.is_closed.send_replace(true);
    }
}

impl Lines {
    /// `limit` is what one message may have, in bytes.
    pub(super) fn new(streams: Streams, limit: usize, connection: Connection) -> Self {
        let input = Arc::new(tokio::sync::Mutex::new(Some(streams.input)));
        let (output, _lifetime) = (BufReader::new(streams.output), connection.lifetime());
        Self { output, line: Vec::new(), input, connection, _lifetime, limit }
    }

    /// Whether a whole line is there. `false` at the end.
    async fn read_line(&mut self) -> io::Result<bool> {
        loop {
            let piece = self.output.fill_buf().await?;
            if piece.is_empty() {
                return Ok(false);
            }
            let end = piece.iter().position(|byte| *byte == b'\n');
            let taken = end.map_or(piece.len(), |at| at + 1);
            if self.line.len() + taken > self.limit {
                self.connection.give_up(format!("it sent a message of more than {} bytes", self.limit));
                return Ok(false);
            }
            self.line.extend_from_slice(&piece[..taken]);
            self.output.consume(taken);
            if end.is_some() {
                return Ok(true);
            }
        }
    }
}

impl Transport<RoleClient> for Lines {
    type Error = io::Error;

    fn send(
        &mut self,
        item: TxJsonRpcMessage<RoleClient>,
    ) -> impl Future<Output = Result<(), io::Error>> + Send + 'static {
        let input = Arc::clone(&self.input);
        async move {
            let mut bytes = serde_json::to_vec(&item)?;
            bytes.push(b'\n');
            let mut input = input.lock().await;
            let input = input.as_mut().ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected))?;
            input.write_all(&bytes).await?;
            input.flush().await
        }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleClient>> {
        loop {
            if !matches!(self.read_line().await, Ok(true)) {
                self.connection.0.is_closed.send_replace(true);
                return None;
            }
            let message = understood(&self.line);
            self.line.clear();
            if let Some(message) = message {
                return Some(message);
            }
        }
    }

    async fn close(&mut self) -> Result<(), io::Error> {
        // Whoever holds it is writing to a program that does not read
        if let Ok(mut input) = self.input.try_lock() {
            input.take();
        }
        // A server ends when its standard input does; until then it may have something to put in order
        while let Ok(piece) = self.output.fill_buf().await
            && !piece.is_empty()
        {
            let length = piece.len();
            self.output.consume(length);
        }
        Ok(())
    }
}

/// A line as a message. What is no JSON is a program's chatter; an answer that is none becomes an error of its call.
fn understood(line: &[u8]) -> Option<RxJsonRpcMessage<RoleClient>> {
    let value: Value = serde_json::from_slice(line).ok()?;
    let id = value.get("id").filter(|_| value.get("method").is_none()).cloned();
    match serde_json::from_value(value) {
        Ok(message) => Some(message),
        Err(error) => {
            let id: RequestId = serde_json::from_value(id?).ok()?;
            let error = ErrorData::new(ErrorCode::INTERNAL_ERROR, format!("its answer can't be read: {error}"), None);
            Some(JsonRpcMessage::error(error, Some(id)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn understands_what_servers_send() {
        let check = |line: &str, expected: &str| {
            let found = match understood(line.as_bytes()) {
                None => "nothing".to_owned(),
                Some(JsonRpcMessage::Request(request)) => format!("request {}", request.id),
                Some(JsonRpcMessage::Response(response)) => format!("response {}", response.id),
                Some(JsonRpcMessage::Notification(_)) => "notification".to_owned(),
                Some(JsonRpcMessage::Error(error)) => format!("error {}", error.error.message),
            };
            assert_eq!(found, expected, "{line}");
        };
        check("listening on port 5\n", "nothing");
        check("\n", "nothing");
        check("5\n", "nothing");
        check(r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[]}}"#, "response 1");
        check(r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"a"}]}}"#, "response 1");
        check(r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"no"}}"#, "error no");
        check(r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#, "notification");
        let progress = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":0.5,"total":2}}"#;
        check(progress, "notification");
        check(r#"{"jsonrpc":"2.0","id":7,"method":"ping"}"#, "request 7");
    }
}
