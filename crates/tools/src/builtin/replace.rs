//! Replacing a text in a text, as models ask for it: exact, and with a word on what to do where it is not found.

use std::borrow::Cow;

/// A text with its replacement in place.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Replaced {
    /// All of it.
    pub(super) text: String,
    /// Where the replacements begin and end in it, in bytes.
    pub(super) places: Vec<(usize, usize)>,
}

/// How many places are named where a text stands several times.
const PLACES: usize = 10;
/// How much of what stands there is shown where the text was not found, in lines.
const SHOWN: usize = 20;

/// Replaces `old` by `new`. Models write line ends as `\n` whatever the file has: they match both kinds, and what is put in
/// gets the kind that the file has. All else stays as it is, byte by byte.
///
/// # Errors
/// Why it can't be done, in words that help the model.
pub(super) fn replace(text: &str, old: &str, new: &str, all: bool) -> Result<Replaced, String> {
    let plain = Plain::of(text);
    let (old, new) = (unix_ends(old), unix_ends(new));
    if old.is_empty() {
        return Err("`oldText` is empty: name what is to be replaced, or use `write` for a whole file".to_owned());
    }
    if old == new {
        return Err("`oldText` and `newText` are the same, so nothing would change".to_owned());
    }
    let found: Vec<usize> = plain.text.match_indices(&*old).map(|(at, _)| at).collect();
    if found.is_empty() {
        return Err(not_found(&plain.text, &old));
    }
    if found.len() > 1 && !all {
        let line = |at: usize| (plain.text[..at].matches('\n').count() + 1).to_string();
        let lines: Vec<_> = found.iter().take(PLACES).map(|at| line(*at)).collect();
        let more = if found.len() > PLACES { ", …" } else { "" };
        return Err(format!(
            "`oldText` stands {} times in the file (lines {}{more}): add lines around it until it is unique, or set `replaceAll`",
            found.len(),
            lines.join(", ")
        ));
    }
    let new = if plain.has_windows_ends() { Cow::Owned(new.replace('\n', "\r\n")) } else { new };
    let mut out = Replaced { text: String::with_capacity(text.len() + new.len()), places: Vec::new() };
    let mut done = 0;
    for at in found {
        let (start, end) = (plain.original(at), plain.original(at + old.len()));
        out.text.push_str(&text[done..start]);
        out.places.push((out.text.len(), out.text.len() + new.len()));
        out.text.push_str(&new);
        done = end;
    }
    out.text.push_str(&text[done..]);
    Ok(out)
}

/// A text with `\n` alone, and the way back.
struct Plain<'a> {
    text: Cow<'a, str>,
    /// Where in it a `\r` was dropped in front of a `\n`, ascending.
    dropped: Vec<usize>,
}

impl<'a> Plain<'a> {
    fn of(text: &'a str) -> Self {
        if !text.contains("\r\n") {
            return Self { text: text.into(), dropped: Vec::new() };
        }
        let mut plain = String::with_capacity(text.len());
        let mut dropped = Vec::new();
        for (nth, part) in text.split("\r\n").enumerate() {
            if nth > 0 {
                dropped.push(plain.len());
                plain.push('\n');
            }
            plain.push_str(part);
        }
        Self { text: plain.into(), dropped }
    }

    /// The place in the original text: in front of a `\r` that was dropped there.
    fn original(&self, at: usize) -> usize {
        at + self.dropped.partition_point(|dropped| *dropped < at)
    }

    fn has_windows_ends(&self) -> bool {
        self.dropped.len() * 2 > self.text.matches('\n').count()
    }
}

fn unix_ends(text: &str) -> Cow<'_, str> {
    if text.contains("\r\n") { text.replace("\r\n", "\n").into() } else { text.into() }
}

fn not_found(text: &str, old: &str) -> String {
    let nothing = "`oldText` is not in the file";
    if old.lines().all(|line| is_numbered(line) || line.is_empty()) && old.lines().any(is_numbered) {
        return format!("{nothing}: leave out the line numbers that `read` shows");
    }
    let lines: Vec<&str> = text.lines().collect();
    let wanted: Vec<&str> = old.lines().map(str::trim).collect();
    let is_here = |at: usize| {
        wanted.iter().enumerate().all(|(nth, wanted)| lines.get(at + nth).is_some_and(|line| line.trim() == *wanted))
    };
    if wanted.iter().any(|line| !line.is_empty())
        && let Some(at) = (0..lines.len()).find(|at| is_here(*at))
    {
        return format!(
            "{nothing} as it is written: there is a difference in spaces. Lines {} to {} are:\n{}",
            at + 1,
            at + wanted.len(),
            lines[at..at + wanted.len().min(SHOWN)].join("\n")
        );
    }
    let first = wanted.iter().find(|line| line.len() > 3);
    match first.and_then(|first| lines.iter().position(|line| line.trim() == *first)) {
        Some(at) => format!(
            "{nothing}, though its first line is line {}. From there on the file has:\n{}",
            at + 1,
            lines[at..(at + wanted.len() + 1).min(at + SHOWN).min(lines.len())].join("\n")
        ),
        None => format!("{nothing}: read it again, and copy the text exactly as it is there"),
    }
}

