use std::borrow::Cow;
use std::io::{self, BufRead, Read};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::AuditRecord;

/// A line of a segment of the log: one record and its place in the chain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditLine {
    /// The number of the line in its segment, from 1.
    pub seq: u64,
    /// When it was recorded, in milliseconds since 1970.
    pub time: u64,
    /// The plugin that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin: Option<String>,
    /// What kind of thing.
    pub kind: String,
    /// The rest, as the kind wants it.
    pub detail: Value,
    /// SHA-256, in hex, of the line before this one without its line break; zeros in the first line.
    pub prev: String,
}

/// A line as it is written, without copies.
#[derive(Serialize)]
struct Written<'a> {
    seq: u64,
    time: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    plugin: Option<&'a str>,
    kind: &'a str,
    detail: &'a Value,
    prev: &'a str,
}

/// What a check and a reader need of a line. The detail is checked to be JSON, and left as text.
#[derive(Deserialize)]
pub(crate) struct Link<'a> {
    pub(crate) seq: u64,
    pub(crate) time: u64,
    #[serde(default, borrow)]
    pub(crate) plugin: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(crate) kind: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) detail: &'a RawValue,
    #[serde(borrow)]
    pub(crate) prev: Cow<'a, str>,
}

/// The end of a chain: whoever keeps it notices when lines are cut off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainHead {
    /// How many lines there are.
    pub lines: u64,
    /// SHA-256, in hex, of the last line; zeros if there is none.
    pub hash: String,
}

/// Bytes at the end of a file that were no whole line and are gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Torn {
    /// How many.
    pub bytes: u64,
    /// Their SHA-256, in hex.
    pub sha256: String,
}

/// No line that is written is longer, in bytes; a record that would be is cut down.
const LONGEST_WRITTEN: usize = 64 << 10;
/// No line that is read is longer, in bytes.
const LONGEST_READ: u64 = 1 << 20;
/// What is left of each text of a record that is too long, in characters.
const CUT_TEXT: usize = 200;

impl ChainHead {
    /// The head of a file without lines.
    pub fn empty() -> Self {
        Self { lines: 0, hash: "0".repeat(64) }
    }

    /// Appends a line to `out`, with its line break, and moves on.
    pub(crate) fn append(&mut self, time: u64, record: &AuditRecord, out: &mut Vec<u8>) -> io::Result<()> {
        let start = out.len();
        self.write(time, record, &record.detail, out)?;
        if out.len() - start > LONGEST_WRITTEN {
            let bytes = out.len() - start;
            out.truncate(start);
            let mut detail = record.detail.clone();
            shorten(&mut detail);
            self.write(time, record, &detail, out)?;
            if out.len() - start > LONGEST_WRITTEN {
                out.truncate(start);
                self.write(time, record, &serde_json::json!({ "tooLong": bytes }), out)?;
            }
        }
        self.advance(&out[start..]);
        out.push(b'\n');
        Ok(())
    }

    fn write(&self, time: u64, record: &AuditRecord, detail: &Value, out: &mut Vec<u8>) -> io::Result<()> {
        let (plugin, kind, prev) = (record.plugin.as_deref(), record.kind.as_str(), self.hash.as_str());
        let line = Written { seq: self.lines + 1, time, plugin, kind, detail, prev };
        Ok(serde_json::to_writer(out, &line)?)
    }

    pub(crate) fn advance(&mut self, line: &[u8]) {
        self.lines += 1;
        self.hash = hash_hex(line);
    }

    /// Checks that `line` is the one after this head, and moves on.
    pub(crate) fn follow<'a>(&mut self, line: &'a [u8]) -> Result<Link<'a>, &'static str> {
        let link: Link<'_> = serde_json::from_slice(line).map_err(|_| "is no record")?;
        if link.seq != self.lines + 1 {
            return Err("is out of its order");
        }
        if link.prev != self.hash {
            return Err("does not follow the line before it");
        }
        self.advance(line);
        Ok(link)
    }
}

/// Cuts every text in a value, so that what is left is of a known size unless it has very many parts.
fn shorten(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Some((at, _)) = text.char_indices().nth(CUT_TEXT) {
                text.truncate(at);
                text.push('…');
            }
        }
        Value::Array(items) => items.iter_mut().for_each(shorten),
        Value::Object(fields) => fields.values_mut().for_each(shorten),
        _ => {}
    }
}

/// SHA-256 in hex.
pub(crate) fn hash_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = |byte: u8| [byte >> 4, byte & 15].map(|digit| char::from(DIGITS[usize::from(digit)]));
    Sha256::digest(bytes).iter().flat_map(|byte| digits(*byte)).collect()
}

/// What a [`LineReader`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line {
    /// A line that ends.
    Whole,
    /// Bytes at the end of the file without a line break.
    Torn,
    /// A line that no writer of ours wrote; the rest of it was skipped.
    TooLong,
    /// Nothing more.
    End,
}

