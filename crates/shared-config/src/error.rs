use thiserror::Error;

use crate::problem::InvalidFile;

/// Why a text was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Files have something wrong in them. All that is wrong is in here, with the place.
    #[error("{}", files.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Invalid {
        /// The files that have something wrong. Never empty.
        files: Vec<InvalidFile>,
    },
    /// A `MIMIR_*` variable has a value that is not as it should be, or is misspelt.
    #[error("the environment variable {variable} {problem}")]
    Variable {
        /// Its name.
        variable: String,
        /// What is wrong with it.
        problem: String,
        /// What to do about it, if that is known.
        help: Option<String>,
    },
    /// The command line sets something that is not as it should be.
    #[error("`{key}` on the command line {problem}")]
    Flag {
        /// The dotted key.
        key: String,
        /// What is wrong with it.
        problem: String,
        /// What to do about it, if that is known.
        help: Option<String>,
    },
    /// The layers are right one by one, but not together.
    #[error("the configuration does not fit together: {problem}")]
    Layers {
        /// What does not fit.
        problem: String,
    },
    /// A text cannot be changed without risk to what else it says.
    #[error("{file} cannot be changed by itself: {problem}")]
    Edit {
        /// The file's name as it was given.
        file: String,
        /// Why not.
        problem: String,
        /// What to do by hand.
        help: String,
    },
}

impl ConfigError {
    pub(crate) fn invalid(file: InvalidFile) -> Self {
        Self::Invalid { files: vec![file] }
    }

    /// The files that have something wrong in them, for showing the places.
    pub fn files(&self) -> &[InvalidFile] {
        match self {
            Self::Invalid { files } => files,
            _ => &[],
        }
    }

    /// What to do about it, where that is not said with each place.
    pub fn help(&self) -> Option<&str> {
        match self {
            Self::Variable { help, .. } | Self::Flag { help, .. } => help.as_deref(),
            Self::Edit { help, .. } => Some(help),
            Self::Invalid { .. } | Self::Layers { .. } => None,
        }
    }
}
