//! One segment: making it, and reading it against what is kept about it.

use std::collections::HashMap;
use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, BufReader, Seek};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{AuditFolder, make_folder, open};
use crate::audit::{Anchored, ChainHead, Line, LineReader};

/// The first line of a segment.
pub(super) const HEADER: &str = "segment";
/// A line that says that others are missing, or may be.
pub(super) const GAP: &str = "gap";

/// What the first line says, as its detail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Header {
    /// The segment's own name.
    pub(super) file: String,
    /// The process that writes it.
    pub(super) process: u32,
    /// The version of what wrote it.
    pub(super) version: String,
    /// Where it was announced in the anchors; nothing if they could not be written.
    pub(super) opened: Option<ChainHead>,
    /// The segment that the same process wrote before.
    pub(super) follows: Option<Follows>,
}

/// A segment that is over, and how far it had come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Follows {
    pub(super) file: String,
    #[serde(flatten)]
    pub(super) end: ChainHead,
}

/// A name that no other segment has, whatever the clock and the numbers of processes do.
pub(super) fn new_name(folder: &AuditFolder, now_ms: u64) -> io::Result<String> {
    make_folder(&folder.segments)?;
    // Each of these is seeded by the operating system's randomness
    let unique = RandomState::new().build_hasher().finish();
    Ok(format!("{now_ms:013}-{}-{unique:016x}.ndjson", std::process::id()))
}

/// Makes a segment's file. Its lock tells the others that its owner lives.
pub(super) fn create(path: &Path) -> io::Result<File> {
    let file = open(path, true)?;
    file.try_lock()?;
    Ok(file)
}

/// What a segment turned out to be.
#[derive(Debug)]
pub(super) struct Scan {
    /// The chain of its whole lines, as far as they are right.
    pub(super) head: ChainHead,
    /// How many bytes those take.
    pub(super) bytes: u64,
    /// Whether something follows the whole lines.
    pub(super) is_torn: bool,
    /// The kind of its last line.
    pub(super) last_kind: String,
    pub(super) header: Option<Header>,
    /// The lines that tell of gaps: number, time, detail.
    pub(super) gaps: Vec<(u64, u64, String)>,
    /// The first thing that is wrong: the line, and what.
    pub(super) problem: Option<(u64, String)>,
}

/// Reads a segment, and compares it with every head that it is known to have had.
pub(super) fn scan(mut file: &File, name: &str, anchored: &Anchored) -> io::Result<Scan> {
    file.rewind()?;
    let known: HashMap<u64, &str> =
        anchored.heads.iter().chain(&anchored.end).map(|head| (head.lines, head.hash.as_str())).collect();
    let mut scan = Scan {
        head: ChainHead::empty(),
        bytes: 0,
        is_torn: false,
        last_kind: String::new(),
        header: None,
        gaps: Vec::new(),
        problem: None,
    };
    let mut lines = LineReader::new(BufReader::with_capacity(64 << 10, file));
    loop {
        let number = scan.head.lines + 1;
        match lines.next()? {
            Line::End => break,
            Line::Torn => {
                scan.is_torn = true;
                break;
            }
            Line::TooLong => {
                scan.problem = Some((number, "is no record".to_owned()));
                break;
            }
            Line::Whole => {}
        }
        if let Err(problem) = scan.line(name, &lines.text) {
            scan.problem = Some((number, problem));
            break;
        }
        scan.bytes = lines.bytes;
        if known.get(&scan.head.lines).is_some_and(|hash| *hash != scan.head.hash) {
            scan.problem = Some((number, "is not the one that was anchored".to_owned()));
            break;
        }
    }
    if scan.problem.is_none() {
        scan.problem = scan.against(anchored);
    }
    Ok(scan)
}

impl Scan {
    fn line(&mut self, name: &str, text: &[u8]) -> Result<(), String> {
        let link = self.head.follow(text).map_err(|problem| match problem {
            "does not follow the line before it" => {
                format!("does not follow line {}: one of the two was changed", self.head.lines)
            }
            "is out of its order" => format!("is not the one after line {}", self.head.lines),
            other => other.to_owned(),
        })?;
        if self.head.lines == 1 && link.kind == HEADER {
            let header: Header =
                serde_json::from_str(link.detail.get()).map_err(|_| "does not say whose segment it is".to_owned())?;
            if header.file != name {
                return Err(format!("says that it is of {}", header.file));
            }
            self.header = Some(header);
        } else if self.head.lines == 1 && link.kind != GAP {
            return Err("is not the first of a segment".to_owned());
        }
        if link.kind == GAP {
            self.gaps.push((link.seq, link.time, link.detail.get().to_owned()));
        }
        self.last_kind.clear();
        self.last_kind.push_str(&link.kind);
        Ok(())
    }

    /// Whether its length is what was anchored.
    fn against(&self, anchored: &Anchored) -> Option<(u64, String)> {
        let lines = self.head.lines;
        if let Some(last) = anchored.last().filter(|last| last.lines > lines) {
            let missing = last.lines - lines;
            return Some((
                lines + 1,
                format!("is missing, and {} after it: {} were anchored", missing - 1, last.lines),
            ));
        }
        if let Some(end) = anchored.end.as_ref().filter(|end| end.lines < lines) {
            return Some((end.lines + 1, "was added after the end".to_owned()));
        }
        None
    }
}