/// Reads lines that somebody else may have written, in bounded memory.
pub(crate) struct LineReader<R> {
    from: R,
    /// The line without its line break.
    pub(crate) text: Vec<u8>,
    /// How many bytes the lines so far take, their line breaks included; a torn one is not counted.
    pub(crate) bytes: u64,
}

impl<R: BufRead> LineReader<R> {
    pub(crate) fn new(from: R) -> Self {
        Self { from, text: Vec::new(), bytes: 0 }
    }

    pub(crate) fn next(&mut self) -> io::Result<Line> {
        self.text.clear();
        let read = (&mut self.from).take(LONGEST_READ).read_until(b'\n', &mut self.text)?;
        if read == 0 {
            return Ok(Line::End);
        }
        if self.text.last() == Some(&b'\n') {
            self.text.pop();
            self.bytes += read as u64;
            return Ok(Line::Whole);
        }
        if (read as u64) < LONGEST_READ {
            return Ok(Line::Torn);
        }
        let mut skipped = read as u64;
        loop {
            let available = self.from.fill_buf()?;
            if available.is_empty() {
                return Ok(Line::Torn);
            }
            let (length, is_whole) = match available.iter().position(|byte| *byte == b'\n') {
                Some(at) => (at + 1, true),
                None => (available.len(), false),
            };
            self.from.consume(length);
            skipped += length as u64;
            if is_whole {
                self.bytes += skipped;
                return Ok(Line::TooLong);
            }
        }
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
pub fn verify_segment(segment: impl BufRead) -> Result<ChainHead, BrokenChain> {
    let mut head = ChainHead::empty();
    let mut lines = LineReader::new(segment);
    loop {
        let line = head.lines + 1;
        let broken = |problem| BrokenChain { line, problem };
        match lines.next().map_err(|_| broken("can't be read"))? {
            Line::End => return Ok(head),
            Line::Torn => return Err(broken("is cut off")),
            Line::TooLong => return Err(broken("is no record")),
            Line::Whole => drop(head.follow(&lines.text).map_err(broken)?),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails here should stop")]

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn segment(count: u64) -> (Vec<String>, ChainHead) {
        let mut head = ChainHead::empty();
        let mut out = Vec::new();
        for n in 0..count {
            let record = AuditRecord::new("p", "call", json!({"op": "fs.readFile", "n": n, "x": 0.5}));
            head.append(1_000 + n, &record, &mut out).unwrap();
        }
        (String::from_utf8(out).unwrap().lines().map(str::to_owned).collect(), head)
    }

    fn check(lines: &[String], expected: Result<u64, (u64, &str)>) {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let found =
            verify_segment(text.as_bytes()).map(|head| head.lines).map_err(|broken| (broken.line, broken.problem));
        assert_eq!(found, expected);
    }

    #[test]
    fn finds_every_change() {
        let (lines, head) = segment(4);
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
        check(&["x".repeat(3 << 20)], Err((1, "is no record")));

        // What is cut off at the end shows in the head alone
        check(&lines[..3], Ok(3));
        let short: String = lines[..3].iter().map(|line| format!("{line}\n")).collect();
        assert_ne!(verify_segment(short.as_bytes()).unwrap(), head);
    }

    #[test]
    fn a_line_has_a_largest_size() {
        let long = "ü".repeat(100_000);
        let many: Vec<_> = (0..100_000).collect();
        for (detail, left) in [(json!({"op": "x", "reason": long}), "\"op\":\"x\""), (json!({"n": many}), "tooLong")] {
            let (mut head, mut out) = (ChainHead::empty(), Vec::new());
            head.append(1, &AuditRecord::new("p", "call", detail), &mut out).unwrap();
            assert!(out.len() <= LONGEST_WRITTEN + 1, "{}", out.len());
            assert!(std::str::from_utf8(&out).unwrap().contains(left));
            assert_eq!(verify_segment(out.as_slice()).unwrap(), head);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_and_none_are_taken_for_a_segment(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
            let found = verify_segment(bytes.as_slice());
            prop_assert!(found.is_err() || bytes.is_empty());
        }

        /// What differs from what was written in any byte is broken, or ends in another head.
        #[test]
        fn a_changed_segment_is_never_the_one_that_was_written(
            at in any::<proptest::sample::Index>(),
            cut in 0_usize..3,
            put in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'"'), Just(b' '), any::<u8>()], 0..4),
        ) {
            let (lines, head) = segment(5);
            let text: Vec<u8> = lines.iter().flat_map(|line| format!("{line}\n").into_bytes()).collect();
            let at = at.index(text.len());
            let mut changed = text.clone();
            changed.splice(at..(at + cut).min(text.len()), put);
            let is_same = changed == text;
            let is_verified = verify_segment(changed.as_slice()).is_ok_and(|found| found == head);
            prop_assert_eq!(is_verified, is_same);
        }
    }
}
