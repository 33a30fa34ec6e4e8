use thiserror::Error;

/// A line of arguments with a quote that does not end.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("a quote ({0}) is not closed; write \\{0} for one that is none")]
pub(crate) struct OpenQuote(char);

/// The words of a line, as a shell makes them: separated by white space, `'…'` and `"…"` keep words together, and a
/// backslash takes the meaning of what follows. There are no comments and no variables.
pub(crate) fn split(line: &str) -> Result<Vec<String>, OpenQuote> {
    let mut words = Vec::new();
    // Nothing between words, so that an empty pair of quotes is a word
    let mut word: Option<String> = None;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_whitespace() => words.extend(word.take()),
            '\\' => word.get_or_insert_default().push(chars.next().unwrap_or('\\')),
            '\'' | '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some(end) if end == c => break,
                        Some('\\') if c == '"' && matches!(chars.peek(), Some('"' | '\\')) => word.extend(chars.next()),
                        Some(inner) => word.push(inner),
                        None => return Err(OpenQuote(c)),
                    }
                }
            }
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn makes_words_as_a_shell_does() {
        let check = |line: &str, expected: Result<&[&str], char>| {
            let expected = expected.map(|words| words.iter().map(|word| (*word).to_owned()).collect());
            assert_eq!(split(line), expected.map_err(OpenQuote), "{line:?}");
        };
        check("", Ok(&[]));
        check("  \t\n ", Ok(&[]));
        check("a  b\tc\nd", Ok(&["a", "b", "c", "d"]));
        check("'a b' \"c d\"", Ok(&["a b", "c d"]));
        check("x='a b'y", Ok(&["x=a by"]));
        check("'' \"\"", Ok(&["", ""]));
        check(r"a\ b \' \\", Ok(&["a b", "'", r"\"]));
        check(r#""a\"b\\c\d" 'a\'"#, Ok(&[r#"a"b\c\d"#, r"a\"]));
        check("#12 $HOME `x` *", Ok(&["#12", "$HOME", "`x`", "*"]));
        check("größe\u{3000}🎉", Ok(&["größe", "🎉"]));
        check("a\\", Ok(&["a\\"]));
        check("don't", Err('\''));
        check("say \"hi", Err('"'));
    }
}
