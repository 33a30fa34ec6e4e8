use super::lexer::{Lexed, Token, lex};
use super::unwrap::{Nested, unwrap};
use super::{MAX_COMMANDS, MAX_DEPTH, MAX_LINE, Word};

/// A command line taken apart.
#[derive(Debug, Default)]
pub(crate) struct Line {
    /// Every simple command that would run, those inside of others after them.
    pub(crate) commands: Vec<Simple>,
    /// Part of it could not be taken apart: what runs is not all in `commands`.
    pub(crate) is_opaque: bool,
    /// There is more to it than words: operators, redirections, substitutions, assignments, comments, several lines.
    pub(crate) has_syntax: bool,
    /// Texts that are programs in other languages, or that only a shell could make sense of.
    pub(crate) foreign: Vec<String>,
}

/// How a command hangs together with the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    /// It does not.
    None,
    /// It reads what that one writes.
    Pipe,
}

/// A program with its arguments.
#[derive(Debug, Clone)]
pub(crate) struct Simple {
    /// Variables that are set for it: name and value.
    pub(crate) assignments: Vec<(String, Word)>,
    /// The program and its arguments. Empty if only variables are set or files are made.
    pub(crate) words: Vec<Word>,
    /// Files that it is connected to.
    pub(crate) redirects: Vec<Redirect>,
    /// What a here-document or here-string gives it to read.
    pub(crate) input: Option<Word>,
    /// How it hangs together with the one before it.
    pub(crate) link: Link,
    /// The index of the command that it reads from, if that is known.
    pub(crate) reads_from: Option<usize>,
    /// The commands whose output its words hold, or whose output it reads as files.
    pub(crate) fed_by: Vec<usize>,
    /// The index of the command that would run it: `sudo`, `sh -c`, `find -exec`.
    pub(crate) parent: Option<usize>,
}

/// A file that a command is connected to.
#[derive(Debug, Clone)]
pub(crate) struct Redirect {
    /// `<`, `>`, `>>`, `<>`, `>|`, `>&`, `<&`, `&>`, `&>>`.
    pub(crate) operator: &'static str,
    /// Which file.
    pub(crate) target: Word,
}

impl Simple {
    /// The program's name as it is written, with its folder.
    pub(crate) fn program(&self) -> &str {
        self.words.first().map_or("", |word| word.text.as_str())
    }

    /// The program's name without its folder.
    pub(crate) fn name(&self) -> &str {
        base_name(self.program())
    }

    /// Its arguments.
    pub(crate) fn arguments(&self) -> &[Word] {
        self.words.get(1..).unwrap_or_default()
    }
}

pub(crate) fn base_name(program: &str) -> &str {
    program.rsplit(['/', '\\']).next().unwrap_or(program)
}

/// Takes a command line apart.
pub(crate) fn parse(text: &str) -> Line {
    let mut line = Line::default();
    if text.len() > MAX_LINE {
        line.is_opaque = true;
        line.has_syntax = true;
        line.foreign.push(text.to_owned());
        return line;
    }
    script(text, 0, None, &mut line);
    line.has_syntax |= line.commands.len() != 1;
    line
}

/// Words that the shell reads as part of its own language where a command could begin; a command follows them.
const BEFORE_COMMANDS: [&str; 11] = ["if", "then", "else", "elif", "while", "until", "do", "!", "{", "time", "coproc"];
/// Those that are followed by no command.
const ALONE: [&str; 5] = ["fi", "done", "esac", "}", ";;"];

