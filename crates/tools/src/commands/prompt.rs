use super::arguments::{OpenQuote, split};

/// The prompt of a custom command, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Prompt(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    /// `$1` and so on, from 1.
    Argument(usize),
    /// `$ARGUMENTS`
    All,
}

/// What is wrong with the arguments of a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum WrongArguments {
    #[error(transparent)]
    OpenQuote(#[from] OpenQuote),
    #[error("{} missing", missing(*given, *needed))]
    Missing { given: usize, needed: usize },
    #[error("{}", too_many(*given, *needed))]
    TooMany { given: usize, needed: usize },
}

const ALL: &str = "ARGUMENTS";

impl Prompt {
    pub(super) fn new(text: &str) -> Self {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            plain.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            // No command has a thousand arguments: then it is an amount of money, or a mistake
            let number = rest[..digits].parse().ok().filter(|number| (1..1_000).contains(number));
            let is_all = rest.strip_prefix(ALL).is_some_and(|after| !after.starts_with(is_of_a_name));
            let (part, length) = match number {
                Some(number) => (Some(Part::Argument(number)), digits),
                None if is_all => (Some(Part::All), ALL.len()),
                None => (None, usize::from(rest.starts_with('$'))),
            };
            match part {
                Some(part) => {
                    parts.extend((!plain.is_empty()).then(|| Part::Text(std::mem::take(&mut plain))));
                    parts.push(part);
                }
                None => plain.push('$'),
            }
            rest = &rest[length..];
        }
        plain.push_str(rest);
        parts.extend((!plain.is_empty()).then_some(Part::Text(plain)));
        Self(parts)
    }

    /// The prompt with these arguments, as they were written behind the command's name. What stands in an argument is
    /// text, whatever it looks like.
    pub(super) fn fill(&self, arguments: &str) -> Result<String, WrongArguments> {
        let arguments = arguments.trim();
        let needed = self.needed();
        let takes_all = self.0.contains(&Part::All);
        // A command that only takes everything as it is has no use for quotes
        let words = if needed == 0 && takes_all { Vec::new() } else { split(arguments)? };
        if words.len() < needed {
            return Err(WrongArguments::Missing { given: words.len(), needed });
        }
        if words.len() > needed && !takes_all {
            return Err(WrongArguments::TooMany { given: words.len(), needed });
        }
        let fill = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Argument(number) => words[number - 1].clone(),
            Part::All => arguments.to_owned(),
        };
        Ok(self.0.iter().map(fill).collect())
    }

    /// How many arguments it names.
    pub(super) fn needed(&self) -> usize {
        let numbers = self.0.iter().map(|part| if let Part::Argument(number) = part { *number } else { 0 });
        numbers.max().unwrap_or(0)
    }

    /// What stands behind the command's name, for people, where its author does not say it.
    pub(super) fn usage(&self) -> Option<String> {
        let mut words: Vec<String> = (1..=self.needed()).map(|number| format!("<{number}>")).collect();
        words.extend(self.0.contains(&Part::All).then(|| "[…]".to_owned()));
        (!words.is_empty()).then(|| words.join(" "))
    }
}

fn is_of_a_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn missing(given: usize, needed: usize) -> String {
    match needed - given {
        1 => format!("argument {needed} is"),
        _ => format!("arguments {} to {needed} are", given + 1),
    }
}

fn too_many(given: usize, needed: usize) -> String {
    match needed {
        0 => "it takes no arguments".to_owned(),
        1 => format!("it takes one argument, and these are {given}: put several words in quotes"),
        _ => format!("it takes {needed} arguments, and these are {given}: put several words in quotes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_a_prompt() {
        let check = |prompt: &str, arguments: &str, expected: Result<&str, &str>| {
            let found = Prompt::new(prompt).fill(arguments).map_err(|error| error.to_string());
            assert_eq!(found, expected.map(str::to_owned).map_err(str::to_owned), "{prompt:?} {arguments:?}");
        };
        check("Review it.", "", Ok("Review it."));
        check("Fix $1 in $2.", "#12 'src/a b.rs'", Ok("Fix #12 in src/a b.rs."));
        check("$2 $1 $2", "a b", Ok("b a b"));
        check("Fix: $ARGUMENTS", "  don't  break\tit ", Ok("Fix: don't  break\tit"));
        check("Fix: $ARGUMENTS", "", Ok("Fix: "));
        check("$1 of: $ARGUMENTS", "'a b' c", Ok("a b of: 'a b' c"));
        check("$10$1", "1 2 3 4 5 6 7 8 9 ten", Ok("ten1"));
        // Escapes, and what is no argument
        check("It costs $$5, $$ARGUMENTS, $$$1", "x", Ok("It costs $5, $ARGUMENTS, $x"));
        check("$HOME $ $1x $ARGUMENTS_ ${1} $", "a", Ok("$HOME $ ax $ARGUMENTS_ ${1} $"));
        check("$100000", "", Ok("$100000"));
        // An argument is text
        check("$1 $2", "'$2' '$ARGUMENTS $$'", Ok("$2 $ARGUMENTS $$"));
        check("$1", "''", Ok(""));
        // What is wrong
        check("$1", "", Err("argument 1 is missing"));
        check("$1 $3", "a", Err("arguments 2 to 3 are missing"));
        check("$1 $2", "a", Err("argument 2 is missing"));
        check("$1", "a b", Err("it takes one argument, and these are 2: put several words in quotes"));
        check("$1 $2", "a b c", Err("it takes 2 arguments, and these are 3: put several words in quotes"));
        check("Review it.", "a", Err("it takes no arguments"));
        check("$1", "don't", Err("a quote (') is not closed; write \\' for one that is none"));
    }

    #[test]
    fn says_how_it_is_used() {
        let check = |prompt: &str, expected: Option<&str>| assert_eq!(Prompt::new(prompt).usage().as_deref(), expected);
        check("x", None);
        check("$2", Some("<1> <2>"));
        check("$1 $ARGUMENTS", Some("<1> […]"));
        check("$ARGUMENTS", Some("[…]"));
    }
}
