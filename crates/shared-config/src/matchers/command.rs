use std::borrow::Cow;

use super::Glob;
use super::injection::dangerous_options;

/// The command line that an allowlist's globs are matched against: the arguments joined by spaces, each quoted as a
/// POSIX shell would need it. So `["npm", "test"]` is `npm test`, but `["npm test"]` is `'npm test'`, and no two argument
/// vectors have the same line. (`=` needs no quotes but in the program's name, so `--width=80` is what people write.)
pub fn command_line(argv: &[String]) -> String {
    let words = argv.iter().enumerate().map(|(at, word)| quoted(word, at == 0));
    words.collect::<Vec<_>>().join(" ")
}

fn quoted(word: &str, is_program: bool) -> Cow<'_, str> {
    let is_plain = |c: char| c.is_alphanumeric() || "_-./:@%+,".contains(c) || c == '=' && !is_program;
    if !word.is_empty() && word.chars().all(is_plain) {
        return Cow::Borrowed(word);
    }
    match shell_words::quote(word) {
        Cow::Borrowed(word) => Cow::Owned(format!("'{word}'")),
        quoted => quoted,
    }
}

/// The rules that decide whether a program may run, in this order. Each can refuse, none can allow what another refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExecRule {
    /// An entry of the allowlist matches the whole command line.
    Allowlist,
    /// A program given by a path is named so by the entry, not by a wildcard in it.
    Program,
    /// Options that make a program run or load something else are named by the entry, not by a wildcard in it.
    Arguments,
}

/// Why a command line is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CommandRefusal {
    /// No entry matches.
    NotListed,
    /// Entries match, but only by a wildcard where the program's path stands.
    PathNotNamed,
    /// Entries match, but only by a wildcard where this option stands.
    Option(String),
}

pub(crate) fn check_command(
    allowlist: &[String],
    argv: &[String],
    applies: impl Fn(ExecRule) -> bool,
) -> Result<(), CommandRefusal> {
    let line = command_line(argv);
    let program = argv.first().ok_or(CommandRefusal::NotListed)?;
    let is_listed = |pattern: &&String| !applies(ExecRule::Allowlist) || Glob::new(pattern).matches(&line);
    let mut matching = allowlist.iter().filter(is_listed).peekable();
    if !applies(ExecRule::Allowlist) {
        return Ok(());
    }
    if matching.peek().is_none() {
        return Err(CommandRefusal::NotListed);
    }
    let is_path = program.contains(['/', '\\']);
    let is_named = |pattern: &&String| !applies(ExecRule::Program) || !is_path || begins_with(pattern, program);
    let mut naming = matching.filter(is_named).peekable();
    if naming.peek().is_none() {
        return Err(CommandRefusal::PathNotNamed);
    }
    let options = if applies(ExecRule::Arguments) { dangerous_options(argv) } else { Vec::new() };
    let mut missing = None;
    for pattern in naming {
        match options.iter().find(|option| !names(pattern, option)) {
            None => return Ok(()),
            Some(option) => missing = missing.or(Some((*option).clone())),
        }
    }
    Err(CommandRefusal::Option(missing.unwrap_or_default()))
}

/// Whether the pattern's first word is this program, letter for letter.
fn begins_with(pattern: &str, program: &str) -> bool {
    let first = quoted(program, true);
    let is_literal = !first.contains(['*', '?', '\\']);
    let rest = pattern.strip_prefix(first.as_ref());
    is_literal && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
}

