//! The thread that writes: segments, their chain, and the anchors of their heads.

use std::fs::File;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::json;

use super::AuditFolder;
use super::heads::Heads;
use super::queue::{Queue, Recorded, Timed};
use super::repair::{repair, retire};
use super::segment::{Follows, GAP, HEADER, Header, create, new_name};
use crate::audit::{AnchorKind, ChainHead, Note};
use crate::{AuditRecord, Clock};

/// The head is anchored after so many lines,
const ANCHOR_LINES: u64 = 1_000;
/// or this long after the last time.
const ANCHOR_EVERY: Duration = Duration::from_secs(5);
/// Lines are handed over to the operating system in pieces of about so many bytes.
const PIECE: usize = 256 << 10;

/// What whoever waits for the thread learns.
#[derive(Default)]
pub(super) struct Status {
    pub(super) segment: Option<PathBuf>,
    /// The first failure: what follows is usually its consequence.
    pub(super) failure: Option<String>,
}

impl Status {
    pub(super) fn fail(&mut self, error: &io::Error) {
        self.failure.get_or_insert_with(|| error.to_string());
    }
}

pub(super) struct Writer {
    folder: AuditFolder,
    clock: Arc<dyn Clock>,
    status: Arc<Mutex<Status>>,
    segment: Option<Segment>,
    /// The segment before this one.
    follows: Option<Follows>,
    /// What could not be written: how many records, and why.
    lost: u64,
    lost_by: String,
    piece: Vec<u8>,
}

struct Segment {
    name: String,
    file: File,
    head: ChainHead,
    bytes: u64,
    anchored: u64,
    anchored_at: Duration,
    /// A part of a line is at its end and can't be taken back.
    is_torn: bool,
}

/// Writes until the queue is closed.
pub(super) fn run(mut writer: Writer, queue: &Queue) {
    let mut batch = Vec::new();
    loop {
        let work = queue.take(&mut batch, writer.rest());
        writer.write(&mut batch);
        let is_asked = !work.waiting.is_empty();
        if work.is_closed || work.waiting.iter().any(|(_, is_end)| *is_end) {
            writer.end();
        } else {
            writer.anchor(is_asked);
        }
        for (done, _) in work.waiting {
            let _ = done.send(());
        }
        if work.is_closed {
            break;
        }
    }
}

impl Writer {
    pub(super) fn new(folder: AuditFolder, clock: Arc<dyn Clock>, status: Arc<Mutex<Status>>) -> Self {
        Self { folder, clock, status, segment: None, follows: None, lost: 0, lost_by: String::new(), piece: Vec::new() }
    }