/// Whether a line looks as `read` shows one: spaces, digits, a tab.
fn is_numbered(line: &str) -> bool {
    line.trim_start_matches(' ')
        .split_once('\t')
        .is_some_and(|(number, _)| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails here should stop")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_comes_of_it() {
        let check = |text: &str, old: &str, new: &str, expected: &str| {
            assert_eq!(replace(text, old, new, false).unwrap().text, expected, "{text:?}");
        };
        check("a b c", "b", "x", "a x c");
        check("a b c", "b ", "", "a c");
        check("a\nb\nc\n", "a\nb\n", "x\ny\n", "x\ny\nc\n");
        check("a $1 \\1", "$1", "$0 \\0", "a $0 \\0 \\1");
        // Windows' line ends stay, and what is put in gets them
        check("a\r\nb\r\nc\r\n", "a\nb", "x\ny\nz", "x\r\ny\r\nz\r\nc\r\n");
        check("a\r\nb\r\n", "a\r\nb", "x\r\ny", "x\r\ny\r\n");
        check("a\r\nb\r\n", "\nb", "", "a\r\n");
        check("a\nb\n", "a\r\nb", "x\r\ny", "x\ny\n");
        // Where both are in use, what is not replaced stays
        check("a\r\nb\nc\nd\n", "b\nc", "x\ny", "a\r\nx\ny\nd\n");
        check("a\r\nb\r\nc\nd\r\n", "c", "x\ny", "a\r\nb\r\nx\r\ny\nd\r\n");
        check("a\rb\r\n", "\r", "-", "a-b\r\n");
        check("ä→ö", "→", "⇒", "ä⇒ö");
    }

    #[test]
    fn several_at_once() {
        let replaced = replace("a b a b a", "a", "xy", true).unwrap();
        assert_eq!(replaced.text, "xy b xy b xy");
        assert_eq!(replaced.places, [(0, 2), (5, 7), (10, 12)]);
        assert_eq!(replace("aaa", "aa", "b", true).unwrap().text, "ba");
    }

    #[test]
    fn what_is_wrong_is_said_so_that_it_helps() {
        let check = |text: &str, old: &str, new: &str, expected: &str| {
            let error = replace(text, old, new, false).unwrap_err();
            assert!(error.contains(expected), "{error}");
        };
        check("a", "", "x", "`oldText` is empty");
        check("a", "a", "a", "are the same");
        check("a\r\nb", "a\nb", "a\r\nb", "are the same");
        check("a\nb\na\n", "a", "x", "stands 2 times in the file (lines 1, 3): add lines around it");
        check(&"a\n".repeat(30), "a", "x", "stands 30 times in the file (lines 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, …)");
        check("fn a() {\n    b();\n}\n", "fn a() {\n\tb();\n}", "x", "Lines 1 to 3 are:\nfn a() {\n    b();\n}");
        check("a\nb\n", "     1\ta\n     2\tb", "x", "leave out the line numbers");
        check(
            "first line\nb\nc\n",
            "first line\nx\n",
            "y",
            "its first line is line 1. From there on the file has:\nfirst line\nb",
        );
        check("a\nb\n", "something else", "x", "read it again");
    }

    proptest! {
        #[test]
        fn agrees_with_the_standard_library_and_touches_nothing_else(
            text in "[ab\n]{0,30}", old in "[ab\n]{1,3}", new in "[xy\n]{0,3}", windows: bool, all: bool,
        ) {
            prop_assume!(old != new);
            let file = if windows { text.replace('\n', "\r\n") } else { text.clone() };
            let count = text.matches(&old).count();
            let result = replace(&file, &old, &new, all);
            if count == 0 || (count > 1 && !all) {
                prop_assert!(result.is_err());
            } else {
                let replaced = result.unwrap();
                let expected = text.replace(&old, &new);
                // Nothing is known of the line ends of a file that has none
                if windows && text.contains('\n') {
                    prop_assert_eq!(&replaced.text, &expected.replace('\n', "\r\n"));
                } else {
                    prop_assert_eq!(&replaced.text, &expected);
                }
                for (start, end) in replaced.places {
                    prop_assert_eq!(replaced.text[start..end].replace("\r\n", "\n"), new.as_str());
                }
            }
        }

        #[test]
        fn never_breaks_on_any_text(text in "\\PC{0,40}|[\r\nab]{0,20}", old in "[\r\nab]{0,4}|\\PC{0,4}", new in "\\PC{0,4}") {
            let _ = replace(&text, &old, &new, true);
        }
    }
}
