//! Reading all segments in the order of time, without holding more than a line of each that is read.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::fs::{self, File};
use std::io::{self, BufReader, Seek, SeekFrom};
use std::path::PathBuf;

use super::{AuditFolder, names};
use crate::PlatformError;
use crate::adapters::os_file_system::to_ms;
use crate::audit::{Line, LineReader, Link};

/// A line of the log as it stands there. Whoever wrote it may have been a plugin: nothing about it is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// The segment's name.
    pub file: String,
    /// The number of the line.
    pub line: u64,
    /// When it was recorded, in milliseconds since 1970; of a line that can't be read, that of the line before it.
    pub time: u64,
    /// The plugin that it is about.
    pub plugin: Option<String>,
    /// What kind of thing; nothing if the line can't be read.
    pub kind: Option<String>,
    /// The detail, as JSON; nothing if the line can't be read.
    pub detail: String,
    /// The whole line; nothing if it is no record.
    pub text: String,
}

/// Reads the lines of all segments in the order of time. Lines of one segment keep their order, whatever their clock says.
///
/// What is appended later is found by reading on.
pub struct AuditReader {
    folder: PathBuf,
    since: u64,
    segments: BTreeMap<String, Cursor>,
    /// What has something to read, the earliest first.
    next: BinaryHeap<Reverse<(u64, String)>>,
}

#[derive(Default)]
struct Cursor {
    /// Read so far, in bytes.
    offset: u64,
    line: u64,
    time: u64,
    /// How long it was at the last look.
    seen: u64,
    lines: Option<LineReader<BufReader<File>>>,
    entry: Option<AuditEntry>,
}

impl AuditReader {
    /// A reader of what was recorded since then, in milliseconds since 1970.
    pub fn new(folder: &AuditFolder, since: u64) -> Self {
        Self { folder: folder.segments.clone(), since, segments: BTreeMap::new(), next: BinaryHeap::new() }
    }

    /// Whether the last [`AuditReader::read`] came to the end of what there was.
    pub fn is_at_end(&self) -> bool {
        self.next.is_empty()
    }

    /// The next lines, at most so many. Looks for new ones when it was at the end.
    ///
    /// # Errors
    /// If a folder or file can't be read.
    pub fn read(&mut self, at_most: usize) -> Result<Vec<AuditEntry>, PlatformError> {
        let mut entries = Vec::new();
        if self.next.is_empty() {
            let folder = self.folder.clone();
            self.look().map_err(|error| PlatformError::file("read", &folder, error))?;
        }
        while entries.len() < at_most
            && let Some(Reverse((_, name))) = self.next.pop()
        {
            let path = self.folder.join(&name);
            let Some(cursor) = self.segments.get_mut(&name) else { continue };
            if let Some(entry) = cursor.entry.take()
                && entry.time >= self.since
            {
                entries.push(entry);
            }
            match cursor.advance(&path, &name) {
                Ok(true) => self.next.push(Reverse((cursor.time, name))),
                Ok(false) => {}
                // Old segments are removed now and then
                Err(error) if error.kind() == io::ErrorKind::NotFound => drop(self.segments.remove(&name)),
                Err(error) => return Err(PlatformError::file("read", &path, error)),
            }
        }
        Ok(entries)
    }

    /// Finds segments that are longer than they were.
    fn look(&mut self) -> io::Result<()> {
        let names = names(&self.folder)?;
        self.segments.retain(|name, _| names.binary_search(name).is_ok());
        for name in names {
            let Ok(metadata) = fs::metadata(self.folder.join(&name)) else { continue };
            let length = metadata.len();
            let is_new = !self.segments.contains_key(&name);
            let cursor = self.segments.entry(name.clone()).or_default();
            if is_new {
                // A segment's name begins with the time at which it began
                cursor.time = name.split('-').next().and_then(|time| time.parse().ok()).unwrap_or(0);
                if metadata.modified().is_ok_and(|time| to_ms(time) < self.since) {
                    (cursor.offset, cursor.seen) = (length, length);
                }
            }
            if length > cursor.offset && length != cursor.seen {
                self.next.push(Reverse((cursor.time, name)));
            }
            cursor.seen = length;
        }
        Ok(())
    }
}

impl Cursor {
    /// Reads the next line; `false` at the end.
    fn advance(&mut self, path: &std::path::Path, name: &str) -> io::Result<bool> {
        if self.lines.is_none() {
            let mut file = File::open(path)?;
            file.seek(SeekFrom::Start(self.offset))?;
            let mut lines = LineReader::new(BufReader::with_capacity(64 << 10, file));
            lines.bytes = self.offset;
            self.lines = Some(lines);
        }
        let Some(lines) = &mut self.lines else { return Ok(false) };
        let found = lines.next()?;
        if matches!(found, Line::Torn | Line::End) {
            // Whoever writes it may not be done; it is read when it is whole
            self.lines = None;
            return Ok(false);
        }
        self.offset = lines.bytes;
        self.line += 1;
        let text = std::str::from_utf8(&lines.text).ok().filter(|_| found == Line::Whole);
        let link = text.and_then(|text| serde_json::from_str::<Link<'_>>(text).ok());
        let mut entry = AuditEntry {
            file: name.to_owned(),
            line: self.line,
            time: self.time,
            plugin: None,
            kind: None,
            detail: String::new(),
            text: String::new(),
        };
        if let (Some(link), Some(text)) = (link, text) {
            (self.line, entry.line) = (link.seq, link.seq);
            self.time = self.time.max(link.time);
            entry.time = link.time;
            entry.plugin = link.plugin.map(std::borrow::Cow::into_owned);
            entry.kind = Some(link.kind.into_owned());
            entry.detail = link.detail.get().to_owned();
            entry.text = text.to_owned();
        }
        self.entry = Some(entry);
        Ok(true)
    }
}
