use std::iter::Peekable;
use std::str::Chars;

/// What `$'…'` stands for; the quote that ends it is taken. Nothing if there is none.
pub(super) fn decode(chars: &mut Peekable<Chars<'_>>) -> Option<String> {
    let mut out = String::new();
    loop {
        match chars.next()? {
            '\'' => return Some(out),
            '\\' => out.push(escape(chars)?),
            c => out.push(c),
        }
    }
}

fn escape(chars: &mut Peekable<Chars<'_>>) -> Option<char> {
    Some(match chars.next()? {
        'n' => '\n',
        't' => '\t',
        'r' => '\r',
        'a' => '\u{7}',
        'b' => '\u{8}',
        'e' | 'E' => '\u{1b}',
        'f' => '\u{c}',
        'v' => '\u{b}',
        'x' => number(chars, 16, 2, 0),
        'u' => number(chars, 16, 4, 0),
        'U' => number(chars, 16, 8, 0),
        'c' => char::from_u32(u32::from(chars.next()?) & 0x1f).unwrap_or('\u{fffd}'),
        digit @ '0'..='7' => number(chars, 8, 2, digit.to_digit(8)?),
        c => c,
    })
}

fn number(chars: &mut Peekable<Chars<'_>>, radix: u32, most: usize, start: u32) -> char {
    let mut value = start;
    for _ in 0..most {
        let Some(digit) = chars.peek().and_then(|c| c.to_digit(radix)) else { break };
        value = value.wrapping_mul(radix).wrapping_add(digit);
        chars.next();
    }
    char::from_u32(value).unwrap_or('\u{fffd}')
}
