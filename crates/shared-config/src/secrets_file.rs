use std::collections::BTreeMap;

use thiserror::Error;

/// What the file of a user's secrets says is not of its form, in words that do not repeat any of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("it is no list of `NAME: value`{}", line.map(|line| format!(" (line {line})")).unwrap_or_default())]
pub struct InvalidSecretsFile {
    /// The line, as far as it is known.
    pub line: Option<usize>,
}

/// The secrets in `~/.mimir/secrets.yml`: names and values, as `NAME: value`, one below the other.
///
/// # Errors
/// If it is anything else.
pub fn parse_secrets(text: &str) -> Result<BTreeMap<String, String>, InvalidSecretsFile> {
    let parsed = serde_yaml::from_str::<Option<BTreeMap<String, String>>>(text);
    // The parser's own words would show what stands there
    let secrets = parsed.map_err(|error| InvalidSecretsFile { line: error.location().map(|at| at.line()) })?;
    Ok(secrets.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_names_and_values_and_repeats_none_of_them() {
        let check = |text: &str, expected: Result<&[(&str, &str)], &str>| {
            let found = parse_secrets(text).map_err(|error| error.to_string());
            let expected = expected.map(|list| list.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect());
            assert_eq!(found, expected.map_err(str::to_owned), "{text}");
        };
        check("", Ok(&[]));
        check("# none yet\n", Ok(&[]));
        check("A: b\nC_D: 'e: f'\n", Ok(&[("A", "b"), ("C_D", "e: f")]));
        check("hunter2hunter2", Err("it is no list of `NAME: value` (line 1)"));
        check("A: hunter2\nB: [hunter2]\n", Err("it is no list of `NAME: value` (line 2)"));
        check("A: 'hunter2\n", Err("it is no list of `NAME: value` (line 2)"));
    }
}
