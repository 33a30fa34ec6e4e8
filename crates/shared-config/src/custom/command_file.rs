use std::sync::LazyLock;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::custom_command_schema;
use crate::check::{self, Findings, Wrong};
use crate::error::ConfigError;
use crate::problem::InvalidFile;
use crate::schema::Checker;

static CHECKER: LazyLock<Checker> = LazyLock::new(|| Checker::new(custom_command_schema()));

/// `.mimir/commands/*.yml`: a slash command that sends a prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct CustomCommandFile {
    /// Name of a command: a small letter, then small letters, digits and `-`.
    #[schemars(regex(pattern = "^[a-z][a-z0-9-]*$"), length(max = 64))]
    pub name: String,
    /// What it does, for people.
    pub description: String,
    /// What stands after its name, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<String>,
    /// Other names that it has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<CommandName>,
    /// What is sent to the model. `$1`, `$2`, … are the arguments, `$ARGUMENTS` is all of them as they were written, and
    /// `$$` is a dollar sign.
    pub prompt: String,
}

/// Name of a command: a small letter, then small letters, digits and `-`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct CommandName(
    /// The name, without a slash.
    #[schemars(regex(pattern = "^[a-z][a-z0-9-]*$"), length(max = 64))]
    pub String,
);

impl CustomCommandFile {
    /// Reads a custom command. `file_name` is only for messages.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] with all that is wrong: an unknown or missing key, a value of another kind, a name or an
    /// alias that nobody could type.
    pub fn parse(file_name: &str, text: &str) -> Result<Self, ConfigError> {
        check::read(text, &CHECKER, find_more)
            .map(|(command, _)| command)
            .map_err(|problems| ConfigError::invalid(InvalidFile::new(file_name, text, problems)))
    }
}

fn find_more(findings: &mut Findings<'_>) {
    for key in ["description", "prompt"] {
        findings.check_text(&[key], |text| {
            if text.trim().is_empty() { Err(Wrong::new(format!("`{key}` is empty"))) } else { Ok(()) }
        });
    }
    findings.check_text(&["prompt"], |prompt| {
        let is_zeroth =
            |at: usize| !prompt[..at].ends_with('$') && !prompt[at + 2..].starts_with(|c: char| c.is_ascii_digit());
        match prompt.match_indices("$0").any(|(at, _)| is_zeroth(at)) {
            true => Err(Wrong::new("`$0` is no argument").with_help("the first is `$1`; write `$$0` for the text")),
            false => Ok(()),
        }
    });
    let Some(name) = findings.value(&["name"]).and_then(serde_json::Value::as_str).map(str::to_owned) else { return };
    findings.check_texts(&["aliases"], |alias| {
        if alias == name { Err(Wrong::new("an alias is another name")) } else { Ok(()) }
    });
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails is to stop")]

    use super::*;

    #[test]
    fn reads_what_people_write() {
        let text =
            "name: fix-issue\ndescription: Fixes an issue\nusage: NUMBER\naliases: [fix, f]\nprompt: |\n  Fix $1.\n";
        let command = CustomCommandFile::parse("x.yml", text).unwrap();
        assert_eq!((command.name.as_str(), command.usage.as_deref()), ("fix-issue", Some("NUMBER")));
        assert_eq!(command.aliases.iter().map(|name| name.0.as_str()).collect::<Vec<_>>(), ["fix", "f"]);
        assert_eq!(command.prompt, "Fix $1.\n");
    }

    #[test]
    fn says_what_is_wrong_and_where() {
        let check = |text: &str, expected: &str| {
            let error = CustomCommandFile::parse("x.yml", text).unwrap_err().to_string();
            assert_eq!(error.lines().map(str::trim).collect::<Vec<_>>().join(" | "), expected, "{text}");
        };
        let rest = "description: d\nprompt: p";
        check(
            &format!("name: Review\n{rest}"),
            "x.yml:1:7: `Review` is no name of a command: a small letter, then small letters, digits and `-`",
        );
        check(
            &format!("name: 1st\n{rest}"),
            "x.yml:1:7: `1st` is no name of a command: a small letter, then small letters, digits and `-`",
        );
        check(&format!("name: a\n{rest}\nalases: [b]"), "x.yml:4:1: unknown key `alases` | did you mean `aliases`?");
        check(
            &format!("name: a\n{rest}\naliases: b"),
            "x.yml:4:10: expected a list, found the text `b` | put it in brackets: [b]",
        );
        check(&format!("name: a\n{rest}\naliases: [a]"), "x.yml:4:11: an alias is another name");
        check(
            &format!("name: a\n{rest}\naliases: [/b]"),
            "x.yml:4:11: `/b` is no name of a command: a small letter, then small letters, digits and `-`",
        );
        check("name: a\ndescription: d\nprompt: ' '", "x.yml:3:9: `prompt` is empty");
        check(
            "name: a\ndescription: d\nprompt: do $0",
            "x.yml:3:9: `$0` is no argument | the first is `$1`; write `$$0` for the text",
        );
    }
}
