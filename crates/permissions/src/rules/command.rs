//! Patterns of command lines.
//!
//! To allow, a line has to be one plain command: whatever a shell would read more into it than words, no pattern means.
//! To block, it is enough that one command within it is meant, or may be.

use mimir_shared_config::{Risk, dangerous_options};

use super::Glob;
use super::glob::escaped;
use crate::shell::{Line, Simple, Word, base_name, interpreter, is_shell};

/// Whether a line is one command that says itself what it is: no operators, redirections, substitutions, variables,
/// assignments, comments, and nothing that a shell would replace by other words.
pub(super) fn is_plain(text: &str, line: &Line) -> bool {
    let [simple] = line.commands.as_slice() else { return false };
    let is_plain_word = |word: &Word| {
        // A name that a wildcard finds may begin with `-`
        let glob_is_safe = !word.has_glob || !word.text.starts_with(['*', '?', '[', '-']);
        !word.is_unknown && !word.has_braces && glob_is_safe && !word.text.chars().any(char::is_control)
    };
    !line.is_opaque
        && !line.has_syntax
        && line.foreign.is_empty()
        && !text.chars().any(|c| c.is_control() && c != '\t')
        && simple.assignments.is_empty()
        && simple.redirects.is_empty()
        && simple.input.is_none()
        && simple.words.iter().all(is_plain_word)
        && simple.words.first().is_some_and(|program| program.is_literal() && !program.is_disguised)
}

/// Whether a pattern allows a line. A `*` at the end is any number of words, in the middle it is one; options that make a
/// program run or overwrite something else have to be named.
pub(super) fn allows(pattern: &str, text: &str, line: &Line) -> bool {
    if !is_plain(text, line) {
        return false;
    }
    let Some(simple) = line.commands.first() else { return false };
    let words = simple.words.iter().map(|word| word.text.clone()).collect::<Vec<_>>();
    let wanted = pattern.split_whitespace().collect::<Vec<_>>();
    let Some((last, first)) = wanted.split_last() else { return false };
    // A program is named letter for letter
    if wanted.first().is_some_and(|program| program.contains(['*', '?'])) {
        return false;
    }
    let meets = |pattern: &&str, word: &String| Glob::new(pattern).matches(word);
    let is_open = last.ends_with('*') && !last.ends_with("\\*");
    let fits = match is_open {
        true => {
            let head_fits =
                words.len() >= first.len() && first.iter().zip(&words).all(|(pattern, word)| meets(pattern, word));
            let next = words.get(first.len());
            head_fits && (*last == "*" || next.is_some_and(|word| meets(last, word)))
        }
        false => words.len() == wanted.len() && wanted.iter().zip(&words).all(|(pattern, word)| meets(pattern, word)),
    };
    let is_named = |option: &String| {
        let is_letter = option.len() == 2;
        wanted.iter().any(|word| {
            word.strip_prefix(option.as_str()).is_some_and(|rest| is_letter || rest.is_empty() || rest.starts_with('='))
        })
    };
    fits && dangerous_options(&words).iter().all(is_named)
}

/// Whether a pattern blocks a line: a command in it has the pattern's program and all of its words, whatever stands
/// between and after them and in whichever order the options are.
pub(super) fn blocks(pattern: &str, text: &str, line: &Line) -> bool {
    let wanted = pattern.split_whitespace().collect::<Vec<_>>();
    let Some((program, arguments)) = wanted.split_first() else { return false };
    if line.commands.iter().any(|simple| means(program, arguments, simple)) {
        return true;
    }
    // What can't be taken apart, or is another language's, may run any program that it names
    let name = base_name(program).trim_end_matches('*').to_lowercase();
    if name.is_empty() {
        return line.is_opaque;
    }
    let hides = line.commands.iter().any(|simple| simple.words.first().is_some_and(|word| !word.is_literal()));
    (line.is_opaque || hides) && occurs(&name, text) || line.foreign.iter().any(|foreign| occurs(&name, foreign))
}

fn means(program: &str, arguments: &[&str], simple: &Simple) -> bool {
    let Some(found) = simple.words.first() else { return false };
    if !found.is_literal() {
        return false;
    }
    let lower = |text: &str| text.to_lowercase();
    let (wanted, name) = (lower(program), lower(&found.text));
    let is_program = Glob::new(&wanted).matches(&name)
        || !program.contains('/') && Glob::new(&wanted).matches(base_name(&name))
        || base_name(&wanted) == base_name(&name);
    is_program && has_words(arguments, simple.arguments())
}

