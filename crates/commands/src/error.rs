use std::error::Error;
use std::fmt;
use std::io;

use miette::{Diagnostic, LabeledSpan, SourceCode};
use thiserror::Error as ThisError;

use crate::{Problem, printable};

/// How a command ended. The numbers are part of the command line's contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0
    Done,
    /// 1
    Failed,
    /// 2
    WrongUsage,
    /// 3
    Refused,
}

impl Exit {
    /// The process's exit code.
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::WrongUsage => 2,
            Self::Refused => 3,
        }
    }
}

/// Why the store did not do what was asked.
#[derive(Debug)]
pub enum StoreError {
    /// No plugin has this name.
    NotFound {
        /// The name that was asked for.
        name: String,
        /// Names that there are, to suggest the nearest.
        known: Vec<String>,
    },
    /// No event has this name.
    NoEvent {
        /// The name that was asked for.
        name: String,
        /// Names that there are, to suggest the nearest.
        known: Vec<String>,
    },
    /// The company's policy, or another rule that this user can't change here, says no.
    Refused {
        /// What was refused and by what.
        message: String,
        /// What to do.
        hint: Option<String>,
    },
    /// A file that a person wrote is wrong.
    Wrong(Box<Problem>),
    /// Anything else.
    Failed {
        /// What failed, and why.
        message: String,
        /// What to do.
        hint: Option<String>,
    },
}

impl StoreError {
    /// Something that is no other kind of error. What caused it belongs into the message: [`with_causes`](crate::with_causes).
    pub fn failed(message: impl Into<String>, hint: Option<String>) -> Self {
        Self::Failed { message: message.into(), hint }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound { name, .. } => write!(f, "there is no plugin `{}`", printable(name)),
            Self::NoEvent { name, .. } => write!(f, "there is no event `{}`", printable(name)),
            Self::Refused { message, .. } | Self::Failed { message, .. } => f.write_str(&printable(message)),
            Self::Wrong(problem) => problem.fmt(f),
        }
    }
}

impl Error for StoreError {}

/// Why a command failed.
#[derive(Debug, ThisError)]
pub enum CommandError {
    /// The store said no.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A grant was to be confirmed and nobody could answer.
    #[error("nobody is here to confirm the grant")]
    NobodyToAsk,
    /// The person said no.
    #[error("nothing was granted")]
    Declined,
    /// What was typed makes no sense together.
    #[error("{message}")]
    Usage {
        /// What does not fit.
        message: String,
        /// What to type.
        hint: String,
    },
    /// The result could not be printed.
    #[error("could not print the result")]
    Output(#[from] io::Error),
}

impl CommandError {
    /// The exit code that says what kind of failure this is.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Store(StoreError::Refused { .. }) => Exit::Refused,
            Self::Usage { .. } => Exit::WrongUsage,
            _ => Exit::Failed,
        }
    }
}

impl CommandError {
    /// What else is wrong, to be shown after it.
    pub fn others(&self) -> &[Problem] {
        match self {
            Self::Store(StoreError::Wrong(problem)) => problem.others(),
            _ => &[],
        }
    }
}

impl Diagnostic for CommandError {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        match self {
            Self::Store(StoreError::NotFound { name, known }) => {
                Some(Box::new(nearest(name, known, "mimir plugin list")))
            }
            Self::Store(StoreError::NoEvent { name, known }) => Some(Box::new(nearest(name, known, "mimir events"))),
            Self::Store(StoreError::Refused { hint, .. } | StoreError::Failed { hint, .. }) => {
                hint.as_deref().map(|hint| Box::new(printable(hint)) as _)
            }
            Self::Store(StoreError::Wrong(problem)) => problem.help(),
            Self::NobodyToAsk => Some(Box::new("add `--yes` to grant it without being asked")),
            Self::Usage { hint, .. } => Some(Box::new(hint)),
            Self::Declined | Self::Output(_) => None,
        }
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        match self {
            Self::Store(StoreError::Wrong(problem)) => problem.source_code(),
            _ => None,
        }
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        match self {
            Self::Store(StoreError::Wrong(problem)) => problem.labels(),
            _ => None,
        }
    }
}

/// How alike two names must be to suggest one for the other, from 0 to 1.
const ALIKE: f64 = 0.6;

fn nearest(name: &str, known: &[String], all: &str) -> String {
    let best = known
        .iter()
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .filter(|(score, _)| *score >= ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match best {
        Some((_, candidate)) => format!("did you mean `{}`?", printable(candidate)),
        None => format!("`{all}` shows those that there are"),
    }
}
