use std::io::BufRead;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::PlatformError;

/// Remembers what plugins did and what was decided about it.
pub trait AuditLog: Send + Sync {
    /// Adds a record. This does not wait for the disk; a log that can't be written says so at [`AuditLog::flush`].
    fn record(&self, record: AuditRecord);

    /// Waits until everything recorded so far is written.
    ///
    /// # Errors
    /// [`PlatformError::Audit`] if anything since the start could not be written.
    fn flush(&self) -> Result<(), PlatformError>;
}

/// One thing that happened. Contents of files, bodies of requests and secrets do not belong here; their sizes do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditRecord {
    /// The plugin that it is about; nothing for Mimir itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin: Option<String>,
    /// What kind of thing: `call`, `failure`, `grant`, …
    pub kind: String,
    /// The rest, as the kind wants it.
    pub detail: Value,
}

impl AuditRecord {
    /// A record about a plugin.
    pub fn new(plugin: impl Into<String>, kind: impl Into<String>, detail: Value) -> Self {
        Self { plugin: Some(plugin.into()), kind: kind.into(), detail }
    }
}

/// A line of a segment of the log: one record and its place in the chain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditLine {
    /// The number of the line in its segment, from 1.
    pub seq: u64,
    /// When it was recorded, in milliseconds since 1970.
    pub time: u64,
    /// What was recorded.
    #[serde(flatten)]
    pub record: AuditRecord,
    /// SHA-256, in hex, of the line before this one without its line break; zeros in the first line.
    pub prev: String,
}

/// The end of a chain: whoever keeps it notices when lines are cut off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainHead {
    /// How many lines there are.
    pub lines: u64,
    /// SHA-256, in hex, of the last line; zeros if there is none.
    pub hash: String,
}

impl ChainHead {
    /// The head of a segment without lines.
    pub fn empty() -> Self {
        Self { lines: 0, hash: "0".repeat(64) }
    }

    /// Appends a line: gives its text without the line break, and moves on.
    pub(crate) fn append(&mut self, time: u64, record: AuditRecord) -> serde_json::Result<String> {
        let line = AuditLine { seq: self.lines + 1, time, record, prev: self.hash.clone() };
        let text = serde_json::to_string(&line)?;
        self.advance(text.as_bytes());
        Ok(text)
    }

    fn advance(&mut self, line: &[u8]) {
        self.lines += 1;
        self.hash = Sha256::digest(line).iter().map(|byte| format!("{byte:02x}")).collect();
    }
}

/// A segment is not as it was written.
#[derive(Debug, Error)]
#[error("line {line} of the audit log {problem}")]
pub struct BrokenChain {
    /// The line, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub problem: &'static str,
}

/// Reads a segment and checks each line against the one before. The head that it gives shows, compared with one that was
/// kept elsewhere, whether lines are missing at the end; someone who rewrites everything after a line is not noticed
/// without it.
///
/// # Errors
/// [`BrokenChain`] for the first line that is not what was written after the line before it.
pub fn verify_segment(mut segment: impl BufRead) -> Result<ChainHead, BrokenChain> {
    let mut head = ChainHead::empty();
    let mut text = Vec::new();
    loop {
        let line = head.lines + 1;
        let broken = |problem| BrokenChain { line, problem };
        text.clear();
        if segment.read_until(b'\n', &mut text).map_err(|_| broken("can't be read"))? == 0 {
            return Ok(head);
        }
        if text.pop() != Some(b'\n') {
            return Err(broken("is cut off"));
        }
        let parsed: AuditLine = serde_json::from_slice(&text).map_err(|_| broken("is no record"))?;
        if parsed.seq != line {
            return Err(broken("is out of its order"));
        }
        if parsed.prev != head.hash {
            return Err(broken("does not follow the line before it"));
        }
        head.advance(&text);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails here should stop")]

    use serde_json::json;

    use super::*;

    fn segment() -> (Vec<String>, ChainHead) {
        let mut head = ChainHead::empty();
        let lines = (0..4)
            .map(|n| {
                head.append(1_000 + n, AuditRecord::new("p", "call", json!({"op": "fs.readFile", "n": n}))).unwrap()
            })
            .collect();
        (lines, head)
    }

    fn check(lines: &[String], expected: Result<u64, (u64, &str)>) {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let found =
            verify_segment(text.as_bytes()).map(|head| head.lines).map_err(|broken| (broken.line, broken.problem));
        assert_eq!(found, expected);
    }

    #[test]
    fn finds_every_change() {
        let (lines, head) = segment();
        check(&lines, Ok(4));
        check(&[], Ok(0));
        assert_eq!(verify_segment(lines.join("\n").as_bytes()).unwrap_err().problem, "is cut off");

        let mut changed = lines.clone();
        changed[1] = changed[1].replace("readFile", "writeFile");
        check(&changed, Err((3, "does not follow the line before it")));

        let mut missing = lines.clone();
        missing.remove(1);
        check(&missing, Err((2, "is out of its order")));

        let mut swapped = lines.clone();
        swapped.swap(0, 1);
        check(&swapped, Err((1, "is out of its order")));

        check(&["{}".to_owned()], Err((1, "is no record")));

        // What is cut off at the end shows in the head alone
        check(&lines[..3], Ok(3));
        let short: String = lines[..3].iter().map(|line| format!("{line}\n")).collect();
        assert_ne!(verify_segment(short.as_bytes()).unwrap(), head);
    }
}
