//! What a script for `sed` does. It is read by the grammar of sed, and whatever is not known to be harmless is not.

use std::iter::Peekable;
use std::str::Chars;

use mimir_shared_config::Risk;

use super::files::Touch;
use super::programs::Look;
use crate::shell::Word;

/// Looks at a call of `sed`.
pub(super) fn sed(look: &mut Look<'_>) {
    let Call { scripts, files, in_place, from_file } = call(look.simple.arguments());
    if in_place {
        look.reasons.add(Risk::Medium, "changes files");
        for word in &files {
            look.touch(word, Touch::Write);
        }
    }
    if from_file {
        look.reasons.add(Risk::Medium, "a file says what `sed` does");
    }
    if scripts.iter().any(|script| script.is_unknown) {
        look.reasons.add(Risk::Medium, "a variable decides what `sed` does");
    }
    let script = scripts.iter().map(|script| script.text.as_str()).collect::<Vec<_>>().join("\n");
    match does(&script) {
        Does::Prints => {}
        Does::Reads => look.reasons.add(Risk::Medium, "`sed` would read other files"),
        Does::Writes => look.reasons.add(Risk::High, "`sed` would write files"),
        Does::Runs => look.reasons.add(Risk::High, "`sed` would run programs"),
        Does::Unknown => look.reasons.add(Risk::High, "it can't be told what the script for `sed` does"),
    }
}

#[derive(Default)]
struct Call {
    scripts: Vec<Word>,
    files: Vec<Word>,
    in_place: bool,
    from_file: bool,
}