/// Whether an option stands in the pattern as a word, alone or with the value that follows it there (`--x=…`, `-cx=…`).
fn names(pattern: &str, option: &str) -> bool {
    let is_letter = option.len() == 2;
    pattern.split(' ').any(|word| {
        let rest = word.trim_matches('\'').strip_prefix(option);
        rest.is_some_and(|rest| is_letter || rest.is_empty() || rest.starts_with('='))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use proptest::prelude::*;

    use super::*;

    fn argv(line: &str) -> Vec<String> {
        shell_words::split(line).unwrap()
    }

    #[allow(clippy::needless_pass_by_value, reason = "so that cases read well")]
    fn check(allowlist: &[&str], line: &str, expected: Result<(), CommandRefusal>) {
        let allowlist: Vec<_> = allowlist.iter().map(|entry| (*entry).to_owned()).collect();
        assert_eq!(check_command(&allowlist, &argv(line), |_| true), expected, "{allowlist:?} on {line}");
    }

    #[test]
    fn an_entry_matches_the_whole_line() {
        check(&["npm test"], "npm test", Ok(()));
        check(&["npm test"], "npm test --watch", Err(CommandRefusal::NotListed));
        check(&["npm test"], "'npm test'", Err(CommandRefusal::NotListed));
        check(&["npm *"], "npm run build", Ok(()));
        check(&["npm *"], "'npm x' y", Err(CommandRefusal::NotListed));
        check(&["echo 'a b'"], "echo 'a b'", Ok(()));
        check(&["echo a b"], "echo 'a b'", Err(CommandRefusal::NotListed));
        check(&[], "npm", Err(CommandRefusal::NotListed));
        assert_eq!(check_command(&["*".to_owned()], &[], |_| true), Err(CommandRefusal::NotListed));
    }

    #[test]
    fn a_path_is_named_letter_for_letter() {
        let unnamed = || Err(CommandRefusal::PathNotNamed);
        check(&["*"], "./x", unnamed());
        check(&["./*"], "./x", unnamed());
        check(&["node_modules/.bin/*"], "node_modules/.bin/prettier", unnamed());
        check(&["node_modules/.bin/prettier *"], "node_modules/.bin/prettier --check .", Ok(()));
        check(&["node_modules/.bin/prettier"], "node_modules/.bin/prettier", Ok(()));
        check(&["*", "./x"], "./x", Ok(()));
        check(&["./x*"], "./xy", unnamed());
        check(&["/usr/bin/*"], "/usr/bin/git status", unnamed());
        check(&["*"], "git status", Ok(()));
    }

    #[test]
    fn a_wildcard_stands_for_no_option_that_runs_something_else() {
        let option = |name: &str| Err(CommandRefusal::Option(name.to_owned()));
        check(&["git *"], "git log -p", Ok(()));
        check(&["git *"], "git -c core.pager=x log", option("-c"));
        check(&["git *", "git -c color.ui=* *"], "git -c color.ui=never log", Ok(()));
        check(&["git -c *"], "git -c core.pager=x log --exec-path=x", option("--exec-path"));
        check(&["git *"], "git grep -O./x", option("-O"));
        check(&["find *"], "find . -exec id ;", option("-exec"));
        check(&["find * -exec *"], "find . -exec id ;", Ok(()));
        check(&["git -C*"], "git -C/x", Ok(()));
    }

    proptest! {
        #[test]
        fn a_line_splits_into_what_it_was_joined_from(argv in prop::collection::vec(any::<String>(), 1..6)) {
            prop_assume!(argv.iter().all(|arg| !arg.contains('\0')));
            prop_assert_eq!(shell_words::split(&command_line(&argv)).unwrap(), argv);
        }

        #[test]
        fn a_glob_without_wildcards_matches_itself_alone(
            argv in prop::collection::vec("[a-z0-9 '\"$;&|-]{0,8}", 1..5),
            other in prop::collection::vec("[a-z0-9 '\"$;&|-]{0,8}", 1..5),
        ) {
            let line = command_line(&argv);
            // A quote in an argument brings a backslash, which a glob takes for its own
            let glob = Glob::new(&line.replace('\\', r"\\"));
            prop_assert!(glob.matches(&line));
            prop_assert_eq!(glob.matches(&command_line(&other)), argv == other);
        }
    }
}
