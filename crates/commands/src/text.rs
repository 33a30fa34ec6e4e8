//! Text that somebody else wrote, made safe to print.

use std::error::Error;

use serde::Serialize;
use unicode_width::UnicodeWidthChar;

/// One line of text that can't steer the terminal: control characters become their pictures (␛ for escape), and what
/// reorders or hides text (bidirectional controls, zero-width characters, tags) becomes �. Line ends become spaces.
///
/// Joiners go, so that a family of emojis is its members: how wide the whole would be, no two terminals agree.
pub fn printable(text: &str) -> String {
    text.chars()
        .filter(|c| !is_joiner(*c))
        .map(|c| match c {
            '\n' | '\r' | '\t' => ' ',
            c => visible(c),
        })
        .collect()
}

/// How much of one name, pattern or path is shown where it must not push other things off the screen, in characters.
const LONGEST: usize = 200;

/// Text that decides what a plugin may do, for whoever grants it: all that is not ASCII is written as `\u{43e}`, since a
/// letter may look like another, and an invisible one like none. What is longer than any honest name is cut, and says so.
pub fn exact(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    for c in chars.by_ref() {
        match c {
            ' '..='~' => out.push(c),
            c => out.extend(c.escape_unicode()),
        }
        if out.len() >= LONGEST {
            break;
        }
    }
    match chars.count() {
        0 => out,
        more => format!("{out}… ({more} more characters)"),
    }
}

/// Like [`printable`], but line ends stay, a tab is four spaces, and a carriage return before a line end goes.
pub fn printable_block(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().filter(|c| !is_joiner(*c)).peekable();
    while let Some(c) = chars.next() {
        match c {
            '\n' => out.push('\n'),
            '\r' if chars.peek() == Some(&'\n') => {}
            '\t' => out.push_str("    "),
            c => out.push(visible(c)),
        }
    }
    out
}

/// Replaces what [`printable`] replaces by something of as many bytes, so that positions in the text stay true.
pub(crate) fn printable_in_place(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' | '\t' => c,
            '\r' => ' ',
            c if visible(c) == c => c,
            c => match c.len_utf8() {
                1 => '?',
                2 => '·',
                3 => '\u{fffd}',
                _ => '\u{1f5f4}',
            },
        })
        .collect()
}

/// An error with everything that caused it, in one sentence.
pub fn with_causes(error: &dyn Error) -> String {
    let (mut text, mut cause) = (error.to_string(), error.source());
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}')
}

fn visible(c: char) -> char {
    match c {
        '\0'..='\u{1f}' => char::from_u32(0x2400 + c as u32).unwrap_or('\u{fffd}'),
        '\u{7f}' => '␡',
        '\u{80}'..='\u{9f}'
        | '\u{ad}'
        | '\u{34f}'
        | '\u{61c}'
        | '\u{115f}'..='\u{1160}'
        | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{2800}'
        | '\u{3164}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}' => '\u{fffd}',
        c => c,
    }
}

/// How many columns of a terminal the text takes.
pub fn display_width(text: &str) -> usize {
    text.chars().map(char_width).sum()
}

pub(crate) fn char_width(c: char) -> usize {
    c.width().unwrap_or(0)
}

/// JSON that can't steer a terminal either: beside what JSON escapes anyway, the characters that [`printable`] replaces
/// are written as `\uXXXX`.
pub fn json_text(value: &impl Serialize) -> serde_json::Result<String> {
    let text = serde_json::to_string(value)?;
    if text.is_ascii() && !text.contains('\u{7f}') {
        return Ok(text);
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if visible(c) == c {
            out.push(c);
        } else {
            // Such a character can only stand in a string, where an escape means the same.
            for unit in c.encode_utf16(&mut [0; 2]) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_steers_the_terminal() {
        let cases = [
            ("plain ü 漢", "plain ü 漢"),
            ("\u{1b}[31mred\u{7}", "␛[31mred␇"),
            ("a\nb\tc\r", "a b c "),
            ("\u{9b}31m", "\u{fffd}31m"),
            ("evil\u{202e}txt.exe", "evil\u{fffd}txt.exe"),
            ("zero\u{200b}width", "zero\u{fffd}width"),
            ("\u{1f469}\u{200d}\u{1f467}", "\u{1f469}\u{1f467}"),
        ];
        for (input, expected) in cases {
            assert_eq!(printable(input), expected, "{input:?}");
        }
    }

    #[test]
    fn what_decides_is_shown_as_it_is() {
        let cases = [
            ("git push *", "git push *"),
            // Cyrillic, a full-width letter, an invisible one, a line end
            ("g\u{456}t *", "g\\u{456}t *"),
            ("\u{ff47}it", "\\u{ff47}it"),
            ("git\u{200d} *", "git\\u{200d} *"),
            ("ls\nrm *", "ls\\u{a}rm *"),
            ("\u{1b}[2J", "\\u{1b}[2J"),
        ];
        for (input, expected) in cases {
            assert_eq!(exact(input), expected, "{input:?}");
        }
        assert_eq!(exact(&"x".repeat(250)), format!("{}… (50 more characters)", "x".repeat(200)));
    }

    #[test]
    fn positions_stay_true() {
        for text in ["\u{1b}[0m", "a\u{85}b", "x\u{202e}y", "t\u{e0041}g", "\r\n"] {
            assert_eq!(printable_in_place(text).len(), text.len(), "{text:?}");
            assert!(printable_in_place(text).chars().all(|c| visible(c) == c || c == '\n' || c == '\t'));
        }
    }

    #[test]
    fn json_keeps_its_meaning() {
        let text = "\u{1b}\u{9b}\u{202e}\u{e0041}\u{7f}ü";
        let json = json_text(&text).expect("serializes");
        assert!(json.chars().all(|c| visible(c) == c), "{json}");
        assert_eq!(serde_json::from_str::<String>(&json).expect("parses"), text);
    }
}
