//! The anchors: how far each segment had come, in files that every process appends to.

use std::fs::{self, File, TryLockError};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use super::{AuditFolder, make_folder, names, open};
use crate::Clock;
use crate::audit::{Anchor, AnchorKind, Anchors, ChainHead, Line, LineReader, Note, Torn, hash_hex};

/// Whoever holds the lock does so for a moment. A process that was stopped in it must not stop the others.
const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(2);
/// The last line of a file lies in so many bytes at its end.
const TAIL: u64 = 16 << 10;

/// The anchors, while no other process writes them.
pub(super) struct Heads<'a> {
    folder: &'a AuditFolder,
    clock: &'a dyn Clock,
    head: ChainHead,
    /// The file that is appended to.
    name: Option<String>,
    _lock: File,
}

impl<'a> Heads<'a> {
    /// Waits for the lock, and mends what a killed process left at the end.
    pub(super) fn lock(folder: &'a AuditFolder, clock: &'a dyn Clock) -> io::Result<Self> {
        make_folder(&folder.heads)?;
        let lock = open(&folder.heads.join("lock"), false)?;
        let start = Instant::now();
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if start.elapsed() < PATIENCE => thread::sleep(PAUSE),
                Err(TryLockError::WouldBlock) => {
                    let message = format!("{} is locked by another process", folder.heads.display());
                    return Err(io::Error::new(io::ErrorKind::WouldBlock, message));
                }
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
        let mut heads = Self { folder, clock, head: ChainHead::empty(), name: None, _lock: lock };
        heads.find_end()?;
        Ok(heads)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.heads.join(name)
    }

    /// Finds the last line, in the last file that has one.
    fn find_end(&mut self) -> io::Result<()> {
        let names = names(&self.folder.heads)?;
        self.name = names.last().cloned();
        let mut torn = None;
        for name in names.iter().rev() {
            let file = open(&self.path(name), false)?;
            let length = file.metadata()?.len();
            let start = length.saturating_sub(TAIL);
            let mut tail = Vec::new();
            (&file).seek(SeekFrom::Start(start))?;
            (&file).take(TAIL).read_to_end(&mut tail)?;
            let whole = tail.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            if whole < tail.len() {
                let rest = &tail[whole..];
                torn = Some((name.clone(), Torn { bytes: rest.len() as u64, sha256: hash_hex(rest) }));
                file.set_len(start + whole as u64)?;
            }
            if whole > 0 {
                let lines = &tail[..whole - 1];
                let last = lines.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
                self.head = self.head_of(&lines[last..])?;
                break;
            }
        }
        if let Some((name, torn)) = torn {
            let head = self.head.clone();
            self.put(Note { torn: Some(torn), ..Note::new(AnchorKind::Torn, &name, &head) })?;
        }
        Ok(())
    }

    /// The head after this line. After one that is none of ours the count goes on all the same; the chain is broken there.
    fn head_of(&self, line: &[u8]) -> io::Result<ChainHead> {
        let lines = match serde_json::from_slice::<Anchor>(line) {
            Ok(anchor) => anchor.seq,
            Err(_) => self.read()?.head.lines + 1,
        };
        Ok(ChainHead { lines, hash: hash_hex(line) })
    }

    /// Appends an anchor; gives its place among the others.
    pub(super) fn append(&mut self, note: Note<'_>) -> io::Result<ChainHead> {
        let is_long = match &self.name {
            Some(name) => fs::metadata(self.path(name))?.len() >= self.folder.heads_bytes,
            None => true,
        };
        if is_long {
            self.begin_file()?;
        }
        self.put(note)
    }

    /// Appends to the last file, however long it is.
    fn put(&mut self, note: Note<'_>) -> io::Result<ChainHead> {
        let Some(name) = &self.name else { return Err(io::ErrorKind::NotFound.into()) };
        let mut file = open(&self.path(name), false)?;
        let before = file.metadata()?.len();
        let mut head = self.head.clone();
        let line = note.write(self.clock.now_ms(), &mut head)?;
        if let Err(error) = file.write_all(line.as_bytes()) {
            // A part of it may be there, and would take the next line with it
            let _ = file.set_len(before);
            return Err(error);
        }
        self.head = head.clone();
        Ok(head)
    }

    /// Goes on in a new file. What is still open is said anew in it, so that the last file alone tells which segments are.
    fn begin_file(&mut self) -> io::Result<()> {
        let open_ones = self.open_segments()?;
        let name = format!("heads-{:012}.ndjson", self.head.lines + 1);
        drop(open(&self.path(&name), true)?);
        let is_first = self.name.replace(name).is_none();
        for (segment, anchored) in &open_ones {
            let head = anchored.last().cloned().unwrap_or_else(ChainHead::empty);
            let kind = if head.lines == 0 { AnchorKind::Open } else { AnchorKind::Head };
            self.put(Note::new(kind, segment, &head))?;
        }
        if !is_first {
            self.trim()?;
        }
        Ok(())
    }

    /// Removes the oldest files of anchors while all segments that they speak of are gone.
    fn trim(&mut self) -> io::Result<()> {
        let names = names(&self.folder.heads)?;
        for name in names.iter().take(names.len().saturating_sub(1)) {
            let mut of_file = Anchors::new();
            self.read_file(name, &mut of_file)?;
            let is_there = |segment: &String| self.folder.segments.join(segment).exists();
            if of_file.segments.is_empty() || of_file.segments.keys().any(is_there) {
                break;
            }
            let last = of_file.head;
            self.put(Note::new(AnchorKind::Trimmed, name, &last))?;
            fs::remove_file(self.path(name))?;
        }
        Ok(())
    }

    /// The segments whose end nobody noted: name and what is known.
    pub(super) fn open_segments(&self) -> io::Result<Vec<(String, crate::audit::Anchored)>> {
        let mut anchors = Anchors::new();
        let names = names(&self.folder.heads)?;
        // Also the one before: whoever began the last one may have been killed before all was said anew in it
        for name in names.iter().skip(names.len().saturating_sub(2)) {
            self.read_file(name, &mut anchors)?;
        }
        Ok(anchors.segments.into_iter().filter(|(_, anchored)| anchored.is_open()).collect())
    }

    /// Everything that was anchored and is still kept.
    pub(super) fn read(&self) -> io::Result<Anchors> {
        let mut anchors = Anchors::new();
        for name in names(&self.folder.heads)? {
            self.read_file(&name, &mut anchors)?;
        }
        anchors.finish();
        Ok(anchors)
    }

    fn read_file(&self, name: &str, anchors: &mut Anchors) -> io::Result<()> {
        let mut lines = LineReader::new(BufReader::new(File::open(self.path(name))?));
        for number in 1.. {
            match lines.next()? {
                Line::Whole => anchors.line(name, number, Some(&lines.text)),
                Line::TooLong => anchors.line(name, number, None),
                // What is torn was mended when the lock was taken
                Line::Torn | Line::End => break,
            }
        }
        Ok(())
    }
}
