use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{ChainHead, Torn};

/// What is kept about a segment, apart from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum AnchorKind {
    /// A segment is about to be made.
    Open,
    /// A segment has so many lines on disk.
    Head,
    /// The owner of a segment is gone; what follows its whole lines is about to be cut off.
    Repair,
    /// A segment ends here, for good.
    End,
    /// A segment whose owner is gone is not what was anchored, and is left as it is.
    Broken,
    /// A segment is about to be removed, since it is old or there are too many.
    Removed,
    /// A file of anchors itself ended in what was no whole line, and that was cut off.
    Torn,
    /// A file of anchors is about to be removed, since all its segments are.
    Trimmed,
}

/// A line of the anchors: what is said, and its place in their own chain, which goes on from file to file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Anchor {
    pub(crate) seq: u64,
    pub(crate) time: u64,
    pub(crate) what: AnchorKind,
    /// The file's name that this is about.
    pub(crate) file: String,
    pub(crate) lines: u64,
    pub(crate) hash: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) torn: Option<Torn>,
    pub(crate) prev: String,
}

/// What an [`Anchor`] says, before it has its place.
#[derive(Debug, Clone)]
pub(crate) struct Note<'a> {
    pub(crate) what: AnchorKind,
    pub(crate) file: &'a str,
    pub(crate) head: &'a ChainHead,
    pub(crate) torn: Option<Torn>,
}

impl<'a> Note<'a> {
    pub(crate) fn new(what: AnchorKind, file: &'a str, head: &'a ChainHead) -> Self {
        Self { what, file, head, torn: None }
    }

    /// The line that says it after `head`, which moves on.
    pub(crate) fn write(self, time: u64, head: &mut ChainHead) -> serde_json::Result<String> {
        let anchor = Anchor {
            seq: head.lines + 1,
            time,
            what: self.what,
            file: self.file.to_owned(),
            lines: self.head.lines,
            hash: self.head.hash.clone(),
            torn: self.torn,
            prev: head.hash.clone(),
        };
        let line = serde_json::to_string(&anchor)?;
        head.advance(line.as_bytes());
        Ok(line + "\n")
    }
}

/// Everything that is kept about one segment.
#[derive(Debug, Default, Clone)]
pub(crate) struct Anchored {
    /// Where in the anchors it was announced.
    pub(crate) opened: Option<ChainHead>,
    /// Heads that it had on the way.
    pub(crate) heads: Vec<ChainHead>,
    pub(crate) end: Option<ChainHead>,
    pub(crate) is_broken: bool,
    pub(crate) is_removed: bool,
    /// What was cut off when it was repaired.
    pub(crate) torn: Option<Torn>,
}

impl Anchored {
    /// Whether its owner may still be writing, or went without a word.
    pub(crate) fn is_open(&self) -> bool {
        self.end.is_none() && !self.is_broken && !self.is_removed
    }

    /// The most lines that it is known to have had.
    pub(crate) fn last(&self) -> Option<&ChainHead> {
        self.end.as_ref().or_else(|| self.heads.iter().max_by_key(|head| head.lines))
    }
}

/// What the files of anchors say, and whether they are what was written.
#[derive(Debug)]
pub(crate) struct Anchors {
    pub(crate) segments: BTreeMap<String, Anchored>,
    pub(crate) head: ChainHead,
    /// What is wrong: file, line in it, and what.
    pub(crate) problems: Vec<(String, u64, String)>,
    /// Where the first file goes on from, if the ones before it are gone.
    base: Option<(String, ChainHead)>,
    trimmed: Vec<ChainHead>,
}

impl Anchors {
    pub(crate) fn new() -> Self {
        let (segments, problems, trimmed) = (BTreeMap::new(), Vec::new(), Vec::new());
        Self { segments, head: ChainHead::empty(), problems, base: None, trimmed }
    }

    /// Takes the next line, the `number`-th of `file`; nothing if it can't be read.
    pub(crate) fn line(&mut self, file: &str, number: u64, text: Option<&[u8]>) {
        let Some(text) = text else { return self.problem(file, number, "is no anchor") };
        let anchor: Anchor = match serde_json::from_slice(text) {
            Ok(anchor) => anchor,
            Err(_) => return self.problem(file, number, "is no anchor"),
        };
        let is_first = self.head == ChainHead::empty() && self.base.is_none() && self.problems.is_empty();
        if is_first && anchor.seq > 1 {
            self.head = ChainHead { lines: anchor.seq - 1, hash: anchor.prev.clone() };
            self.base = Some((file.to_owned(), self.head.clone()));
        }
        if anchor.seq != self.head.lines + 1 {
            self.problem(file, number, "is out of its order");
        } else if anchor.prev != self.head.hash {
            self.problem(file, number, "does not follow the line before it");
        }
        // What comes after a wrong line is still what was kept: it is compared, beside the chain being broken
        self.head = ChainHead { lines: anchor.seq.saturating_sub(1), hash: String::new() };
        self.head.advance(text);
        self.take(anchor);
    }

    fn take(&mut self, anchor: Anchor) {
        let head = ChainHead { lines: anchor.lines, hash: anchor.hash };
        match anchor.what {
            AnchorKind::Trimmed => return self.trimmed.push(head),
            AnchorKind::Torn => return,
            _ => {}
        }
        let place = self.head.clone();
        let segment = self.segments.entry(anchor.file).or_default();
        match anchor.what {
            // Said again in a new file of anchors, it is still the first place that counts
            AnchorKind::Open => drop(segment.opened.get_or_insert(place)),
            AnchorKind::Head => segment.heads.push(head),
            AnchorKind::Repair => {
                segment.torn = anchor.torn.or_else(|| segment.torn.take());
                segment.heads.push(head);
            }
            AnchorKind::End => segment.end = Some(head),
            AnchorKind::Broken => segment.is_broken = true,
            AnchorKind::Removed => segment.is_removed = true,
            AnchorKind::Torn | AnchorKind::Trimmed => {}
        }
    }

    fn problem(&mut self, file: &str, line: u64, problem: &str) {
        self.problems.push((file.to_owned(), line, problem.to_owned()));
    }

    /// After the last line: whether what is missing at the beginning was removed by us.
    pub(crate) fn finish(&mut self) {
        if let Some((file, base)) = self.base.clone()
            && !self.trimmed.contains(&base)
        {
            self.problems.insert(0, (file, 1, "goes on from lines that are missing".to_owned()));
        }
    }
}