    fn status(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long it may wait for the next record before it has something else to do.
    fn rest(&self) -> Option<Duration> {
        let segment = self.segment.as_ref().filter(|segment| segment.anchored < segment.head.lines)?;
        let since = self.clock.monotonic().saturating_sub(segment.anchored_at);
        Some(ANCHOR_EVERY.saturating_sub(since))
    }

    fn write(&mut self, batch: &mut Vec<Timed>) {
        let mut records = batch.drain(..).peekable();
        while records.peek().is_some() {
            let mut count = 0;
            // What is written about the log itself is not later than what follows it
            let time = records.peek().map_or(0, |(time, _)| *time);
            let done = self.open(time).and_then(|()| {
                let Some(segment) = &mut self.segment else { return Ok(()) };
                self.piece.clear();
                let mut head = segment.head.clone();
                if self.lost > 0 {
                    let detail = json!({ "reason": "these records could not be written", "lost": self.lost, "error": self.lost_by });
                    head.append(time, &AuditRecord::of_mimir(GAP, detail), &mut self.piece)?;
                }
                while self.piece.len() < PIECE
                    && let Some((time, recorded)) = records.next()
                {
                    count += 1;
                    head.append(time, &made(recorded), &mut self.piece)?;
                }
                segment.append(&self.piece, head)
            });
            match done {
                Ok(()) => self.lost = 0,
                Err(error) => {
                    // What is left of this batch would not fare better
                    self.lost += count + records.by_ref().count() as u64;
                    self.lost_by = error.to_string();
                    self.status().fail(&error);
                }
            }
            // Whoever repairs it later will find its end
            self.segment.take_if(|segment| segment.is_torn);
            if self.segment.as_ref().is_some_and(|segment| segment.bytes >= self.folder.segment_bytes) {
                self.end();
            }
        }
    }

    /// Begins a segment if there is none.
    fn open(&mut self, time: u64) -> io::Result<()> {
        if self.segment.is_some() {
            return Ok(());
        }
        let name = new_name(&self.folder, time)?;
        let path = self.folder.segments.join(&name);
        let (opened, file) = {
            // Whoever repairs takes what is announced and not there for abandoned, so the lock is held until it is there
            let (heads, opened) = match self.announce(&name) {
                Ok((heads, opened)) => (Some(heads), Some(opened)),
                Err(error) => {
                    self.status().fail(&error);
                    (None, None)
                }
            };
            let file = create(&path)?;
            drop(heads);
            (opened, file)
        };
        let header = Header {
            file: name.clone(),
            process: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            opened,
            follows: self.follows.clone(),
        };
        let anchored_at = self.clock.monotonic();
        let mut segment =
            Segment { name, file, head: ChainHead::empty(), bytes: 0, anchored: 0, anchored_at, is_torn: false };
        let (mut head, mut line) = (ChainHead::empty(), Vec::new());
        let record = AuditRecord::of_mimir(HEADER, serde_json::to_value(&header)?);
        head.append(time, &record, &mut line)?;
        segment.append(&line, head)?;
        self.status().segment = Some(path);
        self.segment = Some(segment);
        Ok(())
    }

    /// Says in the anchors that there will be a segment of this name, and looks after those that others left.
    fn announce(&self, name: &str) -> io::Result<(Heads<'_>, ChainHead)> {
        let mut heads = Heads::lock(&self.folder, self.clock.as_ref())?;
        if self.follows.is_none() {
            repair(&self.folder, &mut heads, self.clock.as_ref())?;
        }
        retire(&self.folder, &mut heads, self.clock.as_ref())?;
        let opened = heads.append(Note::new(AnchorKind::Open, name, &ChainHead::empty()))?;
        Ok((heads, opened))
    }

    /// Anchors the head where it is time to.
    fn anchor(&mut self, is_asked: bool) {
        let Some(segment) = &self.segment else { return };
        let new_lines = segment.head.lines - segment.anchored;
        let since = self.clock.monotonic().saturating_sub(segment.anchored_at);
        if new_lines > 0 && (is_asked || new_lines >= ANCHOR_LINES || since >= ANCHOR_EVERY) {
            self.note(AnchorKind::Head);
        }
    }

    /// Ends the segment; the next record begins another.
    fn end(&mut self) {
        if self.segment.is_some() {
            self.note(AnchorKind::End);
        }
        if let Some(segment) = self.segment.take() {
            self.follows = Some(Follows { file: segment.name, end: segment.head });
        }
    }

    fn note(&mut self, what: AnchorKind) {
        let now = self.clock.monotonic();
        let Some(segment) = &mut self.segment else { return };
        let noted = Heads::lock(&self.folder, self.clock.as_ref())
            .and_then(|mut heads| heads.append(Note::new(what, &segment.name, &segment.head)));
        segment.anchored_at = now;
        match noted {
            Ok(_) => segment.anchored = segment.head.lines,
            Err(error) => self.status().fail(&error),
        }
    }
}

/// The record. One that can't be put together is a gap: the thread that writes all the others must not end with it.
fn made(recorded: Recorded) -> AuditRecord {
    match recorded {
        Recorded::Now(record) => record,
        Recorded::Later(make) => catch_unwind(AssertUnwindSafe(make)).unwrap_or_else(|_| {
            AuditRecord::of_mimir(GAP, json!({ "reason": "this record could not be put together", "lost": 1 }))
        }),
    }
}

impl Segment {
    /// Hands over whole lines, or none of them: a part that was taken is taken back, also on a full disk.
    fn append(&mut self, lines: &[u8], head: ChainHead) -> io::Result<()> {
        if let Err(error) = self.file.write_all(lines) {
            self.is_torn = self.file.set_len(self.bytes).is_err();
            return Err(error);
        }
        self.bytes += lines.len() as u64;
        self.head = head;
        Ok(())
    }
}
