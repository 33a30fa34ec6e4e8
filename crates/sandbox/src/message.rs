//! What crosses between the agent's process and the lanes of a sandbox process: one message type, one framing.
//!
//! A frame is its length in bytes (u32, little endian) and a [`Message`] in postcard's format. JSON stays text on the
//! way: the sandbox never looks into it.

use mimir_shared_config::Limits;
use serde::{Deserialize, Serialize};

use crate::error::ProtocolError;
use crate::image::{CallFailure, CallKind};
use crate::layer::LayerReport;

/// No frame is larger, in bytes. A bundle has to fit, and an answer of the largest size with its escapes.
pub(crate) const MAX_FRAME: usize = 64 << 20;

/// How many bytes tell the length.
const HEADER: usize = size_of::<u32>();

/// One message. `plugin` is the number that the agent gave the plugin within this process; a frame that names another
/// one is refused.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Message<'a> {
    /// To the sandbox: start this plugin.
    Load(Load<'a>),
    /// To the sandbox: call into it. Calls that arrive before its start is over wait for it.
    Call { plugin: u32, call: u64, kind: CallKind, name: &'a str, session: &'a str, payload: &'a str, wall_ms: u64 },
    /// From the sandbox: what came of a call.
    Result { plugin: u32, call: u64, result: Result<&'a str, CallFailure>, cpu_ns: u64, heap_peak: u64 },
    /// From the sandbox: `ctx.*` was called. Nobody waits for request 0.
    HostCall { plugin: u32, call: Option<u64>, request: u64, op: &'a str, args: &'a str },
    /// To the sandbox: its answer, or the error as JSON.
    HostResult { plugin: u32, request: u64, result: Result<&'a str, &'a str> },
    /// From the sandbox: a line was logged.
    Log { plugin: u32, call: Option<u64>, level: u8, message: &'a str },
    /// To the sandbox: the caller of this call gave up.
    Abort { plugin: u32, call: u64 },
    /// To the sandbox: end this plugin and free its isolate.
    Dispose { plugin: u32 },
    /// From the sandbox: its start is over; what it returned, or why not.
    Loaded { plugin: u32, declared: Result<&'a str, CallFailure>, cpu_ns: u64 },
    /// From the sandbox: its isolate is gone, by request or because a limit stopped it while no call waited.
    Disposed { plugin: u32, failure: Option<CallFailure> },
    /// From the sandbox: this call came when the plugin was not (or no longer) there; it was not begun.
    NotLoaded { plugin: u32, call: u64 },
    /// To the sandbox: compile this module in an isolate that never ran a plugin, and give the code cache.
    Compile { name: &'a str, code: &'a str },
    /// From the sandbox: the code cache, empty if the module does not compile.
    Compiled { cache: &'a [u8] },
    /// From the sandbox, before anything else: what the kernel enforces on it.
    Sealed { layers: Vec<LayerReport> },
    /// Both ways: are you there, and how large.
    Pulse { isolates: u32, heap: u64 },
}

/// Everything an isolate needs to start.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Load<'a> {
    pub(crate) plugin: u32,
    pub(crate) name: &'a str,
    pub(crate) code: &'a str,
    pub(crate) code_cache: Option<&'a [u8]>,
    pub(crate) context: &'a str,
    pub(crate) limits: Limits,
    pub(crate) wasm: bool,
    /// Whether this plugin lost its memory in the middle of a session.
    pub(crate) restarted: bool,
    /// Whether the prelude bounds the built-ins that are known to run away.
    pub(crate) guards: bool,
}

impl Message<'_> {
    /// Appends the frame to `out`.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0; HEADER]);
        // A Vec takes everything, and no type in here refuses to be serialised.
        postcard::to_io(self, &mut *out).expect("a message serialises into memory");
        let length = u32::try_from(out.len() - start - HEADER).expect("frames stay below MAX_FRAME");
        out[start..start + HEADER].copy_from_slice(&length.to_le_bytes());
    }
}

/// Takes frames from a stream of bytes.
#[derive(Default)]
pub(crate) struct Inbox {
    bytes: Vec<u8>,
    /// Where the first frame that was not taken begins.
    start: usize,
}

impl Inbox {
    /// Where bytes that arrived are appended.
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        if self.start == self.bytes.len() {
            self.bytes.clear();
            self.start = 0;
            // One large message does not keep its memory for ever.
            self.bytes.shrink_to(1 << 20);
        } else if self.start > (1 << 16) {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        &mut self.bytes
    }

    /// The next whole message, if there is one.
    pub(crate) fn next(&mut self) -> Result<Option<Message<'_>>, ProtocolError> {
        let rest = &self.bytes[self.start..];
        let Some((header, rest)) = rest.split_first_chunk::<HEADER>() else { return Ok(None) };
        let length = u32::from_le_bytes(*header) as usize;
        if length > MAX_FRAME {
            return Err(ProtocolError::Oversized { bytes: length });
        }
        let Some(body) = rest.get(..length) else { return Ok(None) };
        match postcard::take_from_bytes(body) {
            Ok((message, [])) => {
                self.start += HEADER + length;
                Ok(Some(message))
            }
            Ok(_) => Err(ProtocolError::TrailingBytes),
            Err(source) => Err(ProtocolError::Malformed { source }),
        }
    }
}

/// The check of the fuzz target.
#[cfg(any(test, feature = "test-hooks"))]
#[path = "../../../fuzz/properties/frames.rs"]
pub(crate) mod property;

#[cfg(test)]
#[path = "../../../fuzz/properties/drive.rs"]
mod drive;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn any_bytes_are_messages_or_refused() {
        drive::drive("frames", property::check);
    }

    fn frame(message: &Message<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        message.encode(&mut out);
        out
    }

    #[test]
    fn frames_survive_being_torn_anywhere() {
        let mut whole = frame(&Message::Abort { plugin: 1, call: 2 });
        whole.extend(frame(&Message::HostResult { plugin: 3, request: 4, result: Ok("{\"ä\":1}") }));
        for cut in 0..whole.len() {
            let mut inbox = Inbox::default();
            let mut seen = 0;
            for part in [&whole[..cut], &whole[cut..]] {
                inbox.buffer().extend_from_slice(part);
                while let Some(message) = inbox.next().unwrap() {
                    seen += 1;
                    match (seen, message) {
                        (1, Message::Abort { plugin: 1, call: 2 }) => {}
                        (2, Message::HostResult { plugin: 3, request: 4, result: Ok("{\"ä\":1}") }) => {}
                        other => panic!("unexpected: {other:?}"),
                    }
                }
            }
            assert_eq!(seen, 2, "cut at {cut}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        let mut oversized = Inbox::default();
        oversized.buffer().extend_from_slice(&u32::MAX.to_le_bytes());
        assert!(matches!(oversized.next(), Err(ProtocolError::Oversized { .. })));

        let mut unknown = Inbox::default();
        unknown.buffer().extend_from_slice(&[1, 0, 0, 0, 0xff]);
        assert!(matches!(unknown.next(), Err(ProtocolError::Malformed { .. })));

        let mut trailing = frame(&Message::Dispose { plugin: 1 });
        trailing.push(0);
        trailing[0] += 1;
        let mut inbox = Inbox::default();
        inbox.buffer().extend_from_slice(&trailing);
        assert!(matches!(inbox.next(), Err(ProtocolError::TrailingBytes)));
    }
}
