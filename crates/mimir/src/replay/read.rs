//! From the lines of a recording to its steps.

use std::io::{self, BufRead};

use mimir_plugins::{PluginId, RecordedCall};
use serde::Deserialize;
use serde_json::value::RawValue;
use thiserror::Error;

/// One event of a recording, with the host calls that were recorded while plugins answered it.
#[derive(Debug)]
pub(crate) struct Step {
    /// Its line, from 1.
    pub(crate) line: u64,
    /// Its name as it was written: known or not.
    pub(crate) event: String,
    /// Its payload, a JSON object as it was written.
    pub(crate) payload: Box<RawValue>,
    /// The plugins whose host calls led to it.
    pub(crate) cause: Vec<PluginId>,
    /// The host calls, in the order in which they were recorded.
    pub(crate) calls: Vec<RecordedCall>,
    /// Bytes of the recording up to and with this step.
    pub(crate) offset: u64,
}

/// What is wrong with a recording.
#[derive(Debug, Error)]
pub(crate) enum ReadError {
    /// A line is no JSON.
    #[error("line {line} of the recording is not JSON: {why}")]
    NotJson {
        /// From 1.
        line: u64,
        /// What the parser says.
        why: String,
    },
    /// A line is JSON, but nothing that a recording has.
    #[error("line {line} of the recording is neither an event nor a host call: {why}")]
    NotAStep {
        /// From 1.
        line: u64,
        /// What is missing.
        why: String,
    },
    /// It can't be read at all.
    #[error("could not read the recording")]
    Io(#[from] io::Error),
}

/// What the reader found.
#[derive(Debug)]
pub(crate) enum Found {
    /// An event.
    Step(Step),
    /// The last line was cut off; whoever recorded was interrupted.
    Torn {
        /// From 1.
        line: u64,
    },
}

#[derive(Deserialize)]
struct Line {
    event: Option<String>,
    payload: Option<Box<RawValue>>,
    #[serde(default)]
    cause: Vec<PluginId>,
    #[serde(rename = "hostCall")]
    host_call: Option<RecordedCall>,
}

/// Reads a recording step by step. An event is given out when the next one is seen, since the host calls that belong
/// to it follow it.
pub(crate) struct Reader<R> {
    lines: R,
    line: u64,
    offset: u64,
    pending: Option<Step>,
    torn: Option<u64>,
    failed: Option<ReadError>,
    is_done: bool,
}

impl<R: BufRead> Reader<R> {
    pub(crate) fn new(lines: R) -> Self {
        Self { lines, line: 0, offset: 0, pending: None, torn: None, failed: None, is_done: false }
    }

    /// Reads one line: an event to give out if it completes one, `None` to go on.
    fn read_line(&mut self) -> Result<Option<Step>, ReadError> {
        let mut bytes = Vec::new();
        let count = self.lines.read_until(b'\n', &mut bytes)?;
        if count == 0 {
            self.is_done = true;
            return Ok(self.pending.take());
        }
        self.line += 1;
        self.offset += count as u64;
        // Editors of another platform put a mark at the start of a file.
        let text = if self.line == 1 { bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes) } else { &bytes };
        let text = text.trim_ascii();
        if text.is_empty() {
            return Ok(None);
        }
        match serde_json::from_slice::<Line>(text) {
            Ok(line) => self.accept(line, text),
            Err(error) => {
                // A line that ends within a value was cut off if nothing follows it, with or without a line end.
                if error.is_eof() && self.lines.fill_buf()?.is_empty() {
                    self.torn = Some(self.line);
                    return Ok(None);
                }
                let (line, why) = (self.line, without_place(&error));
                if error.is_data() {
                    Err(ReadError::NotAStep { line, why })
                } else {
                    Err(ReadError::NotJson { line, why })
                }
            }
        }
    }

