use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::yaml::PathPart;

/// One thing that is wrong in a text, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong: lower case, no full stop.
    pub message: String,
    /// What to do about it, if that is known.
    pub help: Option<String>,
    /// The key at which it is, dotted: `capabilities.network`. Empty for the whole file.
    pub path: String,
    /// The part of the text, in bytes.
    pub span: Range<usize>,
    /// The line, from 1.
    pub line: usize,
    /// The column, in characters from 1.
    pub column: usize,
}

impl Problem {
    pub(crate) fn new(text: &str, span: Range<usize>, message: String) -> Self {
        let (line, column) = line_and_column(text, span.start);
        Self { message, help: None, path: String::new(), span, line, column }
    }

    pub(crate) fn at(mut self, path: &[PathPart]) -> Self {
        self.path = dotted(path);
        self
    }

    pub(crate) fn with_help(mut self, help: impl Into<Option<String>>) -> Self {
        self.help = help.into();
        self
    }
}

/// A text that is not as it should be, with all that is wrong in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidFile {
    /// The file's name as it was given.
    pub file: String,
    /// Its whole text, for showing the place.
    pub text: Arc<str>,
    /// What is wrong, in the order in which it stands there. Never empty.
    pub problems: Vec<Problem>,
}

impl InvalidFile {
    pub(crate) fn new(file: &str, text: &str, mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| problem.span.start);
        Self { file: file.to_owned(), text: text.into(), problems }
    }
}

/// One line a problem, as compilers write it, with help beneath it.
impl fmt::Display for InvalidFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Problem { message, help, line, column, .. }) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{}:{line}:{column}: {message}", self.file)?;
            if let Some(help) = help {
                write!(f, "\n  {help}")?;
            }
        }
        Ok(())
    }
}

/// The line and the column of a place, both from 1, the column in characters.
pub(crate) fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = &text[..text.floor_char_boundary(at.min(text.len()))];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
    (line, before[line_start..].trim_start_matches('\u{feff}').chars().count() + 1)
}

pub(crate) fn dotted(path: &[PathPart]) -> String {
    let mut text = String::new();
    for part in path {
        match part {
            PathPart::Key(key) if text.is_empty() => text.push_str(key),
            PathPart::Key(key) => text.extend([".", key]),
            PathPart::Index(index) => text.push_str(&format!("[{index}]")),
        }
    }
    text
}
