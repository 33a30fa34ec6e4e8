//! Whether the log is what was written.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::heads::Heads;
use super::repair::repair;
use super::segment::{Header, scan};
use super::{AuditFolder, names};
use crate::audit::{Anchored, Anchors};
use crate::{Clock, PlatformError};

/// What a check of the whole log found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditVerdict {
    /// How many segments there are.
    pub segments: u64,
    /// How many of them are still written.
    pub open: u64,
    /// How many were removed since they were old, or there were too many.
    pub removed: u64,
    /// How many lines there are.
    pub lines: u64,
    /// How many anchors there are.
    pub anchors: u64,
    /// What is not as it was written. The log is intact if there is nothing.
    pub problems: Vec<AuditProblem>,
    /// Where records are missing, or may be, and nobody is to blame.
    pub gaps: Vec<AuditGap>,
}

/// Something that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditProblem {
    /// The segment or file of anchors.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: Option<u64>,
    /// What is wrong, continuing "it …" or "the line …".
    pub problem: String,
}

/// A place where records are missing, or may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditGap {
    /// The segment.
    pub file: PathBuf,
    /// The line that says so, from 1.
    pub line: u64,
    /// When that was noticed, in milliseconds since 1970.
    pub time: u64,
    /// What it says, as JSON.
    pub detail: String,
}

/// Checks every line of the log, and compares it with the anchors. First it ends the segments whose owners are gone, as
/// the next start would.
///
/// Nothing is found of a rewrite of segments *and* anchors, nor of lines that were cut off behind the last anchor of a
/// process that did not end by itself.
///
/// # Errors
/// [`PlatformError::Audit`] if the log can't be read, or is locked.
pub fn verify_audit(folder: &AuditFolder, clock: &dyn Clock) -> Result<AuditVerdict, PlatformError> {
    let failed = |error: io::Error| PlatformError::AuditUnreadable { path: folder.segments.clone(), source: error };
    let mut verdict = AuditVerdict::default();
    if !folder.heads.exists() {
        for name in names(&folder.segments).map_err(failed)? {
            verdict.segments += 1;
            verdict.add(folder.segments.join(name), None, "was never anchored: the folder of the anchors is gone");
        }
        return Ok(verdict);
    }
    let mut heads = Heads::lock(folder, clock).map_err(failed)?;
    repair(folder, &mut heads, clock).map_err(failed)?;
    let anchors = heads.read().map_err(failed)?;
    // Before the lock is given back: what is made later is not announced in these anchors
    let there = names(&folder.segments).map_err(failed)?;
    drop(heads);

    verdict.anchors = anchors.head.lines;
    for (file, line, problem) in &anchors.problems {
        verdict.add(folder.heads.join(file), Some(*line), problem);
    }
    let mut gone = Vec::new();
    for name in &there {
        let path = folder.segments.join(name);
        let Some(anchored) = anchors.segments.get(name) else {
            verdict.segments += 1;
            verdict.add(path, None, "was never anchored: it is not from Mimir, or the anchors were cut off");
            continue;
        };
        match File::open(&path) {
            Ok(file) => verdict.segment(&path, name, &file, anchored, &anchors).map_err(failed)?,
            // Removed meanwhile, by us or somebody else
            Err(error) if error.kind() == io::ErrorKind::NotFound => gone.push(name.clone()),
            Err(error) => verdict.add(path, None, &format!("can't be read: {error}")),
        }
    }
    let is_missing = |(name, anchored): &(&String, &Anchored)| {
        !anchored.is_removed && anchored.last().is_some_and(|head| head.lines > 0) && there.binary_search(name).is_err()
    };
    gone.extend(anchors.segments.iter().filter(is_missing).map(|(name, _)| name.clone()));
    let now = match gone.is_empty() {
        true => anchors,
        false => Heads::lock(folder, clock).and_then(|heads| heads.read()).map_err(failed)?,
    };
    for name in gone {
        if let Some(anchored) = now.segments.get(&name).filter(|anchored| !anchored.is_removed) {
            let lines = anchored.last().map_or(0, |head| head.lines);
            verdict.add(folder.segments.join(name), None, &format!("is missing: it had {lines} lines"));
        }
    }
    verdict.removed = now.segments.values().filter(|anchored| anchored.is_removed).count() as u64;
    Ok(verdict)
}

impl AuditVerdict {
    /// Whether everything is as it was written.
    pub fn is_intact(&self) -> bool {
        self.problems.is_empty()
    }

    fn add(&mut self, file: PathBuf, line: Option<u64>, problem: &str) {
        self.problems.push(AuditProblem { file, line, problem: problem.to_owned() });
    }

    fn segment(
        &mut self,
        path: &Path,
        name: &str,
        file: &File,
        anchored: &Anchored,
        anchors: &Anchors,
    ) -> io::Result<()> {
        let found = scan(file, name, anchored)?;
        self.segments += 1;
        self.open += u64::from(anchored.is_open());
        self.lines += found.head.lines;
        for (line, time, detail) in found.gaps {
            self.gaps.push(AuditGap { file: path.to_owned(), line, time, detail });
        }
        if let Some((line, problem)) = found.problem {
            self.add(path.to_owned(), Some(line), &problem);
        } else if found.is_torn && !anchored.is_open() {
            self.add(path.to_owned(), Some(found.head.lines + 1), "is cut off, or was added after the end");
        } else if anchored.is_broken {
            self.add(path.to_owned(), None, "was found broken when its owner was gone, and is different now");
        }
        if let Some(header) = found.header
            && let Some(problem) = contradiction(&header, anchored, anchors)
        {
            self.add(path.to_owned(), Some(1), problem);
        }
        Ok(())
    }
}

/// What a segment says about itself, against what the anchors say about it.
fn contradiction(header: &Header, anchored: &Anchored, anchors: &Anchors) -> Option<&'static str> {
    if header.opened.is_some() && header.opened != anchored.opened {
        return Some("names another place of the anchors than the one where it was announced");
    }
    let follows = header.follows.as_ref()?;
    let end = anchors.segments.get(&follows.file)?.end.as_ref()?;
    (*end != follows.end).then_some("does not go on from the end of the segment that it names")
}