/// Takes a script apart and adds its commands; gives their indices.
fn script(text: &str, depth: usize, parent: Option<usize>, line: &mut Line) -> Vec<usize> {
    if depth > MAX_DEPTH || line.commands.len() > MAX_COMMANDS {
        line.is_opaque = true;
        line.foreign.push(text.to_owned());
        return Vec::new();
    }
    let Lexed { tokens, is_broken, has_extras } = lex(text);
    line.has_syntax |= has_extras || is_broken;
    if is_broken {
        line.is_opaque = true;
        line.foreign.push(text.to_owned());
    }
    let mut made = Vec::new();
    let mut current = Pending::default();
    let mut link = Link::None;
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            Token::Word(word) => {
                // A group may stand behind a name: `coproc x { …`
                if is_plain(&word, "{") && !current.is_empty() {
                    line.has_syntax = true;
                    finish(std::mem::take(&mut current), link, depth, parent, line, &mut made);
                    link = Link::None;
                    continue;
                }
                current.word(word);
                line.has_syntax |= current.has_keyword;
            }
            Token::Redirect(operator) => {
                line.has_syntax = true;
                let Some(Token::Word(target)) = tokens.next_if(|token| matches!(token, Token::Word(_))) else {
                    line.is_opaque = true;
                    continue;
                };
                if operator == "<<<" {
                    current.input = Some(target);
                } else {
                    current.redirects.push(Redirect { operator, target });
                }
            }
            Token::Document(body) => {
                line.has_syntax = true;
                // Its body comes after the line; it belongs to the last command that has none
                match made.last().copied().filter(|_| current.is_empty()) {
                    Some(index) => attach(index, body, depth, line),
                    None => current.input = Some(body),
                }
            }
            Token::Operator(operator) => {
                line.has_syntax = true;
                // A function's name has brackets behind it; its body is looked at like everything else
                if operator != "\n" || !current.is_empty() {
                    finish(std::mem::take(&mut current), link, depth, parent, line, &mut made);
                }
                link = if operator == "|" { Link::Pipe } else { Link::None };
            }
        }
        if line.commands.len() > MAX_COMMANDS {
            line.is_opaque = true;
            line.foreign.push(text.to_owned());
            break;
        }
    }
    finish(current, link, depth, parent, line, &mut made);
    made
}

#[derive(Default)]
struct Pending {
    assignments: Vec<(String, Word)>,
    words: Vec<Word>,
    redirects: Vec<Redirect>,
    input: Option<Word>,
    /// A word of the shell's language stood before.
    has_keyword: bool,
    /// `for x in …`, `case x in`: words that run nothing.
    is_language: bool,
    /// The name of a function comes next.
    expects_name: bool,
}

impl Pending {
    fn is_empty(&self) -> bool {
        self.assignments.is_empty() && self.words.is_empty() && self.redirects.is_empty() && self.input.is_none()
    }

    fn word(&mut self, word: Word) {
        if std::mem::take(&mut self.expects_name) {
            return;
        }
        // `for x do …` needs no `;`
        if self.is_language && is_plain(&word, "do") {
            (self.is_language, self.words) = (false, Vec::new());
            return;
        }
        if self.words.is_empty() {
            let is_plain = word.is_literal() && !word.is_quoted;
            if is_plain && BEFORE_COMMANDS.iter().chain(&ALONE).any(|known| *known == word.text) {
                self.has_keyword = true;
                return;
            }
            if is_plain && word.text == "function" {
                (self.has_keyword, self.expects_name) = (true, true);
                return;
            }
            if is_plain && matches!(word.text.as_str(), "for" | "case" | "select") {
                self.is_language = true;
            }
            if let Some((name, value)) = assignment(&word) {
                self.assignments.push((name, value));
                return;
            }
        }
        self.words.push(word);
    }
}

fn is_plain(word: &Word, text: &str) -> bool {
    word.is_literal() && !word.is_quoted && word.text == text
}

/// `NAME=value`, and `NAME+=value`.
pub(super) fn assignment(word: &Word) -> Option<(String, Word)> {
    let (name, value) = word.text.split_once('=')?;
    let name = name.strip_suffix('+').unwrap_or(name);
    let name = name.split('[').next().unwrap_or(name);
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    is_name.then(|| (name.to_owned(), Word { text: value.to_owned(), ..word.clone() }))
}

