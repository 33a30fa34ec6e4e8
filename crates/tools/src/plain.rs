//! Text from plugins, repositories and servers, made fit to be shown and to be read.

/// The text without what steers a terminal or shows text as something else: control characters and what changes the
/// direction of text become `�`. Line ends and tabs stay.
pub(crate) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\n' | '\t' => out.push(c),
            '\r' if chars.peek() == Some(&'\n') => {}
            c if steers(c) => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// The same in one line of at most `limit` bytes.
pub(crate) fn plain_line(text: &str, limit: usize) -> String {
    let text = plain(text);
    let mut line = String::with_capacity(text.len().min(limit));
    for word in text.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
        if line.len() > limit {
            break;
        }
    }
    crate::dispatcher::shortened(&line, limit)
}

/// Controls, marks of direction and tags: what nobody sees and a terminal or a reader obeys. Joiners stay: whole languages
/// are written with them.
fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_steers_the_terminal() {
        let check = |text: &str, expected: &str| assert_eq!(plain(text), expected, "{text:?}");
        check("größer 🎉\n\tx", "größer 🎉\n\tx");
        check("a\r\nb\rc", "a\nb\u{fffd}c");
        check("\u{1b}[2J\u{7}\u{9b}1m\u{0}", "\u{fffd}[2J\u{fffd}\u{fffd}1m\u{fffd}");
        check("a\u{202e}b\u{200b}c\u{2066}d\u{e0041}", "a\u{fffd}b\u{fffd}c\u{fffd}d\u{fffd}");
        assert_eq!(plain_line("  a\n  b\tc  ", 100), "a b c");
        assert_eq!(plain_line("abc def ghi", 6), "abc de…");
    }
}
