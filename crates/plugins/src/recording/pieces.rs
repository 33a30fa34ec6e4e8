//! The body of a `fetch` that the plugin read piece by piece. A replay gives it at once: the plugin's number of the request,
//! by which it reads, is another one then.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mimir_api::RecordedCall;
use serde_json::Value;

/// No more of a body is kept, in bytes.
const LARGEST: usize = 16 << 20;

/// A body that is under way.
#[derive(Default)]
pub(super) struct Pieces {
    bytes: Vec<u8>,
}

/// The plugin's number of the request that a call is about.
pub(super) fn number(op: &str, args: &Value) -> Option<u64> {
    op.starts_with("fetch").then(|| args.get("id")?.as_u64())?
}

impl Pieces {
    /// Whether an answer has a body that is yet to be read.
    pub(super) fn are_to_come(call: &RecordedCall) -> bool {
        call.op == "fetch" && call.result.as_ref().is_some_and(|result| result["stream"] == true)
    }

    /// Takes what `fetch.read` gave.
    pub(super) fn add(&mut self, piece: &Value) {
        let bytes = piece.as_str().and_then(|piece| STANDARD.decode(piece).ok()).unwrap_or_default();
        let room = LARGEST - self.bytes.len();
        self.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// Makes the answer one whose body was there at once.
    pub(super) fn put_into(self, call: &mut RecordedCall) {
        if let Some(Value::Object(answer)) = &mut call.result {
            answer.shift_remove("stream");
            answer.insert("body".to_owned(), STANDARD.encode(self.bytes).into());
        }
    }
}