fn finish(pending: Pending, link: Link, depth: usize, parent: Option<usize>, line: &mut Line, made: &mut Vec<usize>) {
    if pending.is_empty() {
        return;
    }
    let reads_from = made.last().copied().filter(|_| link == Link::Pipe);
    let Pending { assignments, words, redirects, input, is_language, .. } = pending;
    line.has_syntax |= !assignments.is_empty() || !redirects.is_empty() || input.is_some();
    let index = line.commands.len();
    let simple = Simple { assignments, words, redirects, input, link, reads_from, fed_by: Vec::new(), parent };
    made.push(index);
    line.commands.push(simple);
    feed(index, depth, line);
    if is_language {
        // Its words are names and values
        if let Some(simple) = line.commands.get_mut(index) {
            let is_loop = simple.words.first().is_some_and(|word| word.text != "case");
            if let Some(name) = simple.words.get(1).filter(|_| is_loop).cloned() {
                // A loop sets its variable
                simple.assignments.push((name.text.clone(), Word { text: String::new(), is_unknown: true, ..name }));
            }
            simple.words.truncate(1);
        }
        return;
    }
    nested(index, depth, line);
}

/// Takes apart what stands in substitutions.
fn feed(index: usize, depth: usize, line: &mut Line) {
    let Some(simple) = line.commands.get(index) else { return };
    let words = simple.words.iter().chain(simple.assignments.iter().map(|(_, value)| value));
    let words = words.chain(simple.redirects.iter().map(|redirect| &redirect.target)).chain(&simple.input);
    let scripts = words.flat_map(|word| word.scripts.clone()).collect::<Vec<_>>();
    for text in scripts {
        line.has_syntax = true;
        let fed = script(&text, depth + 1, None, line);
        if let Some(simple) = line.commands.get_mut(index) {
            simple.fed_by.extend(fed);
        }
    }
}

/// Takes apart what a command runs in turn.
fn nested(index: usize, depth: usize, line: &mut Line) {
    let Some(simple) = line.commands.get(index) else { return };
    for inner in unwrap(simple) {
        match inner {
            Nested::Arguments(words) => {
                if depth >= MAX_DEPTH || line.commands.len() > MAX_COMMANDS {
                    line.is_opaque = true;
                    continue;
                }
                let (mut pending, mut program) = (Pending::default(), words.into_iter());
                // `env A=b c`, `sudo A=b c`
                for word in program.by_ref() {
                    match assignment(&word) {
                        Some(set) => pending.assignments.push(set),
                        None => {
                            pending.words.push(word);
                            break;
                        }
                    }
                }
                pending.words.extend(program.map(|word| Word { scripts: Vec::new(), ..word }));
                let (link, reads_from) =
                    line.commands.get(index).map_or((Link::None, None), |s| (s.link, s.reads_from));
                let mut made = Vec::new();
                finish(pending, Link::None, depth + 1, Some(index), line, &mut made);
                let fed_by = line.commands.get(index).map(|simple| simple.fed_by.clone()).unwrap_or_default();
                if let Some(simple) = made.first().and_then(|made| line.commands.get_mut(*made)) {
                    (simple.link, simple.reads_from) = (link, reads_from);
                    simple.fed_by.extend(fed_by);
                }
            }
            Nested::Script(text) => {
                script(&text, depth + 1, Some(index), line);
            }
            Nested::Foreign(text) => line.foreign.push(text),
            Nested::Unknown => line.is_opaque = true,
        }
    }
}

/// Gives a command a here-document that stood behind it.
fn attach(index: usize, body: Word, depth: usize, line: &mut Line) {
    let scripts = body.scripts.clone();
    if let Some(simple) = line.commands.get_mut(index) {
        simple.input = Some(body);
    }
    for text in scripts {
        let fed = script(&text, depth + 1, None, line);
        if let Some(simple) = line.commands.get_mut(index) {
            simple.fed_by.extend(fed);
        }
    }
    nested(index, depth, line);
}
