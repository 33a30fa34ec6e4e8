//! What programs print, as a model reads it.

/// The text without what colours a terminal, moves its cursor or rings its bell. Of a line that was written over again and
/// again (progress), what stood there last.
pub(super) fn readable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut out = String::with_capacity(text.len());
    let mut line = 0;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\n' => {
                out.push(c);
                line = out.len();
            }
            '\t' => out.push(c),
            '\r' => {
                if !matches!(chars.peek(), None | Some('\n' | '\r')) {
                    out.truncate(line);
                }
            }
            '\u{8}' => {
                if out.len() > line {
                    out.pop();
                }
            }
            '\u{1b}' => escape(&mut chars),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

/// Takes the rest of an escape sequence (ECMA-48).
fn escape(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match chars.next() {
        // CSI: parameters, then a final byte
        Some('[') => while chars.next_if(|c| !('\u{40}'..='\u{7e}').contains(c) && !c.is_control()).is_some() {},
        // OSC and the like: until a bell or the string terminator; never beyond the line
        Some(']' | 'P' | 'X' | '^' | '_') => {
            while let Some(c) = chars.next_if(|c| *c != '\n') {
                if c == '\u{7}' || (c == '\u{1b}' && chars.next_if_eq(&'\\').is_some()) {
                    return;
                }
            }
            return;
        }
        Some('(' | ')') => {}
        _ => return,
    }
    chars.next_if(|c| *c != '\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left() {
        let check = |bytes: &[u8], expected: &str| assert_eq!(readable(bytes), expected, "{bytes:?}");
        check(b"a\n\tb\n", "a\n\tb\n");
        check(b"a\r\nb\r", "a\nb");
        check(b"1%\r50%\r100%\ndone", "100%\ndone");
        check(b"\x1b[1;31mred\x1b[0m \x1b[2Kx", "red x");
        check(b"\x1b]0;title\x07a\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "alink");
        check(b"\x1b]never ends\nb", "\nb");
        check(b"\x1b[", "");
        check(b"\x1b[3\nb", "\nb");
        check(b"\x1b(Ba\x1b=b", "ab");
        check(b"ab\x08c\x07\0", "ac");
        check(b"\xff", "\u{fffd}");
    }
}
