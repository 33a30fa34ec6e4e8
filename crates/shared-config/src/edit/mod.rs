//! Changes to a configuration that a person wrote: as little of the text as possible, and only if what comes out says
//! exactly what was meant.

mod add;
mod remove;

use std::ops::Range;

use crate::ConfigFile;
use crate::error::ConfigError;
use crate::yaml::{Children, Document, Entry, Node};

/// One of the two lists under `plugins`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PluginList {
    /// `plugins.enabled`
    Enabled,
    /// `plugins.disabled`
    Disabled,
}

impl PluginList {
    /// The key under `plugins`.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
        }
    }

    fn of(self, file: &mut ConfigFile) -> &mut Vec<String> {
        match self {
            Self::Enabled => &mut file.plugins.enabled,
            Self::Disabled => &mut file.plugins.disabled,
        }
    }
}

/// Adds an entry to a list, at its end, and makes the list where there is none. Comments, order, indentation, line ends and
/// the list's style stay as they are. An entry that is there already is not added again. `file_name` is only for messages.
///
/// # Errors
/// [`ConfigError::Invalid`] if the text is wrong as it stands or with that entry in it, [`ConfigError::Edit`] if it is
/// written in a way that cannot be changed safely (anchors, explicit keys and the like).
pub fn add_plugin(file_name: &str, text: &str, list: PluginList, entry: &str) -> Result<String, ConfigError> {
    let mut expected = ConfigFile::parse(file_name, text)?;
    if list.of(&mut expected).iter().any(|held| held == entry) {
        return Ok(text.to_owned());
    }
    list.of(&mut expected).push(entry.to_owned());
    // An entry that names no plugin would only be refused after the change, with a place that no one wrote
    let alone = format!("plugins: {{ {}: [{}] }}\n", list.key(), crate::yaml::scalar(entry));
    ConfigFile::parse(file_name, &alone)?;
    let changed = document(text).and_then(|document| add::add(&document, list.key(), entry));
    verified(file_name, changed, &expected, || format!("add `{entry}` to `plugins.{}` by hand", list.key()))
}

/// Removes an entry from a list, wherever it stands there, with the comment behind it on its line. A list without it stays
/// as it is. `file_name` is only for messages.
///
/// # Errors
/// As for [`add_plugin`].
pub fn remove_plugin(file_name: &str, text: &str, list: PluginList, entry: &str) -> Result<String, ConfigError> {
    let mut expected = ConfigFile::parse(file_name, text)?;
    let mut text = text.to_owned();
    while let Some(index) = list.of(&mut expected).iter().position(|held| held == entry) {
        list.of(&mut expected).remove(index);
        let changed = document(&text).and_then(|document| remove::remove(&document, list.key(), index));
        text = verified(file_name, changed, &expected, || {
            format!("remove `{entry}` from `plugins.{}` by hand", list.key())
        })?;
    }
    Ok(text)
}

fn document(text: &str) -> Option<Document<'_>> {
    Document::parse(text).ok()
}

fn verified(
    file_name: &str,
    changed: Option<String>,
    expected: &ConfigFile,
    help: impl Fn() -> String,
) -> Result<String, ConfigError> {
    let is_right = |text: &String| ConfigFile::parse(file_name, text).is_ok_and(|found| found == *expected);
    changed.filter(is_right).ok_or_else(|| ConfigError::Edit {
        file: file_name.to_owned(),
        problem: "it is written in a way that Mimir does not change by itself".to_owned(),
        help: help(),
    })
}

/// What is put in and taken out of a text. Places are those of the text as it was.
struct Change<'a> {
    text: &'a str,
    parts: Vec<(Range<usize>, String)>,
}

impl<'a> Change<'a> {
    const fn new(text: &'a str) -> Self {
        Self { text, parts: Vec::new() }
    }

    fn insert(mut self, at: usize, new: impl Into<String>) -> Self {
        self.parts.push((at..at, new.into()));
        self
    }

    fn delete(mut self, range: Range<usize>) -> Self {
        self.parts.push((range, String::new()));
        self
    }

    fn apply(mut self) -> Option<String> {
        self.parts.sort_by_key(|(range, _)| (range.start, range.end));
        let mut changed = String::with_capacity(self.text.len());
        let mut at = 0;
        for (range, new) in self.parts {
            changed.push_str(self.text.get(at..range.start)?);
            changed.push_str(&new);
            at = range.end;
        }
        changed.push_str(self.text.get(at..)?);
        Some(changed)
    }
}

/// The end of lines that the text uses.
fn line_break(text: &str) -> &'static str {
    match text.find('\n') {
        Some(at) if text[..at].ends_with('\r') => "\r\n",
        _ => "\n",
    }
}

/// The line around a place, without its end.
fn line_of(text: &str, at: usize) -> Range<usize> {
    let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let end = text[at..].find('\n').map_or(text.len(), |newline| at + newline);
    let end = if text[start..end].ends_with('\r') { end - 1 } else { end };
    start..end.max(at)
}

/// The spaces before what stands on a line. `None` if something else than what is at `at` stands there first.
fn indent_of(text: &str, at: usize) -> Option<&str> {
    let before = text.get(line_of(text, at).start..at)?.trim_start_matches('\u{feff}');
    before.bytes().all(|b| b == b' ').then_some(before)
}

/// Where the last thing inside a node ends. A block's own span reaches to whatever comes after it.
fn content_end(text: &str, node: &Node) -> usize {
    match &node.children {
        Children::List(items) if !node.is_flow => items.last().map_or(node.span.end, |last| content_end(text, last)),
        Children::Map(entries) if !node.is_flow => entries.last().map_or(node.span.end, |last| entry_end(text, last)),
        _ => node.span.end,
    }
}

fn entry_end(text: &str, entry: &Entry) -> usize {
    // A key without a value: its value has no place of its own
    if entry.value.span.is_empty() && matches!(entry.value.children, Children::None) {
        return colon_end(text, entry).unwrap_or(entry.key_span.end);
    }
    content_end(text, &entry.value)
}

/// Where the colon behind a key ends.
fn colon_end(text: &str, entry: &Entry) -> Option<usize> {
    let rest = &text[entry.key_span.end..];
    let gap = rest.len() - rest.trim_start_matches([' ', '\t']).len();
    rest[gap..].starts_with(':').then_some(entry.key_span.end + gap + 1)
}

/// Whether a key stands there without a value.
fn is_empty(document: &Document<'_>, node: &Node) -> bool {
    matches!(node.children, Children::None)
        && document.text.get(node.span.clone()).is_none_or(|text| text.trim().is_empty())
}
