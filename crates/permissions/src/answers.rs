use std::path::PathBuf;

use mimir_shared_config::{PermissionRule, Risk, RuleKind};
use mimir_shared_platform::PlatformError;
use thiserror::Error;

use crate::paths::Project;
use crate::risk::Found;
use crate::rules::{self, Family};
use crate::{Request, rules::escaped};

/// An answer that counts for more than once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What it is about.
    pub about: About,
    /// What was answered.
    pub allowed: bool,
    /// When, in milliseconds since 1970.
    pub given_ms: u64,
}

/// What an answer is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// All that a rule means.
    Rule(PermissionRule),
    /// Exactly this action.
    Exact {
        /// The kind of action.
        kind: String,
        /// What would be done.
        command: String,
        /// The file that it is about.
        path: Option<PathBuf>,
    },
}

/// Why answers can't be read or kept.
#[derive(Debug, Error)]
pub enum AnswersError {
    /// The file can't be read or written, or others could have written it.
    #[error("the answers that you gave before can't be read or kept")]
    File(#[source] PlatformError),
    /// The file is not of its form. It is left as it is.
    #[error("{} is no list of answers{}; correct or remove it", path.display(), at(*line, *column))]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// The line, from 1; 0 where it is not known.
        line: usize,
        /// The column, from 1.
        column: usize,
    },
    /// A newer Mimir wrote the file. It is left as it is.
    #[error("{} was written by a newer Mimir (format {format})", path.display())]
    TooNew {
        /// The file.
        path: PathBuf,
        /// Its format.
        format: u32,
    },
    /// A file has to be written beside other work, and that work was ended.
    #[error("the answer was not kept: Mimir is ending")]
    Ending,
}

/// Where it is, if that is known.
fn at(line: usize, column: usize) -> String {
    if line == 0 { String::new() } else { format!(" (line {line}, column {column})") }
}

impl About {
    /// The narrowest thing to say about a request that still is of use: a rule where one says it, else the request itself.
    pub(crate) fn narrow(request: &Request, found: &Found, project: &Project) -> Self {
        narrow_rule(request, found, project).map_or_else(|| Self::exact(request), Self::Rule)
    }

    pub(crate) fn exact(request: &Request) -> Self {
        Self::Exact { kind: request.kind.clone(), command: request.command.clone(), path: request.path.clone() }
    }

    /// As a person reads it.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Rule(rule) => rule.to_string(),
            Self::Exact { .. } => "exactly this".to_owned(),
        }
    }

    /// Whether a request is meant.
    pub(crate) fn means(&self, request: &Request, found: &Found, project: &Project) -> bool {
        match self {
            Self::Rule(rule) => rules::allows(rule, request, found, project),
            Self::Exact { kind, command, path } => {
                *kind == request.kind && *command == request.command && *path == request.path
            }
        }
    }
}

fn narrow_rule(request: &Request, found: &Found, project: &Project) -> Option<PermissionRule> {
    let (kind, pattern) = match Family::of(request) {
        Family::Bash => {
            let line = found.line.as_ref()?;
            (RuleKind::Bash, rules::narrow(&request.command, line, found.assessment.risk)?)
        }
        Family::Read => (RuleKind::Read, file(request, project)?),
        Family::Write => (RuleKind::Write, file(request, project)?),
        Family::Edit => (RuleKind::Edit, file(request, project)?),
        Family::Delete => return None,
        Family::Mcp => (RuleKind::Mcp, escaped(first_word(request).filter(|name| name.contains('/'))?)),
        Family::Task => return None,
        Family::Tool => (RuleKind::Tool, escaped(first_word(request)?)),
    };
    let rule = PermissionRule { kind, pattern: Some(pattern) };
    // What can't be written down as a rule, or would mean something else when it is read again, is none
    let is_same = rule.to_string().parse::<PermissionRule>().is_ok_and(|read| read == rule);
    (is_same && rules::allows(&rule, request, found, project)).then_some(rule)
}

fn first_word(request: &Request) -> Option<&str> {
    request.command.split_whitespace().next()
}

/// This file and no other: a name alone would mean it in every folder.
fn file(request: &Request, project: &Project) -> Option<String> {
    let place = project.place(&request.path.as_ref()?.to_string_lossy());
    let path = match &place.inside {
        Some(inside) => format!("./{}", escaped(inside.to_str()?)),
        None if !place.is_unknown => escaped(place.path.to_str()?),
        None => return None,
    };
    Some(path)
}

/// The highest risk up to which an answer that lasts counts.
pub(crate) const LASTING: Risk = Risk::Medium;