fn call(arguments: &[Word]) -> Call {
    let mut call = Call::default();
    let mut operands = Vec::new();
    let mut words = arguments.iter();
    let part = |word: &Word, text: &str| Word { text: text.to_owned(), ..word.clone() };
    while let Some(word) = words.next() {
        let text = word.text.as_str();
        if text == "--" {
            operands.extend(words.by_ref().cloned());
        } else if let Some(long) = text.strip_prefix("--") {
            let (name, value) = long.split_once('=').map_or((long, None), |(name, value)| (name, Some(value)));
            let is = |option: &str| !name.is_empty() && option.starts_with(name);
            if is("expression") {
                call.scripts.extend(value.map(|value| part(word, value)).or_else(|| words.next().cloned()));
            } else if is("file") {
                call.from_file = true;
                if value.is_none() {
                    words.next();
                }
            } else if is("in-place") {
                call.in_place = true;
            } else if is("line-length") && value.is_none() {
                words.next();
            }
        } else if text.len() > 1 && text.starts_with('-') {
            for (at, letter) in text.char_indices().skip(1) {
                let rest = text.get(at + letter.len_utf8()..).unwrap_or_default();
                match letter {
                    'e' if rest.is_empty() => call.scripts.extend(words.next().cloned()),
                    'e' => call.scripts.push(part(word, rest)),
                    'f' => {
                        call.from_file = true;
                        if rest.is_empty() {
                            words.next();
                        }
                    }
                    'l' if rest.is_empty() => drop(words.next()),
                    'i' | 'I' => call.in_place = true,
                    'l' => {}
                    _ => continue,
                }
                break;
            }
        } else {
            operands.push(word.clone());
        }
    }
    if call.scripts.is_empty() && !call.from_file {
        // `sed -i '' script`, as on a Mac
        let empty = operands.iter().take_while(|word| call.in_place && word.text.is_empty()).count();
        let rest = operands.split_off((empty + 1).min(operands.len()));
        call.scripts = std::mem::replace(&mut operands, rest);
    }
    call.files = operands;
    call
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Does {
    Prints,
    Reads,
    Writes,
    Runs,
    Unknown,
}

fn does(script: &str) -> Does {
    let mut chars = script.chars().peekable();
    let mut worst = Does::Prints;
    loop {
        while chars.next_if(|c| c.is_whitespace() || matches!(c, ';' | '{' | '}')).is_some() {}
        if chars.peek().is_none() {
            return worst;
        }
        match command(&mut chars) {
            Some(does) if does < Does::Writes => worst = worst.max(does),
            Some(does) => return does,
            None => return Does::Unknown,
        }
    }
}

/// One command with its addresses. Nothing where it is not understood.
fn command(chars: &mut Peekable<Chars<'_>>) -> Option<Does> {
    if address(chars)? {
        blanks(chars);
        if chars.next_if_eq(&',').is_some() {
            blanks(chars);
            chars.next_if(|c| matches!(c, '+' | '~'));
            address(chars)?.then_some(())?;
        }
    }
    while chars.next_if(|c| *c == '!' || c.is_whitespace()).is_some() {}
    match chars.next()? {
        '{' | '}' => return Some(Does::Prints),
        '#' => {
            while chars.next_if(|c| *c != '\n').is_some() {}
            return Some(Does::Prints);
        }
        'p' | 'P' | 'd' | 'D' | 'n' | 'N' | 'g' | 'G' | 'h' | 'H' | 'x' | 'z' | '=' | 'F' => {}
        'l' | 'L' | 'q' | 'Q' => {
            blanks(chars);
            digits(chars);
        }
        ':' | 'b' | 't' | 'T' => {
            blanks(chars);
            while chars.next_if(|c| !c.is_whitespace() && !matches!(c, ';' | '}')).is_some() {}
        }
        's' => {
            let delimiter = chars.next()?;
            until(chars, delimiter)?;
            until(chars, delimiter)?;
            while let Some(flag) = chars.next_if(char::is_ascii_alphanumeric) {
                match flag {
                    'g' | 'p' | 'i' | 'I' | 'm' | 'M' | '0'..='9' => {}
                    'e' => return Some(Does::Runs),
                    'w' => return Some(Does::Writes),
                    _ => return None,
                }
            }
        }
        'y' => {
            let delimiter = chars.next()?;
            until(chars, delimiter)?;
            until(chars, delimiter)?;
        }
        'a' | 'i' | 'c' => return text(chars),
        'r' | 'R' => {
            while chars.next_if(|c| *c != '\n').is_some() {}
            return Some(Does::Reads);
        }
        'w' | 'W' => return Some(Does::Writes),
        'e' => return Some(Does::Runs),
        _ => return None,
    }
    blanks(chars);
    matches!(chars.peek(), None | Some('\n' | ';' | '}' | '#')).then_some(Does::Prints)
}

/// Whether there was an address. Nothing where it does not end.
fn address(chars: &mut Peekable<Chars<'_>>) -> Option<bool> {
    match chars.peek() {
        Some('0'..='9') => {
            digits(chars);
            if chars.next_if_eq(&'~').is_some() {
                digits(chars);
            }
        }
        Some('$') => drop(chars.next()),
        Some('/') => {
            chars.next();
            until(chars, '/')?;
            while chars.next_if(|c| matches!(c, 'I' | 'M')).is_some() {}
        }
        Some('\\') => {
            chars.next();
            let delimiter = chars.next()?;
            until(chars, delimiter)?;
            while chars.next_if(|c| matches!(c, 'I' | 'M')).is_some() {}
        }
        _ => return Some(false),
    }
    Some(true)
}

/// The text of `a`, `i` and `c`: the rest of the line, or the line after a backslash. Where it would go on, it is not
/// understood.
fn text(chars: &mut Peekable<Chars<'_>>) -> Option<Does> {
    blanks(chars);
    if chars.next_if_eq(&'\\').is_some() {
        blanks(chars);
        chars.next_if_eq(&'\n');
    }
    let mut last = ' ';
    while let Some(c) = chars.next_if(|c| *c != '\n') {
        last = c;
    }
    (last != '\\' || chars.peek().is_none()).then_some(Does::Prints)
}

/// Up to a delimiter that no backslash stands before. Within brackets some take it for a character and some do not: that
/// is not understood.
fn until(chars: &mut Peekable<Chars<'_>>, delimiter: char) -> Option<()> {
    if matches!(delimiter, '\n' | '\\' | '[' | ']') {
        return None;
    }
    let mut is_in_brackets = false;
    loop {
        match chars.next()? {
            c if c == delimiter => return (!is_in_brackets).then_some(()),
            '[' if !is_in_brackets => {
                is_in_brackets = true;
                chars.next_if_eq(&'^');
                chars.next_if_eq(&']');
            }
            ']' => is_in_brackets = false,
            // In brackets it stands for itself, for some
            '\\' if is_in_brackets && matches!(chars.peek(), Some(']')) => return None,
            '\\' => drop(chars.next()?),
            _ => {}
        }
    }
}

fn blanks(chars: &mut Peekable<Chars<'_>>) {
    while chars.next_if(|c| matches!(c, ' ' | '\t')).is_some() {}
}

fn digits(chars: &mut Peekable<Chars<'_>>) {
    while chars.next_if(char::is_ascii_digit).is_some() {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_scripts_do() {
        let check = |expected: Does, scripts: &[&str]| {
            scripts.iter().for_each(|script| assert_eq!(does(script), expected, "{script}"));
        };
        check(
            Does::Prints,
            &[
                "",
                "1,20p",
                "$d",
                "/a/,/b/p",
                "/a\\/e/d",
                "s/a/b/",
                "s,/e,/w,g",
                "s/e /w /2p",
                "\\,x,d",
                "1~2p;$!d",
                "/x/{n;p}",
                "/x/I,+3p",
                "y/abc/xyz/",
                "s/[a-z]*[^]x]/[&]/g",
                ":a;N;$!ba;s/\\n/ /g",
                "a e touch x",
                "1i\\\nw x\np",
                "5q",
                "# e\np",
                "/start/,/end/{ /x/!d }",
            ],
        );
        check(Does::Reads, &["1r /etc/passwd", "$R x\np"]);
        check(Does::Writes, &["w x", "1wx", "s/a/b/w x", "s,a,b,gw x", "$!W x", "/a/{w x\n}"]);
        check(
            Does::Runs,
            &["e", "1e id", "1eid", "s,a,b,e", "s/a/b/2;1e id", "s/a/id/ge", "$!N;$eid", "1{e id\n}", "a x\ne id"],
        );
        check(
            Does::Unknown,
            &[
                "s/[/]/x/;p",
                "s/[/]/#/e",
                "s/a[^]/]/#/e",
                "s/a/b",
                "s\na\nb\ne",
                "/x",
                "a x\\\\\\\ne id",
                "v",
                "s/a/b/k",
                "?",
            ],
        );
    }
}
