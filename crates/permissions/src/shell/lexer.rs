use std::iter::Peekable;
use std::str::Chars;

use super::Word;
use super::ansi;

/// A piece of a command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    Word(Word),
    /// `;`, `&`, `&&`, `||`, `|`, `|&`, a line end, `(`, `)`, `;;`.
    Operator(&'static str),
    /// `<`, `>`, `>>`, `<>`, `>|`, `>&`, `<&`, `&>`, `&>>`, `<<<`; the target is the next word.
    Redirect(&'static str),
    /// A here-document with its body.
    Document(Word),
}

/// What a text consists of.
#[derive(Debug, Default)]
pub(super) struct Lexed {
    pub(super) tokens: Vec<Token>,
    /// It ends within quotes or brackets, or holds what no line should.
    pub(super) is_broken: bool,
    /// There is a comment or a continued line in it.
    pub(super) has_extras: bool,
}

struct Lexer<'a> {
    chars: Peekable<Chars<'a>>,
    lexed: Lexed,
    /// The word that is being read, if one is.
    word: Option<Word>,
    /// Here-documents whose bodies begin at the next line: the delimiter, whether it is quoted, and `<<-`.
    documents: Vec<(String, bool, bool)>,
    expects_delimiter: Option<bool>,
}

pub(super) fn lex(text: &str) -> Lexed {
    let mut lexer = Lexer {
        chars: text.chars().peekable(),
        lexed: Lexed::default(),
        word: None,
        documents: Vec::new(),
        expects_delimiter: None,
    };
    lexer.run();
    lexer.lexed
}

