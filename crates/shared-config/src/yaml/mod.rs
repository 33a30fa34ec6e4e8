//! The only place that knows a YAML parser. Values are serde_yaml's; where they stand is asked of a second parser, whose
//! answer never decides what a text means.

mod quote_scoped;
mod spans;
mod strict;

use std::ops::Range;

use serde::de::DeserializeOwned;
use serde_json::Value;

pub(crate) use spans::{Children, Entry, Node};

use crate::problem::Problem;

/// No manifest or configuration comes near this, in bytes; what is longer is a mistake or an attack.
const MAX_BYTES: usize = 128 << 10;
/// Nor near this many brackets and braces, which cost the span parser the square of their number while they are open.
const MAX_BRACKETS: usize = 2_000;

/// A text, what it says and where.
#[derive(Debug)]
pub(crate) struct Document<'a> {
    pub(crate) text: &'a str,
    /// `null` for an empty text.
    pub(crate) value: Value,
    /// `None` for an empty text, or one that only serde_yaml could read.
    pub(crate) root: Option<Node>,
}

impl<'a> Document<'a> {
    pub(crate) fn parse(text: &'a str) -> Result<Self, Problem> {
        if text.len() > MAX_BYTES {
            let message = format!("the file has {} bytes, and {MAX_BYTES} are the most", text.len());
            return Err(Problem::new(text, 0..0, message));
        }
        if text.bytes().filter(|b| matches!(b, b'[' | b'{')).count() > MAX_BRACKETS {
            let message = format!("there are more than {MAX_BRACKETS} lists and mappings in brackets");
            return Err(
                Problem::new(text, 0..0, message).with_help("write some of them in lines of their own".to_owned())
            );
        }
        let quoted = quote_scoped::quote(text);
        let root =
            spans::read(text, &quoted).map_err(|_| Problem::new(text, 0..0, "it is nested too deeply".to_owned()))?;
        if let Some((first, again, key)) = root.as_ref().and_then(Node::first_duplicate) {
            let line = crate::problem::line_and_column(text, first.start).0;
            return Err(Problem::new(text, again, format!("the key `{key}` stands there twice"))
                .with_help(format!("it is in line {line} too: keep one of them")));
        }
        let strict::Strict(value) = serde_yaml::from_str(&quoted.text).map_err(|error| {
            let at = error.location().map_or(0, |place| quoted.original(place.index()));
            Problem::new(text, at..at, message(&error)).with_help(help(text, at))
        })?;
        Ok(Self { text, value, root })
    }

    /// Where the value at a path stands: the whole of a scalar, the key of anything larger. The start of the text if that
    /// is not known.
    pub(crate) fn span(&self, path: &[PathPart]) -> Range<usize> {
        let mut span = 0..0;
        let mut node = self.root.as_ref();
        for part in path {
            match (part, node.map(|node| &node.children)) {
                (PathPart::Key(key), Some(Children::Map(entries))) => {
                    let Some(entry) = entries.iter().find(|entry| entry.key == *key) else { break };
                    let is_scalar = matches!(entry.value.children, Children::None) && !entry.value.span.is_empty();
                    span = if is_scalar { entry.value.span.clone() } else { entry.key_span.clone() };
                    node = Some(&entry.value);
                }
                (PathPart::Index(index), Some(Children::List(items))) => {
                    let Some(item) = items.get(*index) else { break };
                    span = item.span.clone();
                    node = Some(item);
                }
                _ => break,
            }
        }
        first_line(self.text, span)
    }

    /// Where a key of the mapping at `path` stands.
    pub(crate) fn key_span(&self, path: &[PathPart], key: &str) -> Range<usize> {
        let entry = self.root.as_ref().and_then(|root| root.at(path)).and_then(|node| node.entry(key));
        entry.map_or_else(|| self.span(path), |entry| entry.key_span.clone())
    }
}

/// A step from a value to one inside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PathPart {
    Key(String),
    Index(usize),
}

/// One value of YAML in one line, as it stands in a variable or on the command line.
pub(crate) fn value_from_str<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_yaml::from_str(&quote_scoped::quote(text).text).map_err(|error| message(&error))
}

/// A string as a YAML scalar that stands wherever a plain one may, in quotes only if it needs them.
pub(crate) fn scalar(text: &str) -> String {
    let is_plain = !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'/' | b'-' | b'_' | b'@' | b'~' | b'^' | b'+'))
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '.' | '/'))
        && serde_yaml::from_str::<Value>(text).is_ok_and(|value| value.as_str() == Some(text));
    if is_plain {
        text.to_owned()
    } else if text.chars().any(|c| c.is_control() || c == '\u{feff}' || c == '\u{2028}' || c == '\u{2029}') {
        // JSON's strings are YAML's double-quoted ones
        Value::from(text).to_string()
    } else {
        format!("'{}'", text.replace('\'', "''"))
    }
}

/// serde_yaml's message without the place, which is shown with the source.
fn message(error: &serde_yaml::Error) -> String {
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or(&text);
    text.to_owned()
}

/// What to do about the commonest mistakes.
fn help(text: &str, at: usize) -> Option<String> {
    let rest = text.get(at..)?;
    if rest.starts_with('\t') || text[..at].ends_with('\t') {
        return Some("indent with spaces: YAML does not allow tabs there".to_owned());
    }
    let first = rest.chars().next()?;
    matches!(first, '@' | '`' | '%' | '*' | '&')
        .then(|| format!("a value that begins with `{first}` must be in quotes"))
}

/// The part of a span that stands on its first line: what spans many lines is hard to show.
fn first_line(text: &str, span: Range<usize>) -> Range<usize> {
    let part = text.get(span.clone()).unwrap_or_default();
    let len = part.find(['\n', '\r']).unwrap_or(part.len());
    span.start..span.start + part[..len].trim_end().len()
}
