use std::collections::HashMap;
use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use super::PathPart;
use super::quote_scoped::{self, Quoted};

/// Where a value stands in the original text, in bytes.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) span: Range<usize>,
    /// Whether it is a list in brackets or a mapping in braces.
    pub(crate) is_flow: bool,
    pub(crate) children: Children,
}

#[derive(Debug, Clone)]
pub(crate) enum Children {
    /// A scalar or an alias.
    None,
    List(Vec<Node>),
    Map(Vec<Entry>),
}

#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_span: Range<usize>,
    pub(crate) value: Node,
}

impl Node {
    pub(crate) fn at(&self, path: &[PathPart]) -> Option<&Self> {
        path.iter().try_fold(self, |node, part| match part {
            PathPart::Key(key) => node.entry(key).map(|entry| &entry.value),
            PathPart::Index(index) => match &node.children {
                Children::List(items) => items.get(*index),
                _ => None,
            },
        })
    }

    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.children {
            Children::Map(entries) => entries.iter().find(|entry| entry.key == key),
            _ => None,
        }
    }
}

impl Node {
    /// A key that stands twice in one mapping: where first, where again.
    pub(crate) fn first_duplicate(&self) -> Option<(Range<usize>, Range<usize>, &str)> {
        match &self.children {
            Children::None => None,
            Children::List(items) => items.iter().find_map(Self::first_duplicate),
            Children::Map(entries) => {
                let mut seen = HashMap::new();
                entries.iter().find_map(|Entry { key, key_span, value }| match seen.insert(key, key_span) {
                    Some(first) => Some((first.clone(), key_span.clone(), key.as_str())),
                    None => value.first_duplicate(),
                })
            }
        }
    }
}

/// A list or mapping that is still open.
struct Open {
    node: Node,
    /// The key whose value comes next.
    key: Option<(String, Range<usize>)>,
}

/// A text is nested so deeply that to read it would use up the stack.
#[derive(Debug)]
pub(crate) struct TooDeep;

/// The length of a scalar. Its span may reach over blanks and comments to the next token.
fn scalar_len(span: &str, style: ScalarStyle) -> usize {
    if span.starts_with('@') {
        // It got its quotes from us
        return quote_scoped::name_len(span);
    }
    let quote = match style {
        ScalarStyle::SingleQuoted => '\'',
        ScalarStyle::DoubleQuoted => '"',
        _ => return span.trim_end().len(),
    };
    let mut chars = span.char_indices().skip_while(|(_, c)| *c != quote).skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' if quote == '"' => {
                chars.next();
            }
            // A single quote inside is written twice
            '\'' if quote == '\'' && chars.peek().is_some_and(|(_, next)| *next == '\'') => {
                chars.next();
            }
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    span.trim_end().len()
}

/// As deep as serde_yaml goes.
const MAX_DEPTH: usize = 128;

/// `None` if the text is empty or broken; what is wrong with it is for serde_yaml to say.
pub(crate) fn read(original: &str, quoted: &Quoted) -> Result<Option<Node>, TooDeep> {
    let mut is_too_deep = false;
    let root = read_node(original, quoted, &mut is_too_deep);
    if is_too_deep { Err(TooDeep) } else { Ok(root) }
}

fn read_node(original: &str, quoted: &Quoted, is_too_deep: &mut bool) -> Option<Node> {
    // The parser counts characters
    let bytes = quoted.text.char_indices().map(|(at, _)| at).chain([quoted.text.len()]).collect::<Vec<_>>();
    let place = |index: usize| quoted.original(bytes.get(index).copied().unwrap_or(quoted.text.len()));
    let place = |span: Span| place(span.start.index())..place(span.end.index());

    let mut open = Vec::<Open>::new();
    let mut parser = Parser::new_from_str(&quoted.text);
    loop {
        let (event, span) = parser.next_event()?.ok()?;
        if open.len() > MAX_DEPTH {
            *is_too_deep = true;
            return None;
        }
        // A bracket's own span may reach to the next token
        let bracket = bytes.get(span.start.index()).and_then(|at| quoted.text.as_bytes().get(*at)).copied();
        let starts_flow = matches!(bracket, Some(b'[' | b'{'));
        let span = place(span);
        let (node, text) = match event {
            Event::Scalar(text, style, ..) => {
                let end = span.start + scalar_len(original.get(span.clone()).unwrap_or_default(), style);
                let node = Node { span: span.start..end, is_flow: false, children: Children::None };
                (node, Some(text.into_owned()))
            }
            Event::Alias(_) => (Node { span, is_flow: false, children: Children::None }, None),
            Event::SequenceStart(..) => {
                let node = Node { span, is_flow: starts_flow, children: Children::List(Vec::new()) };
                open.push(Open { node, key: None });
                continue;
            }
            Event::MappingStart(..) => {
                let node = Node { span, is_flow: starts_flow, children: Children::Map(Vec::new()) };
                open.push(Open { node, key: None });
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Open { mut node, .. } = open.pop()?;
                let end = if node.is_flow && matches!(bracket, Some(b']' | b'}')) { span.start + 1 } else { span.end };
                node.span.end = end.max(node.span.start);
                (node, None)
            }
            Event::StreamEnd => return None,
            _ => continue,
        };
        let Some(parent) = open.last_mut() else { return Some(node) };
        match &mut parent.node.children {
            Children::List(items) => items.push(node),
            Children::Map(entries) => match parent.key.take() {
                Some((key, key_span)) => entries.push(Entry { key, key_span, value: node }),
                // A key that is no scalar has no name, and serde_yaml refuses it
                None => parent.key = Some((text.unwrap_or_default(), node.span)),
            },
            Children::None => return None,
        }
    }
}
