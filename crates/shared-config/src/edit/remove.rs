use std::ops::Range;

use super::{Change, colon_end, line_of};
use crate::yaml::{Children, Document, Entry, Node};

pub(super) fn remove(document: &Document<'_>, key: &str, index: usize) -> Option<String> {
    let text = document.text;
    let list = document.root.as_ref()?.entry("plugins")?.value.entry(key)?;
    let Children::List(items) = &list.value.children else { return None };
    let item = items.get(index)?;
    if list.value.is_flow {
        remove_in_brackets(text, &list.value, items, index)
    } else {
        remove_line(text, list, items, item)
    }
}

/// Removes a line that begins with `-`.
fn remove_line(text: &str, list: &Entry, items: &[Node], item: &Node) -> Option<String> {
    let line = own_line(text, &item.span, "-", "")?;
    let change = Change::new(text).delete(line);
    if items.len() > 1 {
        return change.apply();
    }
    // A key without anything would do, but looks like a mistake
    change.insert(colon_end(text, list)?, " []").apply()
}

fn remove_in_brackets(text: &str, list: &Node, items: &[Node], index: usize) -> Option<String> {
    let item = &items[index];
    let is_inside = |line: &Range<usize>| line.start > list.span.start && line.end < list.span.end;
    if let Some(line) = own_line(text, &item.span, "", ",").filter(is_inside) {
        return Change::new(text).delete(line).apply();
    }
    let range = match (items.get(index + 1), index.checked_sub(1).and_then(|before| items.get(before))) {
        (Some(next), _) => item.span.start..next.span.start,
        (None, Some(before)) => before.span.end..item.span.end,
        (None, None) => item.span.clone(),
    };
    // A comment between two entries belongs to one of them, and which is for a person to say
    let has_comment = text.get(range.clone())?.contains('#');
    (!has_comment).then(|| Change::new(text).delete(range)).and_then(Change::apply)
}

/// The whole line of an item, with its line break, if nothing else stands on it than what may stand before and behind it,
/// and a comment.
fn own_line(text: &str, item: &Range<usize>, before: &str, behind: &str) -> Option<Range<usize>> {
    let line = line_of(text, item.start);
    if item.end > line.end {
        return None;
    }
    let lead = text.get(line.start..item.start)?.trim();
    let rest = text.get(item.end..line.end)?;
    let rest = rest.trim_start();
    let rest = if behind.is_empty() { rest } else { rest.strip_prefix(behind).unwrap_or(rest).trim_start() };
    if lead != before || !(rest.is_empty() || rest.starts_with('#')) {
        return None;
    }
    if let Some(newline) = text[line.end..].find('\n') {
        return Some(line.start..line.end + newline + 1);
    }
    // The last line has no line break, so the one before it goes
    let start =
        text[..line.start].strip_suffix('\n').map_or(0, |before| before.strip_suffix('\r').unwrap_or(before).len());
    Some(start..line.end)
}