    fn accept(&mut self, line: Line, text: &[u8]) -> Result<Option<Step>, ReadError> {
        let not_a_step = |why: &str| ReadError::NotAStep { line: self.line, why: why.to_owned() };
        match line {
            Line { event: Some(event), payload: Some(payload), cause, host_call: None } => {
                if !payload.get().starts_with('{') {
                    return Err(not_a_step("its `payload` is not an object"));
                }
                let step = Step { line: self.line, event, payload, cause, calls: Vec::new(), offset: self.offset };
                Ok(self.pending.replace(step))
            }
            Line { event: None, payload: None, host_call: Some(call), .. } => {
                let Some(step) = &mut self.pending else {
                    return Err(not_a_step("it is a host call, and no event stands before it"));
                };
                step.calls.push(call);
                step.offset = self.offset;
                Ok(None)
            }
            Line { event: Some(_), payload: None, .. } => Err(not_a_step("`payload` is missing")),
            Line { event: None, payload: Some(_), .. } => Err(not_a_step("`event` is missing")),
            _ if text == b"{}" => Err(not_a_step("it is empty")),
            _ => Err(not_a_step("it has neither `event` nor `hostCall`")),
        }
    }
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = Result<Found, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.is_done {
            match self.read_line() {
                Ok(Some(step)) => return Some(Ok(Found::Step(step))),
                Ok(None) => {}
                Err(error) => {
                    // What came before the bad line still counts.
                    self.is_done = true;
                    self.failed = Some(error);
                    if let Some(step) = self.pending.take() {
                        return Some(Ok(Found::Step(step)));
                    }
                }
            }
        }
        if let Some(error) = self.failed.take() {
            return Some(Err(error));
        }
        self.torn.take().map(|line| Ok(Found::Torn { line }))
    }
}

/// The parser's message without "at line 1", since it saw one line alone.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" at line ") {
        Some((message, _)) => format!("{message} (column {})", error.column()),
        None => text,
    }
}

/// The check of the fuzz target.
#[cfg(test)]
#[path = "../../../../fuzz/properties/recording.rs"]
mod property;

#[cfg(test)]
#[path = "../../../../fuzz/properties/drive.rs"]
mod drive;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_recording_is_read_to_its_end() {
        drive::drive("recording", property::check);
    }

    fn check(recording: &str, expected: &[&str]) {
        let found: Vec<_> = Reader::new(recording.as_bytes())
            .map(|found| match found {
                Ok(Found::Step(step)) => {
                    let calls: Vec<_> = step.calls.iter().map(|call| call.op.as_str()).collect();
                    format!("{} {} {} {calls:?}", step.line, step.event, step.payload)
                }
                Ok(Found::Torn { line }) => format!("torn {line}"),
                Err(error) => error.to_string(),
            })
            .collect();
        assert_eq!(found, expected, "{recording}");
    }

    #[test]
    fn recordings() {
        let a = r#"{"event":"a","payload":{"x":1}}"#;
        let call = r#"{"hostCall":{"plugin":"p","op":"exec","args":{},"result":1}}"#;
        check("", &[]);
        check(&format!("\u{feff}{a}\r\n\n{a}"), &[r#"1 a {"x":1} []"#, r#"3 a {"x":1} []"#]);
        check(&format!("{a}\n{call}\n{call}\n{a}\n"), &[r#"1 a {"x":1} ["exec", "exec"]"#, r#"4 a {"x":1} []"#]);
        check(&format!("{a}\n{{\"event\":\"b\",\"payl"), &[r#"1 a {"x":1} []"#, "torn 2"]);
        check(&format!("{a}\n{{\"event\":\"b\",\"payl\n"), &[r#"1 a {"x":1} []"#, "torn 2"]);
        check("\u{7f}ELF", &["line 1 of the recording is not JSON: expected value (column 1)"]);
        check(&format!("{a}\r{a}\r"), &["line 1 of the recording is not JSON: trailing characters (column 33)"]);
        check(
            &format!("{{\"event\n{a}\n"),
            &["line 1 of the recording is not JSON: EOF while parsing a string (column 7)"],
        );
        check(
            &format!("{a}\nnonsense\n{a}\n"),
            &[r#"1 a {"x":1} []"#, "line 2 of the recording is not JSON: expected ident (column 2)"],
        );
        check(
            &format!("{call}\n"),
            &[
                "line 1 of the recording is neither an event nor a host call: it is a host call, and no event stands before it",
            ],
        );
        for (line, why) in [
            ("{}", "it is empty"),
            (r#"{"event":"a"}"#, "`payload` is missing"),
            (r#"{"payload":{}}"#, "`event` is missing"),
            (r#"{"event":"a","payload":[]}"#, "its `payload` is not an object"),
            (r#"{"x":1}"#, "it has neither `event` nor `hostCall`"),
            ("[1]", "invalid type: integer `1`, expected a string (column 2)"),
        ] {
            check(
                &format!("{line}\n"),
                &[&format!("line 1 of the recording is neither an event nor a host call: {why}")],
            );
        }
    }
}
