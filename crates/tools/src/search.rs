use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Finds files, and text in files. What git ignores is left out, and `.git` itself; links are not followed.
#[cfg_attr(test, mockall::automock)]
pub trait Search: Send + Sync {
    /// The files beneath a folder whose paths match, by path.
    ///
    /// # Errors
    /// What is wrong with the glob.
    fn files(&self, scope: &Scope) -> Result<FoundFiles, String>;

    /// The lines that match, by path and number.
    ///
    /// # Errors
    /// What is wrong with the pattern or the glob.
    fn lines(&self, scope: &Scope, wanted: &Wanted) -> Result<FoundLines, String>;

    /// A cheap picture of all files beneath a folder, to see what changed; nothing if there are more than `limit`.
    fn picture(&self, root: &Path, limit: usize, stop: &Stop) -> Option<Picture>;
}

/// Where to look.
#[derive(Clone)]
pub struct Scope {
    /// A folder, or a file: an absolute path without links.
    pub root: PathBuf,
    /// Which files: as in `.gitignore`, relative to the folder, so that one without `/` matches at any depth.
    pub glob: Option<String>,
    /// How many files, or lines, are given at most.
    pub limit: usize,
    /// Files whose contents are not looked at.
    pub is_private: Arc<dyn Fn(&Path) -> bool + Send + Sync>,
    /// Ends it.
    pub stop: Stop,
}

/// Which lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// A regular expression.
    pub pattern: String,
    /// Whether `a` is `A`.
    pub ignores_case: bool,
    /// How many lines around each are given as well.
    pub context: usize,
    /// Whether the first match in each file is enough.
    pub first_only: bool,
}

/// Files that were found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FoundFiles {
    /// Their absolute paths.
    pub files: Vec<PathBuf>,
    /// How many more there are.
    pub more: usize,
    /// Whether there were too many files to look at all.
    pub is_cut: bool,
}

/// Lines that were found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FoundLines {
    /// By file.
    pub files: Vec<MatchedFile>,
    /// Whether there may be more.
    pub is_cut: bool,
    /// How many files were not searched because they hold credentials.
    pub private: usize,
}

/// Lines of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MatchedFile {
    /// Its absolute path.
    pub path: PathBuf,
    /// How many of its lines match.
    pub count: usize,
    /// The lines, with those around them.
    pub lines: Vec<MatchedLine>,
}

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatchedLine {
    /// Its number, from 1.
    pub number: u64,
    /// Its text, cut if it is long.
    pub text: String,
    /// Whether it matches; else it stands near one that does.
    pub is_match: bool,
}

/// When each file was changed (nanoseconds since 1970) and its size in bytes, by absolute path.
pub type Picture = BTreeMap<PathBuf, (u128, u64)>;

/// Tells work on another thread that nobody waits for it any more.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Whether to give up.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Stops the work when it is dropped: when the call is over, one way or the other.
pub(crate) struct StopOnDrop(pub(crate) Stop);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Relaxed);
    }
}
