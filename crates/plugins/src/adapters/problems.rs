//! What is wrong in files that people wrote, with the place, for the command line.

use std::path::Path;

use mimir_commands::{CommandError, Problem, Severity, StoreError, with_causes};
use mimir_loader::LoadError;
use mimir_shared_config::{ConfigError, InvalidFile};
use mimir_shared_platform::FileSystem;

use crate::PluginsError;

/// No more of a file is read to show a place in it, in bytes.
const LARGEST: u64 = 1 << 20;

/// A plugin's problem, with the lines around it if the file can be read.
pub(crate) fn problem(
    files: &dyn FileSystem,
    dir: &Path,
    severity: Severity,
    found: &mimir_loader::Problem,
) -> Problem {
    let path = dir.join(&found.file);
    let problem = Problem::new(severity, &path, &found.message).with_hint(found.hint.clone());
    let Some(line) = found.line else { return problem };
    let (line, column) = (line as usize, found.column.unwrap_or(1) as usize);
    let is_small = files.metadata(&path).is_ok_and(|file| file.is_file() && file.len <= LARGEST);
    match files.read_to_string(&path) {
        Ok(text) if is_small => problem.with_source_at(&text, line, column),
        _ => problem.at(line, column),
    }
}

/// Why a plugin does not load. Never empty.
pub(crate) fn problems_of(files: &dyn FileSystem, dir: &Path, error: &LoadError) -> Vec<Problem> {
    let found = error.problems();
    if found.is_empty() {
        return vec![Problem::new(Severity::Error, dir, with_causes(error)).with_hint(Some(error.hint()))];
    }
    found.iter().map(|found| problem(files, dir, Severity::Error, found)).collect()
}

fn problems_in(file: &InvalidFile) -> impl Iterator<Item = Problem> {
    file.problems.iter().map(|found| {
        Problem::new(Severity::Error, &file.file, &found.message)
            .with_hint(found.help.clone())
            .with_source(&file.text, found.span.clone())
    })
}

/// A wrong configuration, all of it in one error.
pub(crate) fn configuration(error: &ConfigError) -> StoreError {
    let mut problems = error.files().iter().flat_map(problems_in);
    if let Some(first) = problems.next() {
        let others = problems.collect();
        return StoreError::Wrong(Box::new(first.with_others(others)));
    }
    drop(problems);
    let hint = error.help().map(str::to_owned);
    StoreError::failed(with_causes(error), hint)
}

pub(crate) fn load_error(error: &LoadError) -> StoreError {
    StoreError::failed(with_causes(error), Some(error.hint()))
}

impl From<PluginsError> for StoreError {
    fn from(error: PluginsError) -> Self {
        match error {
            PluginsError::Configuration(error) => configuration(&error),
            PluginsError::Loader(error) => load_error(&error),
            refused @ PluginsError::LayersMissing { .. } => {
                Self::Refused { message: refused.to_string(), hint: refused.hint() }
            }
            other => Self::failed(with_causes(&other), other.hint()),
        }
    }
}

impl From<PluginsError> for CommandError {
    fn from(error: PluginsError) -> Self {
        Self::Store(error.into())
    }
}
