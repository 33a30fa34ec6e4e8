use super::{Change, colon_end, content_end, entry_end, indent_of, is_empty, line_break, line_of};
use crate::yaml::{Children, Document, Entry, Node, scalar};

pub(super) fn add(document: &Document<'_>, key: &str, entry: &str) -> Option<String> {
    let item = scalar(entry);
    let text = document.text;
    let Some(root) = document.root.as_ref().filter(|root| !is_empty(document, root)) else {
        let nl = line_break(text);
        let gap = if text.is_empty() || text.ends_with('\n') || text == "\u{feff}" { "" } else { nl };
        return Some(format!("{text}{gap}plugins:{nl}  {key}:{nl}    - {item}{nl}"));
    };
    let Some(plugins) = root.entry("plugins") else {
        return add_key(document, root, "plugins", &Lines::Map(key, &item));
    };
    if is_empty(document, &plugins.value) {
        return add_below_key(document, plugins, &Lines::Map(key, &item));
    }
    let Some(list) = plugins.value.entry(key) else {
        return add_key(document, &plugins.value, key, &Lines::Item(&item));
    };
    if is_empty(document, &list.value) {
        return add_below_key(document, list, &Lines::Item(&item));
    }
    let Children::List(items) = &list.value.children else { return None };
    if list.value.is_flow { add_in_brackets(text, &list.value, items, &item) } else { add_line(text, items, &item) }
}

/// What stands below a new key.
enum Lines<'a> {
    /// One entry of a list.
    Item(&'a str),
    /// A key with a list of one entry.
    Map(&'a str, &'a str),
}

impl Lines<'_> {
    fn block(&self, indent: &str, nl: &str) -> String {
        match self {
            Self::Item(item) => format!("{nl}{indent}  - {item}"),
            Self::Map(key, item) => format!("{nl}{indent}  {key}:{nl}{indent}    - {item}"),
        }
    }

    fn flow(&self) -> String {
        match self {
            Self::Item(item) => format!("[{item}]"),
            Self::Map(key, item) => format!("{{ {key}: [{item}] }}"),
        }
    }
}

/// Adds a key at the end of a mapping.
fn add_key(document: &Document<'_>, map: &Node, key: &str, below: &Lines<'_>) -> Option<String> {
    let text = document.text;
    let Children::Map(entries) = &map.children else { return None };
    if map.is_flow {
        let new = format!("{key}: {}", below.flow());
        let change = Change::new(text);
        return match entries.last() {
            None => change.delete(map.span.start + 1..map.span.end - 1).insert(map.span.start + 1, format!(" {new} ")),
            Some(last) => change.insert(entry_end(text, last), format!(", {new}")),
        }
        .apply();
    }
    let indent = indent_of(text, entries.first()?.key_span.start)?;
    let nl = line_break(text);
    insert_after_line(text, entry_end(text, entries.last()?), &format!("{nl}{indent}{key}:{}", below.block(indent, nl)))
}

/// Puts a value below a key that has none.
fn add_below_key(document: &Document<'_>, entry: &Entry, below: &Lines<'_>) -> Option<String> {
    let text = document.text;
    match indent_of(text, entry.key_span.start) {
        Some(indent) => insert_after_line(text, entry.key_span.end, &below.block(indent, line_break(text))),
        // In braces, behind its colon
        None => Change::new(text).insert(colon_end(text, entry)?, format!(" {}", below.flow())).apply(),
    }
}

/// Adds a line to a list of lines that begin with `-`.
fn add_line(text: &str, items: &[Node], item: &str) -> Option<String> {
    let last = items.last()?;
    let line = &text[line_of(text, last.span.start)];
    let indent = &line[..line.find(|c| c != ' ')?];
    if !line[indent.len()..].starts_with("- ") {
        return None;
    }
    insert_after_line(text, content_end(text, last), &format!("{}{indent}- {item}", line_break(text)))
}

/// Adds an entry before the closing bracket.
fn add_in_brackets(text: &str, list: &Node, items: &[Node], item: &str) -> Option<String> {
    let change = Change::new(text);
    let Some(last) = items.last() else {
        return change.insert(list.span.start + 1, item).apply();
    };
    let line = line_of(text, last.span.start);
    let Some(indent) = indent_of(text, last.span.start).filter(|_| last.span.end <= line.end) else {
        return change.insert(last.span.end, format!(", {item}")).apply();
    };
    // One entry a line: the new one gets its own, and the comment behind the last stays with it
    let rest = &text[last.span.end..line.end];
    let new_line = |comma: &str| format!("{}{indent}{item}{comma}", line_break(text));
    match rest.trim_start().chars().next() {
        Some(',') => change.insert(line.end, new_line(",")),
        None | Some('#') => change.insert(last.span.end, ",").insert(line.end, new_line("")),
        // The closing bracket
        Some(_) => change.insert(last.span.end, format!(",{}", new_line(""))),
    }
    .apply()
}

/// `lines` begins with a line break.
fn insert_after_line(text: &str, at: usize, lines: &str) -> Option<String> {
    // What ended with its line break (a block scalar) ended on the line before
    let at = if text[..at].ends_with('\n') { at - 1 } else { at };
    let line = line_of(text, at);
    let end = if text[line.start..line.end].ends_with('\r') { line.end - 1 } else { line.end };
    Change::new(text).insert(end, lines).apply()
}