/// Whether all words of a pattern are there: options anywhere, the others in their order.
fn has_words(wanted: &[&str], words: &[Word]) -> bool {
    let mut position = 0;
    wanted.iter().filter(|pattern| **pattern != "*").all(|pattern| {
        if pattern.starts_with('-') {
            return has_option(pattern, words);
        }
        let glob = Glob::new(pattern);
        // What only the shell knows may be that word
        let is_meant = |word: &Word| !word.is_literal() || glob.matches(&word.text);
        match words.iter().skip(position).position(is_meant) {
            Some(at) => {
                // A variable may stand for more than one word
                position += at + usize::from(words.get(position + at).is_some_and(Word::is_literal));
                true
            }
            None => false,
        }
    })
}

fn has_option(pattern: &str, words: &[Word]) -> bool {
    let glob = Glob::new(pattern);
    let is_same = words.iter().any(|word| {
        let name = word.text.split('=').next().unwrap_or(&word.text);
        !word.is_literal() || glob.matches(&word.text) || glob.matches(name)
            // `--forc` is `--force`
            || pattern.starts_with("--") && name.len() >= 4 && name.starts_with("--") && pattern.starts_with(name)
    });
    if is_same {
        return true;
    }
    // `-rf` is `-f -r`, and `--recursive --force` for those that know these
    let letters = pattern.strip_prefix('-').filter(|rest| !rest.starts_with('-') && !rest.is_empty());
    letters
        .is_some_and(|letters| letters.chars().all(|letter| letter.is_ascii_alphabetic() && has_letter(letter, words)))
}

fn has_letter(letter: char, words: &[Word]) -> bool {
    let long = match letter {
        'r' | 'R' => "--recursive",
        'f' => "--force",
        _ => "\u{0}",
    };
    words.iter().any(|word| {
        let is_cluster = word.text.starts_with('-') && !word.text.starts_with("--");
        let same = |c: char| c == letter || matches!((c, letter), ('r', 'R') | ('R', 'r'));
        is_cluster && word.text.chars().skip(1).any(same)
            || word.text.len() >= 4 && word.text.starts_with("--") && long.starts_with(word.text.as_str())
    })
}

/// Whether a name occurs in a text as a word, quotes and backslashes taken away.
fn occurs(name: &str, text: &str) -> bool {
    let plain =
        text.chars().filter(|c| !matches!(c, '\'' | '"' | '\\')).flat_map(char::to_lowercase).collect::<String>();
    plain.split(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '.'))).any(|word| word == name)
        || text
            .to_lowercase()
            .split(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '.')))
            .any(|word| word == name)
}

/// Programs with commands of their own: the first argument says what is done.
const WITH_COMMANDS: [&str; 16] = [
    "git", "cargo", "go", "npm", "pnpm", "yarn", "bun", "deno", "dotnet", "mvn", "gradle", "poetry", "uv", "bundle",
    "just", "make",
];

/// The rule that means this line and little else: `program command *` where the command says what is done, else the line
/// itself. Nothing for what is dangerous or not plain.
pub(crate) fn narrow(text: &str, line: &Line, risk: Risk) -> Option<String> {
    if risk > Risk::Medium || !is_plain(text, line) {
        return None;
    }
    let simple = line.commands.first()?;
    let words = simple.words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>();
    let is_word = |word: &&str| {
        !word.is_empty()
            && !word.starts_with('-')
            && word.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b':'))
    };
    let name = simple.name();
    let runs_code = is_shell(name) || interpreter(name).is_some();
    if WITH_COMMANDS.contains(&words.first().copied()?) && !runs_code {
        let own = match words.get(1..) {
            // `npm run build`: the script says what is done, not `run`
            Some([run @ ("run" | "exec"), script, ..]) if is_word(script) => Some(vec![*run, *script]),
            Some([command, ..]) if is_word(command) && !matches!(*command, "run" | "exec" | "x" | "dlx") => {
                Some(vec![*command])
            }
            _ => None,
        };
        if let Some(own) = own {
            return Some(format!("{} {} *", name, own.join(" ")));
        }
    }
    // A pattern can't say a word with a space in it
    let is_sayable = simple
        .words
        .iter()
        .all(|word| !word.text.is_empty() && !word.text.contains(char::is_whitespace) && !word.has_glob);
    let exact = words.iter().map(|word| escaped(word)).collect::<Vec<_>>().join(" ");
    (is_sayable && !exact.contains(['(', ')'])).then_some(exact)
}
