//! Files as a model reads them.

/// Bytes at the beginning of some text files, which say how they are encoded.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// A text file's contents.
pub(super) struct Text<'a> {
    /// Whether it begins with a byte order mark, which is no part of the text.
    pub(super) has_mark: bool,
    /// The text.
    pub(super) text: &'a str,
}

impl<'a> Text<'a> {
    /// Nothing if the file is no text in UTF-8.
    pub(super) fn of(contents: &'a [u8]) -> Option<Self> {
        let (has_mark, rest) = contents.strip_prefix(MARK).map_or((false, contents), |rest| (true, rest));
        if rest.contains(&0) {
            return None;
        }
        std::str::from_utf8(rest).ok().map(|text| Self { has_mark, text })
    }

    /// A text as the file would have it.
    pub(super) fn with(&self, text: &str) -> Vec<u8> {
        let mark = if self.has_mark { MARK } else { &[] };
        [mark, text.as_bytes()].concat()
    }
}

/// How much of a line is shown, and of a file at once; in characters and bytes.
const LONGEST_LINE: usize = 2_000;
const LARGEST_VIEW: usize = 80_000;

/// Lines with their numbers, as `cat -n` writes them.
pub(super) struct View {
    pub(super) text: String,
    /// How many lines are in it.
    pub(super) lines: usize,
}

/// Up to `limit` lines from the one with the number `first` on.
pub(super) fn numbered(text: &str, first: usize, limit: usize) -> View {
    let mut view = View { text: String::new(), lines: 0 };
    for (nth, line) in text.lines().enumerate().skip(first.saturating_sub(1)).take(limit) {
        let (line, is_cut) = cut(line, LONGEST_LINE);
        if view.text.len() + line.len() > LARGEST_VIEW {
            break;
        }
        let note = if is_cut { " [… the line is longer …]" } else { "" };
        view.text.push_str(&format!("{:>6}\t{line}{note}\n", nth + 1));
        view.lines += 1;
    }
    view
}

/// The first `limit` characters of a line.
pub(super) fn cut(line: &str, limit: usize) -> (&str, bool) {
    match line.char_indices().nth(limit) {
        Some((at, _)) => (&line[..at], true),
        None => (line, false),
    }
}

/// The lines around a change, as they are now.
pub(super) fn around(text: &str, (start, end): (usize, usize)) -> String {
    const AROUND: usize = 3;
    const MOST: usize = 40;
    let first = text[..start].matches('\n').count() + 1;
    let last = first + text[start..end].matches('\n').count();
    let from = first.saturating_sub(AROUND).max(1);
    numbered(text, from, (last + AROUND + 1 - from).min(MOST)).text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails here should stop")]

    use super::*;

    #[test]
    fn what_is_text() {
        let check = |contents: &[u8], expected: Option<(&str, bool)>| {
            assert_eq!(Text::of(contents).map(|it| (it.text, it.has_mark)), expected);
        };
        check(b"a\n", Some(("a\n", false)));
        check(b"\xef\xbb\xbfa", Some(("a", true)));
        check(b"", Some(("", false)));
        check(b"\x89PNG\r\n\x1a\n\0\0", None);
        check(b"a\0b", None);
        check(b"\xff\xfea\0", None);
        check(b"\xe4", None);
        assert_eq!(Text::of(b"\xef\xbb\xbfa").unwrap().with("b"), b"\xef\xbb\xbfb");
    }

    #[test]
    fn lines_have_numbers() {
        let check = |text: &str, first, limit, expected: &str, lines| {
            let view = numbered(text, first, limit);
            assert_eq!((&*view.text, view.lines), (expected, lines), "{text:?}");
        };
        check("a\nb\nc", 1, 10, "     1\ta\n     2\tb\n     3\tc\n", 3);
        check("a\nb\nc", 2, 1, "     2\tb\n", 1);
        check("a\r\nb\r\n", 1, 10, "     1\ta\n     2\tb\n", 2);
        check("a", 2, 1, "", 0);
        let long = numbered(&"ä".repeat(LONGEST_LINE + 1), 1, 1).text;
        assert!(long.ends_with("ä [… the line is longer …]\n"));
        let large = numbered(&format!("{}\n", "x".repeat(1_000)).repeat(200), 1, 2_000);
        assert!(large.lines < 100 && large.text.len() < LARGEST_VIEW + 2_000);
        assert_eq!(around("1\n2\n3\n4\n5\n6\n7\n8\n9\n", (8, 9)).lines().count(), 7);
        assert_eq!(around("x", (0, 1)), "     1\tx\n");
    }
}
