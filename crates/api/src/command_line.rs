use crate::ApiError;

/// Splits a command as a POSIX shell would split its words, and refuses all that only a shell could do.
pub(crate) fn split(command: &str) -> Result<Vec<String>, ApiError> {
    if let Some(syntax) = shell_syntax(command) {
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
            '\\' => {
                chars.next();
            }
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
}
