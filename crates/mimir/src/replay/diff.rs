//! What a plugin changed, as a person wants to see it: the places within the JSON that differ, and for text the lines.

use std::time::Duration;

use mimir_commands::{Theme, display_width, printable};
use serde_json::Value;
use similar::{ChangeTag, TextDiff};

/// Lines that are shown of one place before the rest is only counted.
const MOST_LINES: usize = 12;
/// Lines around a change that are shown with it.
const CONTEXT: usize = 1;
/// How long it may take to find the smallest difference of two texts; then a larger one does.
const DEADLINE: Duration = Duration::from_millis(50);

/// The difference of two values, or that there is one now or none any more, in lines of at most `width` columns with
/// styles.
pub(crate) fn diff(name: &str, old: Option<&Value>, new: Option<&Value>, width: usize) -> Vec<String> {
    let mut places = Vec::new();
    collect(name.to_owned(), old, new, &mut places);
    let mut lines = Vec::new();
    for place in places {
        render(&place, width, &mut lines);
    }
    lines
}

struct Place<'a> {
    path: String,
    old: Option<&'a Value>,
    new: Option<&'a Value>,
}

fn collect<'a>(path: String, old: Option<&'a Value>, new: Option<&'a Value>, places: &mut Vec<Place<'a>>) {
    match (old, new) {
        (Some(old), Some(new)) if old == new => {}
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            for (key, value) in a {
                collect(step(&path, key), Some(value), b.get(key), places);
            }
            for (key, value) in b.iter().filter(|(key, _)| !a.contains_key(*key)) {
                collect(step(&path, key), None, Some(value), places);
            }
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) => {
            for index in 0..a.len().max(b.len()) {
                collect(format!("{path}[{index}]"), a.get(index), b.get(index), places);
            }
        }
        // A list that is new shows its texts line by line as well
        (None | Some(Value::Null), Some(Value::Array(items))) if items.iter().any(is_long_text) => {
            for (index, item) in items.iter().enumerate() {
                collect(format!("{path}[{index}]"), None, Some(item), places);
            }
        }
        (old, new) => places.push(Place { path, old, new }),
    }
}

fn is_long_text(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.contains('\n'))
}

fn step(path: &str, key: &str) -> String {
    let is_name = !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || c == '_');
    if is_name { format!("{path}.{key}") } else { format!("{path}[{key:?}]") }
}

fn render(place: &Place<'_>, width: usize, lines: &mut Vec<String>) {
    let dim = Theme::DIM;
    let path = fit(&printable(&place.path), width);
    let is_text = |value: Option<&Value>| value.is_none_or(Value::is_string);
    if [place.old, place.new].into_iter().flatten().any(is_long_text) && is_text(place.old) && is_text(place.new) {
        lines.push(format!("{dim}{path}{dim:#}"));
        let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
        text_lines(&text(place.old), &text(place.new), width, lines);
        return;
    }
    let (old, new) = (place.old.map(one_line), place.new.map(one_line));
    let both = old.iter().chain(&new).map(|text| display_width(text)).max().unwrap_or(0);
    let fits_beside = display_width(&path) + 3 + both <= width;
    let mut first = true;
    for (sign, style, text) in [("-", Theme::BAD, old), ("+", Theme::GOOD, new)] {
        let Some(text) = text else { continue };
        if fits_beside {
            let label = if first { path.clone() } else { " ".repeat(display_width(&path)) };
            lines.push(format!("{dim}{label}{dim:#} {style}{sign} {text}{style:#}"));
        } else {
            if first {
                lines.push(format!("{dim}{path}{dim:#}"));
            }
            lines.push(format!("{style}{sign} {}{style:#}", fit(&text, width.saturating_sub(2))));
        }
        first = false;
    }
}

fn text_lines(old: &str, new: &str, width: usize, lines: &mut Vec<String>) {
    let difference = TextDiff::configure().timeout(DEADLINE).diff_lines(old, new);
    let mut shown = 0;
    let mut hidden = 0;
    for group in difference.grouped_ops(CONTEXT) {
        for change in group.iter().flat_map(|operation| difference.iter_changes(operation)) {
            if shown == MOST_LINES {
                hidden += usize::from(change.tag() != ChangeTag::Equal);
                continue;
            }
            let (sign, style) = match change.tag() {
                ChangeTag::Delete => ('-', Theme::BAD),
                ChangeTag::Insert => ('+', Theme::GOOD),
                ChangeTag::Equal => (' ', Theme::DIM),
            };
            let text = printable(change.value().trim_end_matches(['\r', '\n']));
            lines.push(format!("{style}{sign} {}{style:#}", fit(&text, width.saturating_sub(2))));
            shown += 1;
        }
    }
    if hidden > 0 {
        let dim = Theme::DIM;
        lines.push(format!("{dim}  … {hidden} more changed line{}{dim:#}", if hidden == 1 { "" } else { "s" }));
    }
}

/// A value in one line: a text as it is, anything else as JSON. What no window could show is cut before it is printed.
fn one_line(value: &Value) -> String {
    const ENOUGH: usize = 2_000;
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match text.char_indices().nth(ENOUGH) {
        Some((end, _)) => format!("{}…", printable(&text[..end])),
        None => printable(&text),
    }
}

/// Cuts a line to the window.
pub(crate) fn fit(text: &str, width: usize) -> String {
    if display_width(text) <= width {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 1;
    for c in text.chars() {
        used += display_width(c.encode_utf8(&mut [0; 4]));
        if used > width {
            break;
        }
        out.push(c);
    }
    out.push('…');
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(old: &Value, new: &Value, width: usize, expected: &str) {
        let lines: Vec<_> = diff("args", Some(old), Some(new), width)
            .iter()
            .map(|line| anstream::adapter::strip_str(line).to_string())
            .collect();
        for line in &lines {
            assert!(display_width(line) <= width, "{line}");
        }
        assert_eq!(lines.join("\n"), expected);
    }

    #[test]
    fn places_that_differ() {
        check(
            &json!({"command": "rm -rf build", "n": 1}),
            &json!({"command": "rm -ri build", "n": 1}),
            60,
            "args.command - rm -rf build\n             + rm -ri build",
        );
        check(&json!({"a-b": [1, 2]}), &json!({"a-b": [1]}), 60, "args[\"a-b\"][1] - 2");
        check(&json!({}), &json!({"x": {"y": "\u{1b}[2J"}}), 60, "args.x + {\"y\":\"\\u001b[2J\"}");
        check(&json!("long text that does not fit"), &json!("short"), 16, "args\n- long text tha…\n+ short");
        check(
            &json!({"text": "one\ntwo\nthree\nfour\n"}),
            &json!({"text": "one\ntwo\n3\nfour\n"}),
            40,
            "args.text\n  two\n- three\n+ 3\n  four",
        );
        check(&json!({}), &json!({"list": ["a\nb"]}), 40, "args.list[0]\n+ a\n+ b");
        check(&json!({"list": null}), &json!({"list": ["a\nb"]}), 40, "args.list[0]\n+ a\n+ b");
    }

    #[test]
    fn a_megabyte_is_only_counted() {
        let old: String = (0..40_000).map(|n| format!("line {n}\n")).collect();
        let new: String = (0..40_000).map(|n| format!("LINE {n}\n")).collect();
        let lines = diff("result", Some(&json!(old)), Some(&json!(new)), 80);
        assert_eq!(lines.len(), 1 + MOST_LINES + 1);
        assert!(lines[MOST_LINES + 1].contains("79988 more changed lines"), "{:?}", lines.last());
    }
}