impl Lexer<'_> {
    fn run(&mut self) {
        while let Some(c) = self.chars.next() {
            match c {
                ' ' | '\t' => self.end_word(),
                '\r' if self.chars.peek() == Some(&'\n') => self.end_word(),
                '\n' => {
                    self.end_word();
                    self.lexed.is_broken |= self.expects_delimiter.take().is_some();
                    self.operator("\n");
                    self.read_documents();
                }
                '#' if self.word.is_none() => {
                    self.lexed.has_extras = true;
                    while self.chars.peek().is_some_and(|c| *c != '\n') {
                        self.chars.next();
                    }
                }
                '\'' => self.single_quotes(),
                '"' => self.double_quotes(),
                '\\' => self.backslash(),
                '$' => self.dollar(true),
                '`' => self.backticks(),
                ';' | '&' | '|' | '(' | ')' | '<' | '>' => self.sign(c),
                '*' | '?' | ']' => {
                    let word = self.word();
                    // `[` alone is a program
                    word.has_glob |= c != ']' || word.text.contains('[');
                    word.text.push(c);
                }
                '{' | ',' | '}' | '.' => self.brace_part(c),
                c => {
                    if c.is_control() {
                        self.lexed.is_broken = true;
                    }
                    self.word().text.push(c);
                }
            }
        }
        self.end_word();
        self.lexed.is_broken |= self.expects_delimiter.is_some();
        if !self.documents.is_empty() {
            self.read_documents();
        }
    }

    fn word(&mut self) -> &mut Word {
        self.word.get_or_insert_default()
    }

    fn end_word(&mut self) {
        let Some(word) = self.word.take() else { return };
        if let Some(strips) = self.expects_delimiter.take() {
            self.documents.push((word.text, word.is_quoted || word.is_disguised, strips));
            return;
        }
        self.lexed.tokens.push(Token::Word(word));
    }

    fn operator(&mut self, operator: &'static str) {
        self.lexed.tokens.push(Token::Operator(operator));
    }

    fn takes(&mut self, next: char) -> bool {
        self.chars.next_if_eq(&next).is_some()
    }

    fn sign(&mut self, c: char) {
        // `2>` and `{fd}>`: the number is not a word of its own
        if matches!(c, '<' | '>')
            && self.word.as_ref().is_some_and(|word| {
                !word.is_quoted && !word.text.is_empty() && word.text.bytes().all(|b| b.is_ascii_digit())
            })
        {
            self.word = None;
        }
        self.end_word();
        self.lexed.is_broken |= self.expects_delimiter.take().is_some();
        match c {
            ';' => {
                let operator = if self.takes(';') { ";;" } else { ";" };
                self.operator(operator);
            }
            '&' if self.takes('&') => self.operator("&&"),
            '&' if self.takes('>') => {
                let redirect = if self.takes('>') { "&>>" } else { "&>" };
                self.lexed.tokens.push(Token::Redirect(redirect));
            }
            '&' => self.operator("&"),
            '|' if self.takes('|') => self.operator("||"),
            '|' => {
                self.takes('&');
                self.operator("|");
            }
            '(' => self.operator("("),
            ')' => self.operator(")"),
            '<' => self.less(),
            _ => self.greater(),
        }
    }

    fn less(&mut self) {
        if self.takes('(') {
            self.substitution(true);
        } else if self.takes('<') {
            if self.takes('<') {
                self.lexed.tokens.push(Token::Redirect("<<<"));
            } else {
                let strips = self.takes('-');
                self.expects_delimiter = Some(strips);
            }
        } else {
            let redirect = if self.takes('>') {
                "<>"
            } else if self.takes('&') {
                "<&"
            } else {
                "<"
            };
            self.lexed.tokens.push(Token::Redirect(redirect));
        }
    }

    fn greater(&mut self) {
        if self.takes('(') {
            self.substitution(true);
            return;
        }
        let redirect = if self.takes('>') {
            ">>"
        } else if self.takes('&') {
            ">&"
        } else if self.takes('|') {
            ">|"
        } else {
            ">"
        };
        self.lexed.tokens.push(Token::Redirect(redirect));
    }

    fn single_quotes(&mut self) {
        let before = self.word().text.len();
        loop {
            match self.chars.next() {
                Some('\'') => break,
                Some(c) => self.word().text.push(c),
                None => {
                    self.lexed.is_broken = true;
                    break;
                }
            }
        }
        self.close_quote(before);
    }

    /// After the second quote of a pair: `before` is how long the word was at the first.
    fn close_quote(&mut self, before: usize) {
        let goes_on = self.chars.peek().is_some_and(|c| !c.is_whitespace() && !";&|<>()".contains(*c));
        let word = self.word();
        word.is_disguised |= before > 0 || goes_on;
        word.is_quoted = true;
    }

    fn double_quotes(&mut self) {
        let before = self.word().text.len();
        loop {
            match self.chars.next() {
                Some('"') => break,
                Some('\\') => match self.chars.next() {
                    Some('\n') => self.lexed.has_extras = true,
                    Some(c @ ('$' | '`' | '"' | '\\')) => self.word().text.push(c),
                    Some(c) => self.word().text.extend(['\\', c]),
                    None => self.lexed.is_broken = true,
                },
                Some('$') => self.dollar(false),
                Some('`') => self.backticks(),
                Some(c) => self.word().text.push(c),
                None => {
                    self.lexed.is_broken = true;
                    break;
                }
            }
        }
        self.close_quote(before);
    }

    fn backslash(&mut self) {
        match self.chars.next() {
            Some('\n') => self.lexed.has_extras = true,
            Some(c) => {
                let word = self.word();
                // `\;` and `\ ` are how people write these; a letter needs no backslash
                word.is_disguised |= c.is_alphanumeric();
                word.is_quoted = true;
                word.text.push(c);
            }
            None => self.lexed.is_broken = true,
        }
    }

    fn dollar(&mut self, unquoted: bool) {
        match self.chars.peek().copied() {
            Some('(') => {
                self.chars.next();
                self.substitution(false);
            }
            Some('{') => {
                self.chars.next();
                self.braces_of_variable();
            }
            Some('\'') if unquoted => {
                self.chars.next();
                match ansi::decode(&mut self.chars) {
                    Some(text) => {
                        let word = self.word();
                        word.text.push_str(&text);
                        (word.is_disguised, word.is_quoted) = (true, true);
                    }
                    None => self.lexed.is_broken = true,
                }
            }
            Some('"') if unquoted => {
                self.chars.next();
                self.double_quotes();
                self.word().is_disguised = true;
            }
            Some(c) if c.is_ascii_alphabetic() || c == '_' => {
                let mut name = String::from('$');
                while let Some(c) = self.chars.next_if(|c| c.is_ascii_alphanumeric() || *c == '_') {
                    name.push(c);
                }
                self.unknown(&name);
            }
            Some(c) if c.is_ascii_digit() || "@*#?-$!".contains(c) => {
                self.chars.next();
                self.unknown(&format!("${c}"));
            }
            _ => self.word().text.push('$'),
        }
    }

    fn unknown(&mut self, shown: &str) {
        let word = self.word();
        word.is_unknown = true;
        word.text.push_str(shown);
    }

    /// `$(…)`, `<(…)`, `>(…)`: the bracket is taken.
    fn substitution(&mut self, is_process: bool) {
        let Some(script) = self.until_bracket() else {
            self.lexed.is_broken = true;
            return;
        };
        let word = self.word();
        word.is_unknown = true;
        word.text.push_str("$()");
        // `$((1+2))` counts, and may hold a substitution itself
        match script.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')) {
            Some(inner) if !is_process => self.scripts_of(inner),
            _ => self.word().scripts.push(script),
        }
    }

    /// The text up to the bracket that closes one that was taken.
    fn until_bracket(&mut self) -> Option<String> {
        let (mut script, mut depth) = (String::new(), 1usize);
        let mut quote = None;
        loop {
            let c = self.chars.next()?;
            if quote.is_none() && c == '#' && script.ends_with(|c: char| c.is_whitespace() || ";&|(".contains(c)) {
                // No bracket in a comment closes anything
                while let Some(c) = self.chars.next_if(|c| *c != '\n') {
                    let _ = c;
                }
                continue;
            }
            if c == ')' && quote.is_none() && ends_in_case(&script) {
                // The bracket may belong to a pattern, and what follows it be still inside
                self.lexed.is_broken = true;
            }
            match (quote, c) {
                (_, '\\') if quote != Some('\'') => {
                    script.push(c);
                    script.push(self.chars.next()?);
                    continue;
                }
                (Some(open), c) if c == open => quote = None,
                // A substitution in double quotes has quotes of its own; brackets are counted all the same
                (None, '\'' | '"') => quote = Some(c),
                (None | Some('"'), '(') => depth += 1,
                (None | Some('"'), ')') => {
                    depth -= 1;
                    if depth == 0 {
                        return Some(script);
                    }
                }
                _ => {}
            }
            script.push(c);
        }
    }

    /// `${…}`: the brace is taken.
    fn braces_of_variable(&mut self) {
        let (mut inner, mut depth) = (String::new(), 1usize);
        loop {
            let Some(c) = self.chars.next() else {
                self.lexed.is_broken = true;
                return;
            };
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                break;
            }
            inner.push(c);
        }
        let name = inner.trim_start_matches(['!', '#']).chars();
        let name = name.take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect::<String>();
        self.unknown(&format!("${{{name}}}"));
        self.scripts_of(&inner);
    }

    /// Adds the scripts of the substitutions in a text to the word.
    fn scripts_of(&mut self, text: &str) {
        if text.contains("$(") || text.contains('`') {
            let (scripts, is_broken) = scripts_in(text);
            self.word().scripts.extend(scripts);
            self.lexed.is_broken |= is_broken;
        }
    }

    fn backticks(&mut self) {
        let mut script = String::new();
        loop {
            match self.chars.next() {
                Some('`') => break,
                Some('\\') => match self.chars.next() {
                    Some(c @ ('`' | '\\' | '$')) => script.push(c),
                    Some(c) => script.extend(['\\', c]),
                    None => self.lexed.is_broken = true,
                },
                Some(c) => script.push(c),
                None => {
                    self.lexed.is_broken = true;
                    break;
                }
            }
        }
        let word = self.word();
        word.is_unknown = true;
        word.text.push_str("$()");
        word.scripts.push(script);
    }

    /// `{a,b}` and `{1..9}` stand for several words, `{}` and `HEAD@{1}` for themselves.
    fn brace_part(&mut self, c: char) {
        let next_is_dot = c == '.' && self.chars.peek() == Some(&'.');
        let word = self.word();
        word.text.push(c);
        let is_open = word.text.contains('{');
        if is_open && (c == ',' || next_is_dot) {
            word.has_braces = true;
        }
    }

    fn read_documents(&mut self) {
        for (delimiter, is_quoted, strips) in std::mem::take(&mut self.documents) {
            let mut body = String::new();
            let mut is_closed = false;
            while self.chars.peek().is_some() {
                let mut line = String::new();
                for c in self.chars.by_ref() {
                    if c == '\n' {
                        break;
                    }
                    line.push(c);
                }
                let shown = if strips { line.trim_start_matches('\t') } else { &line };
                if shown == delimiter {
                    is_closed = true;
                    break;
                }
                body.push_str(&line);
                body.push('\n');
            }
            self.lexed.is_broken |= !is_closed;
            let mut word = Word { text: body, is_quoted: true, ..Word::default() };
            if !is_quoted && word.text.contains(['$', '`']) {
                // What the shell puts in place runs before
                let (scripts, is_broken) = scripts_in(&word.text);
                word.is_unknown = true;
                word.scripts = scripts;
                self.lexed.is_broken |= is_broken;
            }
            self.lexed.tokens.push(Token::Document(word));
        }
    }
}

/// Whether a `case` stands in a script that no `esac` ends yet.
fn ends_in_case(script: &str) -> bool {
    let mut words = script.split(|c: char| c.is_whitespace() || ";&|(){}`".contains(c));
    words.any(|word| word == "case") && !script.trim_end().ends_with("esac")
}

/// The scripts of the substitutions in a text without quotes of its own.
fn scripts_in(text: &str) -> (Vec<String>, bool) {
    let quoted = format!("\"{}\"", text.replace('"', "\\\""));
    let lexed = lex(&quoted);
    let scripts = lexed.tokens.into_iter().filter_map(|token| match token {
        Token::Word(word) => Some(word.scripts),
        _ => None,
    });
    (scripts.flatten().collect(), lexed.is_broken)
}
