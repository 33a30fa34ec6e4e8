use mimir_shared_platform::Guard;

use crate::ApiError;

/// Splits a command as a POSIX shell would split its words, and refuses all that only a shell could do.
pub(crate) fn split(command: &str) -> Result<Vec<String>, ApiError> {
    if Guard::ExecShell.stands()
        && let Some(syntax) = shell_syntax(command)
    {
        return Err(ApiError::invalid(format!("`{}` is shell syntax, and there is no shell", syntax.escape_debug()))
            .with_hint("quote it, or give the arguments as an array"));
    }
    let words = shell_words::split(command).map_err(|_| ApiError::invalid("a quote in the command is not closed"))?;
    match words.first() {
        Some(program) if !program.is_empty() => Ok(words),
        _ => Err(ApiError::invalid("the command is empty")),
    }
}

/// The first piece of `command` that means more to a shell than itself.
fn shell_syntax(command: &str) -> Option<String> {
    let mut chars = command.char_indices().peekable();
    let mut is_word_start = true;
    let mut is_double_quoted = false;
    while let Some((at, c)) = chars.next() {
        let was_word_start = std::mem::replace(&mut is_word_start, false);
        match c {
            // At the end, or of a line: a shell would wait for more
            '\\' => match chars.next() {
                None | Some((_, '\n')) => return Some(c.to_string()),
                Some(_) => {}
            },
            '"' => is_double_quoted = !is_double_quoted,
            '$' | '`' => return Some(c.to_string()),
            _ if is_double_quoted => {}
            '\'' => while chars.next().is_some_and(|(_, quoted)| quoted != '\'') {},
            '|' | '&' | ';' | '<' | '>' | '(' | ')' | '*' | '?' | '[' | ']' | '{' | '}' | '!' | '\n' | '\r' => {
                return Some(c.to_string());
            }
            '~' | '#' if was_word_start => return Some(c.to_string()),
            '=' if is_assignment(&command[..at]) => return Some(command[..=at].trim_start().to_owned()),
            c if c.is_whitespace() => is_word_start = true,
            _ => {}
        }
    }
    None
}

/// Whether what stands before `=` makes it an assignment: a name, and the first word of the command.
fn is_assignment(before: &str) -> bool {
    let name = before.trim_start();
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use proptest::prelude::*;

    use super::*;

    fn check(command: &str, expected: Result<&[&str], &str>) {
        let found = split(command).map_err(|error| error.message);
        let expected = expected
            .map(|words| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
            .map_err(str::to_owned);
        assert_eq!(found, expected, "{command:?}");
    }

    #[test]
    fn splits_words() {
        check("git status --short", Ok(&["git", "status", "--short"]));
        check("  ls   -l ", Ok(&["ls", "-l"]));
        check(
            r#"git commit -m "a message" 'and $this' it\'s"#,
            Ok(&["git", "commit", "-m", "a message", "and $this", "it's"]),
        );
        check(r#"echo "a | b; c > d" '`x`' \$HOME \*"#, Ok(&["echo", "a | b; c > d", "`x`", "$HOME", "*"]));
        check("printf ü 🎉 ''", Ok(&["printf", "ü", "🎉", ""]));
        check("npm run build --flag=1 a~b c#d", Ok(&["npm", "run", "build", "--flag=1", "a~b", "c#d"]));
    }

    #[test]
    fn refuses_what_needs_a_shell() {
        let cases = [
            ("ls | wc", "|"),
            ("a && b", "&"),
            ("a; b", ";"),
            ("a > b", ">"),
            ("a < b", "<"),
            ("echo $HOME", "$"),
            ("echo $(id)", "$"),
            ("echo `id`", "`"),
            ("echo \"$HOME\"", "$"),
            ("echo \"`id`\"", "`"),
            ("ls *.ts", "*"),
            ("ls a?", "?"),
            ("ls [ab]", "["),
            ("ls {a,b}", "{"),
            ("cat ~/x", "~"),
            ("ls # x", "#"),
            ("a\nb", "\\n"),
            ("A=1 b", "A="),
            ("(a)", "("),
            ("! a", "!"),
            ("a \\", "\\\\"),
            ("a \\\nb", "\\\\"),
        ];
        for (command, syntax) in cases {
            check(command, Err(&format!("`{syntax}` is shell syntax, and there is no shell")));
        }
        check("", Err("the command is empty"));
        check("  ", Err("the command is empty"));
        check("''", Err("the command is empty"));
        check("a 'b", Err("a quote in the command is not closed"));
        check("a \"b", Err("a quote in the command is not closed"));
    }

    /// What a shell makes of a line, if only words, quotes and backslashes are in it. Written differently on purpose.
    fn words_of_a_shell(line: &str) -> Option<Vec<String>> {
        let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
        let mut chars = line.chars();
        while let Some(c) = chars.next() {
            match (quote, c) {
                (None, '\'' | '"') => {
                    quote = Some(c);
                    word.get_or_insert_default();
                }
                (Some(open), _) if c == open => quote = None,
                (None, '\\') => word.get_or_insert_default().push(chars.next()?),
                (Some('"'), '\\') => match chars.next()? {
                    next @ ('"' | '\\' | '$' | '`') => word.get_or_insert_default().push(next),
                    next => word.get_or_insert_default().extend(['\\', next]),
                },
                (None, ' ' | '\t') => words.extend(word.take()),
                (_, c) => word.get_or_insert_default().push(c),
            }
        }
        words.extend(word);
        quote.is_none().then_some(words)
    }

    proptest! {
        #[test]
        fn what_was_joined_comes_apart_again(argv in prop::collection::vec(any::<String>(), 1..6)) {
            prop_assume!(!argv[0].is_empty());
            let line = shell_words::join(&argv);
            match split(&line) {
                Ok(words) => prop_assert_eq!(words, argv),
                Err(error) => prop_assert!(error.message.contains("is shell syntax"), "{}", error.message),
            }
        }

        #[test]
        fn no_shell_syntax_survives(line in r#"[ab $`'"\\|&;<>()*?\[\]{}!~#=\n\r\t ]{0,16}"#) {
            if let Ok(words) = split(&line) {
                // Bare: outside of quotes and not behind a backslash
                prop_assert!(shell_syntax(&line).is_none());
                if !line.contains(['\n', '\r']) {
                    prop_assert_eq!(words_of_a_shell(&line), Some(words), "{:?}", line);
                }
            }
        }
    }
}
