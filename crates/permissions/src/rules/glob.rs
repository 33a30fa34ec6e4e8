/// A pattern of one name: `*` is any run of characters, `?` any one, and `\` takes a wildcard by its word.
#[derive(Debug)]
pub(crate) struct Glob(Vec<Token>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Literal(char),
    Any,
    Run,
}

impl Glob {
    pub(crate) fn new(pattern: &str) -> Self {
        let mut tokens = Vec::new();
        let mut chars = pattern.chars().peekable();
        while let Some(c) = chars.next() {
            tokens.push(match c {
                '*' => Token::Run,
                '?' => Token::Any,
                '\\' if chars.peek().is_some_and(|c| matches!(c, '*' | '?' | '\\')) => {
                    Token::Literal(chars.next().unwrap_or('\\'))
                }
                c => Token::Literal(c),
            });
        }
        Self(tokens)
    }

    /// Whether it matches the whole text. With one point of return, so that no pattern makes it slow.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let text = text.chars().collect::<Vec<_>>();
        let (mut p, mut t) = (0, 0);
        let mut retry = None;
        while let Some(found) = text.get(t) {
            match self.0.get(p) {
                Some(Token::Run) => {
                    retry = Some((p + 1, t));
                    p += 1;
                    continue;
                }
                Some(Token::Any) => {}
                Some(Token::Literal(wanted)) if wanted == found => {}
                _ => {
                    let Some((after, from)) = retry else { return false };
                    (p, t) = (after, from + 1);
                    retry = Some((after, t));
                    continue;
                }
            }
            p += 1;
            t += 1;
        }
        self.0.get(p..).is_none_or(|rest| rest.iter().all(|token| *token == Token::Run))
    }
}

/// A text in which no wildcard is one.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '*' | '?' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}
