/// A pattern for a whole text: `*` is any run of characters, `?` any one character, `\` takes the next one as it is.
/// There are no classes and no alternatives, since command lines are full of brackets and braces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Glob(Vec<Token>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Run,
    Any,
    Literal(char),
}

impl Glob {
    pub(crate) fn new(pattern: &str) -> Self {
        let mut tokens = Vec::new();
        let mut chars = pattern.chars();
        while let Some(c) = chars.next() {
            match c {
                '*' if tokens.last() == Some(&Token::Run) => {}
                '*' => tokens.push(Token::Run),
                '?' => tokens.push(Token::Any),
                '\\' => tokens.push(Token::Literal(chars.next().unwrap_or('\\'))),
                c => tokens.push(Token::Literal(c)),
            }
        }
        Self(tokens)
    }

    /// Whether the whole of `text` matches.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let text = text.chars().map(Token::Literal).collect::<Vec<_>>();
        covers(&self.0, &text)
    }

    /// Whether all that `other` matches is matched by this one too. Exact but for rare patterns that mix `*` and `?`,
    /// where it may say no although it is so.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        covers(&self.0, &other.0)
    }
}

/// Matches `text`, which may hold wildcards itself, against `pattern`: a run in `text` is only covered by a run, any one
/// character by a run or by any one. Greedy with one point of return, so at most pattern × text steps.
fn covers(pattern: &[Token], text: &[Token]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut retry = None;
    while t < text.len() {
        match (pattern.get(p), text[t]) {
            (Some(Token::Run), _) => {
                retry = Some((p + 1, t));
                p += 1;
            }
            (Some(Token::Any), Token::Any | Token::Literal(_)) => {
                p += 1;
                t += 1;
            }
            (Some(Token::Literal(wanted)), Token::Literal(found)) if *wanted == found => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((after_run, from)) = retry else { return false };
                p = after_run;
                t = from + 1;
                retry = Some((after_run, t));
            }
        }
    }
    pattern[p..].iter().all(|token| *token == Token::Run)
}

#[cfg(test)]
mod tests {
    use super::Glob;

    #[test]
    fn matches_the_whole_text() {
        let check = |pattern: &str, text: &str, expected: bool| {
            assert_eq!(Glob::new(pattern).matches(text), expected, "{pattern} on {text}");
        };
        check("npm test", "npm test", true);
        check("npm test", "npm test --watch", false);
        check("npm *", "npm run build", true);
        check("npm *", "npm", false);
        check("*", "", true);
        check("a*b*c", "aXbYbZc", true);
        check("a*b*c", "aXbYbZ", false);
        check("a?c", "abc", true);
        check("a?c", "ac", false);
        check(r"a\*", "a*", true);
        check(r"a\*", "ab", false);
        check("git *", "git log\nrm", true);
        check("é*", "éa", true);
        check("[a]", "a", false);
    }

    #[test]
    fn covers_what_is_no_wider() {
        let check = |wide: &str, narrow: &str, expected: bool| {
            assert_eq!(Glob::new(wide).covers(&Glob::new(narrow)), expected, "{wide} over {narrow}");
        };
        check("npm *", "npm test", true);
        check("npm *", "npm run *", true);
        check("npm run *", "npm *", false);
        check("npm *", "*", false);
        check("*", "*", true);
        check("?", "*", false);
        check("*a", "*ba", true);
        check("a?", "a?", true);
        check("a?", "ab", true);
        check("ab", "a?", false);
        check("*a*", "a", true);
    }

    #[test]
    fn stays_fast_on_hostile_patterns() {
        let pattern = "*a".repeat(2_000) + "b";
        assert!(!Glob::new(&pattern).matches(&"a".repeat(20_000)));
    }
}
