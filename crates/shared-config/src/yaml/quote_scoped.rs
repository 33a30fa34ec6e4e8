use saphyr_parser::{Event, Parser};

/// More unquoted names than this in one text have to be quoted by whoever writes them; each costs another pass.
const MAX_NAMES: usize = 200;

/// A text in which unquoted scoped names (`@user/mimir-custom`) stand in quotes.
#[derive(Debug)]
pub(crate) struct Quoted {
    pub(crate) text: String,
    /// Where a quote was put in, as places in `text`, ascending.
    inserted: Vec<usize>,
    /// How many bytes were left out at the start (a byte order mark).
    skipped: usize,
}

impl Quoted {
    /// The place in the original text, in bytes.
    pub(crate) fn original(&self, place: usize) -> usize {
        self.skipped + place - self.inserted.partition_point(|quote| *quote < place)
    }
}

/// YAML reserves `@`, so no value may begin with it, yet scoped names are what people type.
///
/// The parser itself says where one stands in a place that begins a value: there and nowhere else it stops at the `@`.
/// So one in quotes, in a comment, in a block scalar or in the middle of a text is never taken for a name.
pub(crate) fn quote(text: &str) -> Quoted {
    let mut quoted = match text.strip_prefix('\u{feff}') {
        Some(rest) => Quoted { text: rest.to_owned(), inserted: Vec::new(), skipped: text.len() - rest.len() },
        None => Quoted { text: text.to_owned(), inserted: Vec::new(), skipped: 0 },
    };
    if !text.contains('@') {
        return quoted;
    }
    for _ in 0..MAX_NAMES {
        let Some(start) = first_error(&quoted.text) else { break };
        let Some(len) = name_at(&quoted.text[start..]) else { break };
        quoted.text.insert(start + len, '\'');
        quoted.text.insert(start, '\'');
        // Errors come in order, so the list stays sorted
        quoted.inserted.extend([start, start + len + 1]);
    }
    quoted
}

/// Where the parser stops, in bytes.
fn first_error(text: &str) -> Option<usize> {
    let mut parser = Parser::new_from_str(text);
    loop {
        match parser.next_event()? {
            Ok((Event::StreamEnd, _)) => return None,
            Ok(_) => {}
            Err(error) => return text.char_indices().nth(error.marker().index()).map(|(at, _)| at),
        }
    }
}

/// The length of the scoped name at the start of `text`, if one stands there by itself: nothing follows but what ends a
/// plain value.
fn name_at(text: &str) -> Option<usize> {
    let len = name_len(text);
    let (name, rest) = text.split_at(len);
    let line = rest.split(['\n', '\r']).next().unwrap_or_default();
    let after = line.trim_start_matches([' ', '\t']);
    let is_over = after.is_empty()
        || after.starts_with([',', ']', '}'])
        || (after.starts_with('#') && after.len() < line.len())
        || (after.starts_with(':') && after[1..].chars().next().is_none_or(|c| matches!(c, ' ' | '\t' | '{' | '[')));
    (is_over && is_scoped_name(name)).then_some(len)
}

/// The length of what at the start of `text` may be part of a name.
pub(super) fn name_len(text: &str) -> usize {
    text.find(|c: char| !is_name_char(c)).unwrap_or(text.len())
}

fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '@' | '/' | '-' | '_' | '.' | '~' | '^' | '+' | '*')
}

/// `@scope/name`, with an optional `@version` or a `*`, as far as quoting is concerned.
fn is_scoped_name(text: &str) -> bool {
    let scoped = text.strip_prefix('@').and_then(|rest| rest.split_once('/'));
    scoped.is_some_and(|(scope, name)| {
        !scope.is_empty() && !name.is_empty() && !scope.contains('@') && !name.contains('/') && !name.starts_with('@')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_only_what_begins_a_value() {
        let check = |text: &str, expected: &str| assert_eq!(quote(text).text, expected);
        let same = |text: &str| check(text, text);
        check("- @a/b", "- '@a/b'");
        check("- @a/b  # why", "- '@a/b'  # why");
        check("[x, @a/b, @c/d]", "[x, '@a/b', '@c/d']");
        check("[@a/b]", "['@a/b']");
        check("name: @a/b\r\nx: 1\r\n", "name: '@a/b'\r\nx: 1\r\n");
        check("@a/b: { x: 1 }", "'@a/b': { x: 1 }");
        check("{ @a/b: { x: 1 } }", "{ '@a/b': { x: 1 } }");
        check("- @a/b@^1.2.0\n- é\n- @c/d", "- '@a/b@^1.2.0'\n- é\n- '@c/d'");
        check("[\n  a,\n  @a/b\n]", "[\n  a,\n  '@a/b'\n]");
        check("\u{feff}- @a/b", "- '@a/b'");
        same("- '@a/b'");
        same("- \"@a/b\"");
        same("- '\n  @a/b\n  '");
        same("# - @a/b\n- x");
        same("- |\n  @a/b\n- x");
        same("- >-\n  - @a/b\n");
        same("- text\n  @a/b");
        same("- x @a/b");
        same("- mail@a/b");
        same("- @a");
        same("- @a/b is nice");
        same("- @a/b/c");
        same("- @a/b#c");
    }

    #[test]
    fn finds_the_way_back() {
        let quoted = quote("- @a/b\n- @c/d\n- x");
        let place = |text: &str| quoted.original(quoted.text.find(text).unwrap_or_default());
        assert_eq!(place("@a"), 2);
        assert_eq!(place("@c"), 9);
        assert_eq!(place("x"), 16);
    }
}
