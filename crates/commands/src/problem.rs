use std::error::Error;
use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode};
use serde::Serialize;

use crate::text::{printable, printable_block, printable_in_place};

/// Something wrong in a file that a person wrote, with the place.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// Whether the plugin loads all the same.
    pub severity: Severity,
    /// What is wrong.
    message: String,
    /// The file.
    pub path: PathBuf,
    /// The line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// The column, from 1, in characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    #[serde(skip)]
    source: Option<NamedSource<String>>,
    #[serde(skip)]
    span: Option<Range<usize>>,
    #[serde(skip)]
    others: Vec<Problem>,
}

/// Whether a problem keeps a plugin from loading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It does not load.
    Error,
    /// It loads.
    Warning,
}

impl Problem {
    /// A problem of a whole file.
    pub fn new(severity: Severity, path: impl Into<PathBuf>, message: impl Into<String>) -> Self {
        Self {
            severity,
            message: message.into(),
            path: path.into(),
            line: None,
            column: None,
            hint: None,
            source: None,
            span: None,
            others: Vec::new(),
        }
    }

    /// Adds what else is wrong, to be shown with it.
    #[must_use]
    pub fn with_others(mut self, others: Vec<Self>) -> Self {
        self.others = others;
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn with_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint;
        self
    }

    /// Says where: line and column, both from 1.
    #[must_use]
    pub fn at(mut self, line: usize, column: usize) -> Self {
        self.line = Some(line);
        self.column = Some(column);
        self
    }

    /// Shows the place in the file's text: `span` is a range of bytes of `text`. Line and column follow from it.
    #[must_use]
    pub fn with_source(mut self, text: &str, span: Range<usize>) -> Self {
        let start = floor_boundary(text, span.start);
        let end = floor_boundary(text, span.end).max(start);
        let before = &text[..start];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        self.line = Some(before.matches('\n').count() + 1);
        self.column = Some(before[line_start..].chars().count() + 1);
        let name = printable(&self.path.to_string_lossy());
        self.source = Some(NamedSource::new(name, printable_in_place(text)));
        self.span = Some(start..end);
        self
    }

    /// Shows the place by line and column, both from 1, for one who knows no bytes.
    #[must_use]
    pub fn with_source_at(self, text: &str, line: usize, column: usize) -> Self {
        let mut offset = 0;
        for (index, content) in text.split_inclusive('\n').enumerate() {
            if index + 1 == line {
                let column_offset: usize = content.chars().take(column.saturating_sub(1)).map(char::len_utf8).sum();
                let rest = content[column_offset.min(content.len())..].trim_end();
                let start = offset + column_offset;
                return self.with_source(text, start..start + rest.len().max(1));
            }
            offset += content.len();
        }
        self.at(line, column)
    }

    /// What else is wrong, to be shown after it.
    pub fn others(&self) -> &[Self] {
        &self.others
    }

    /// What is wrong, in one line.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// The whole report, for a window of this many columns.
    pub fn report(&self, width: usize) -> String {
        let mut out = String::new();
        let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode()).with_width(width).with_links(false);
        if handler.render_report(&mut out, self).is_err() {
            out = self.to_string();
        }
        out
    }
}

fn floor_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

impl Clone for Problem {
    fn clone(&self) -> Self {
        let source = self.source.as_ref().map(|source| NamedSource::new(source.name(), source.inner().clone()));
        Self {
            severity: self.severity,
            message: self.message.clone(),
            path: self.path.clone(),
            line: self.line,
            column: self.column,
            hint: self.hint.clone(),
            source,
            span: self.span.clone(),
            others: self.others.clone(),
        }
    }
}

impl PartialEq for Problem {
    fn eq(&self, other: &Self) -> bool {
        (self.severity, &self.message, &self.path, self.line, self.column, &self.hint)
            == (other.severity, &other.message, &other.path, other.line, other.column, &other.hint)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.source.is_none() {
            write!(f, "{}", printable(&self.path.to_string_lossy()))?;
            if let Some(line) = self.line {
                write!(f, ":{line}")?;
            }
            f.write_str(": ")?;
        }
        f.write_str(&printable_block(&self.message))
    }
}

impl Error for Problem {}

impl Diagnostic for Problem {
    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.hint.as_deref().map(|hint| Box::new(printable(hint)) as _)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.as_ref().map(|source| source as _)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = self.span.clone()?;
        Some(Box::new(std::iter::once(LabeledSpan::underline(span))))
    }
}
