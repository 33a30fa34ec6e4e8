use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::suggest;

/// What a rule of `permissions` is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RuleKind {
    /// Command lines.
    Bash,
    /// Reading files, and searching them.
    Read,
    /// Making and changing files, edits included.
    Write,
    /// Changing parts of files.
    Edit,
    /// Removing files.
    Delete,
    /// Tools of MCP servers.
    Mcp,
    /// Sub-agents.
    Task,
    /// Other tools by their name: custom ones and those of plugins.
    Tool,
}

impl RuleKind {
    /// All of them.
    pub const ALL: [Self; 8] =
        [Self::Bash, Self::Read, Self::Write, Self::Edit, Self::Delete, Self::Mcp, Self::Task, Self::Tool];

    /// As rules name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Read => "read",
            Self::Write => "write",
            Self::Edit => "edit",
            Self::Delete => "delete",
            Self::Mcp => "mcp",
            Self::Task => "task",
            Self::Tool => "tool",
        }
    }

    /// Whether its patterns are paths.
    pub const fn is_about_paths(self) -> bool {
        matches!(self, Self::Read | Self::Write | Self::Edit | Self::Delete)
    }
}

/// A rule of `permissions`: `bash(git status *)`, `write(src/**)`, `mcp(server/tool)`, or a kind alone.
///
/// What a pattern matches is not decided here: command lines, paths and names each have rules of their own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PermissionRule {
    /// What it is about.
    pub kind: RuleKind,
    /// Which of these; all of them without one. Never empty.
    pub pattern: Option<String>,
}

/// A text that is no rule.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{}` is no rule: {problem}", shown(text))]
pub struct InvalidPermissionRule {
    /// The text as it was written.
    pub text: String,
    /// What is wrong.
    pub problem: String,
    /// What to do about it, if that is known.
    pub help: Option<String>,
}

impl FromStr for PermissionRule {
    type Err = InvalidPermissionRule;

    fn from_str(text: &str) -> Result<Self, InvalidPermissionRule> {
        let wrong =
            |problem: String, help: Option<String>| InvalidPermissionRule { text: text.to_owned(), problem, help };
        // What a terminal hides, or shows in another order, is not what the person agreed to
        if text.chars().any(is_hidden) {
            return Err(wrong("it holds a character that can't be seen".to_owned(), None));
        }
        let trimmed = text.trim();
        let (name, rest) = match trimmed.split_once('(') {
            Some((name, rest)) => (name.trim_end(), Some(rest)),
            None => (trimmed, None),
        };
        let Some(kind) = RuleKind::ALL.into_iter().find(|kind| kind.name() == name) else {
            let names = RuleKind::ALL.map(RuleKind::name);
            let problem = match name {
                "" => "it names no kind of action".to_owned(),
                name => format!("there is no kind of action `{}`", shown(name)),
            };
            let help = match suggest::nearest(name, names) {
                None if !name.is_empty() && name.split(' ').count() > 1 && rest.is_none() => {
                    Some(format!("for a command line, write bash({name})"))
                }
                _ => suggest::help(name, &names),
            };
            return Err(wrong(problem, help));
        };
        let Some(rest) = rest else { return Ok(Self { kind, pattern: None }) };
        let Some(pattern) = rest.strip_suffix(')').map(str::trim) else {
            return Err(wrong(
                "its bracket is not closed at the end".to_owned(),
                Some(format!("write {}(…)", kind.name())),
            ));
        };
        if pattern.is_empty() {
            let help = format!("write `{}` for all of them", kind.name());
            return Err(wrong("there is nothing in its brackets".to_owned(), Some(help)));
        }
        if kind.is_about_paths() && pattern.split('/').any(|part| part == "..") {
            let help = "write a path in the project, an absolute one, or one that begins with `~/`".to_owned();
            return Err(wrong("`..` in a pattern of paths matches nothing".to_owned(), Some(help)));
        }
        Ok(Self { kind, pattern: Some(pattern.to_owned()) })
    }
}

impl fmt::Display for PermissionRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.pattern {
            Some(pattern) => write!(f, "{}({pattern})", self.kind.name()),
            None => f.write_str(self.kind.name()),
        }
    }
}

/// Whether a character is invisible, or changes how others are shown: controls, marks of direction, joiners, tags.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}')
}

fn shown(text: &str) -> String {
    const MAX_CHARS: usize = 80;
    let cut = text.chars().count() > MAX_CHARS;
    let start = text.chars().take(MAX_CHARS).map(|c| if is_hidden(c) { '\u{fffd}' } else { c });
    start.chain(cut.then_some('…')).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn reads_what_people_write() {
        let check = |text: &str, kind: RuleKind, pattern: Option<&str>| {
            let rule: PermissionRule = text.parse().unwrap();
            assert_eq!(rule, PermissionRule { kind, pattern: pattern.map(str::to_owned) });
            assert_eq!(rule.to_string().parse(), Ok(rule));
        };
        check("bash(git status *)", RuleKind::Bash, Some("git status *"));
        check("bash(echo (x))", RuleKind::Bash, Some("echo (x)"));
        check(" write ( src/** ) ", RuleKind::Write, Some("src/**"));
        check("write", RuleKind::Write, None);
        check("read(~/.ssh/**)", RuleKind::Read, Some("~/.ssh/**"));
        check("delete(*)", RuleKind::Delete, Some("*"));
        check("mcp(server/tool)", RuleKind::Mcp, Some("server/tool"));
        check("tool(deploy)", RuleKind::Tool, Some("deploy"));
        check("edit(..a/b)", RuleKind::Edit, Some("..a/b"));
    }

    #[test]
    fn says_what_is_wrong() {
        let check = |text: &str, expected: &str| {
            let error = text.parse::<PermissionRule>().unwrap_err();
            assert_eq!(format!("{error}; {}", error.help.as_deref().unwrap_or_default()), expected);
        };
        check("bsh(ls)", "`bsh(ls)` is no rule: there is no kind of action `bsh`; did you mean `bash`?");
        check("Write(x)", "`Write(x)` is no rule: there is no kind of action `Write`; did you mean `write`?");
        check(
            "git status",
            "`git status` is no rule: there is no kind of action `git status`; for a command line, write bash(git status)",
        );
        check(
            "deploy",
            "`deploy` is no rule: there is no kind of action `deploy`; known here: `bash`, `read`, `write`, `edit`, `delete`, \
             `mcp`, `task`, `tool`",
        );
        check("bash(ls", "`bash(ls` is no rule: its bracket is not closed at the end; write bash(…)");
        check("bash(ls) x", "`bash(ls) x` is no rule: its bracket is not closed at the end; write bash(…)");
        check("bash()", "`bash()` is no rule: there is nothing in its brackets; write `bash` for all of them");
        check(
            "read(../x)",
            "`read(../x)` is no rule: `..` in a pattern of paths matches nothing; write a path in the project, an absolute \
             one, or one that begins with `~/`",
        );
        check("bash(ls\u{202e})", "`bash(ls\u{fffd})` is no rule: it holds a character that can't be seen; ");
        check("bash(ls\n)", "`bash(ls\u{fffd})` is no rule: it holds a character that can't be seen; ");
    }
}
