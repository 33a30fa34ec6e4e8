use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use indexmap::IndexMap;
use mimir_shared_config::PermissionRule;
use mimir_shared_platform::{FileSystem, PlatformError, read_private_file};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{About, Answer, AnswerStore, AnswersError};

/// The format of the file. One with a higher number is left alone.
const FORMAT: u32 = 1;
/// The most answers that are kept for a project: the oldest go first.
const MOST: usize = 500;

/// Answers in a file of the user's own, `~/.mimir/permissions.json`, each bound to its project's path. What can't be
/// understood is told and left as it is.
pub struct AnswerFile {
    file: PathBuf,
    project: PathBuf,
    files: Arc<dyn FileSystem>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    format: u32,
    #[serde(default)]
    projects: IndexMap<String, Vec<Entry>>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Entry {
    /// A rule, as configuration writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    /// Or one action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exactly: Option<Exactly>,
    allowed: bool,
    given_ms: u64,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Exactly {
    #[serde(rename = "type")]
    kind: String,
    command: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path: Option<PathBuf>,
}

#[derive(Deserialize)]
struct FormatOnly {
    format: u32,
}

impl AnswerFile {
    /// The answers for the project at `project` (without links) in `file`.
    pub fn new(file: impl Into<PathBuf>, project: impl Into<PathBuf>, files: Arc<dyn FileSystem>) -> Self {
        Self { file: file.into(), project: project.into(), files }
    }

    fn key(&self) -> String {
        self.project.to_string_lossy().into_owned()
    }
}

fn read(file: &Path) -> Result<Content, AnswersError> {
    match read_private_file(file).map_err(AnswersError::File)? {
        Some(text) => parse(file, text.as_bytes()),
        None => Ok(Content { format: FORMAT, projects: IndexMap::new() }),
    }
}

fn parse(file: &Path, bytes: &[u8]) -> Result<Content, AnswersError> {
    let corrupt = |error: &serde_json::Error| AnswersError::Corrupt {
        path: file.to_owned(),
        line: error.line(),
        column: error.column(),
    };
    let FormatOnly { format } = serde_json::from_slice(bytes).map_err(|error| corrupt(&error))?;
    if format > FORMAT {
        return Err(AnswersError::TooNew { path: file.to_owned(), format });
    }
    let content: Content = serde_json::from_slice(bytes).map_err(|error| corrupt(&error))?;
    // A rule that can't be read would be lost in silence
    let is_read = |entry: &Entry| answer(entry).is_some();
    match content.projects.values().flatten().all(is_read) {
        true => Ok(content),
        false => Err(AnswersError::Corrupt { path: file.to_owned(), line: 0, column: 0 }),
    }
}

fn answer(entry: &Entry) -> Option<Answer> {
    let about = match (&entry.rule, &entry.exactly) {
        (Some(rule), None) => About::Rule(rule.parse::<PermissionRule>().ok()?),
        (None, Some(Exactly { kind, command, path })) => {
            About::Exact { kind: kind.clone(), command: command.clone(), path: path.clone() }
        }
        _ => return None,
    };
    Some(Answer { about, allowed: entry.allowed, given_ms: entry.given_ms })
}

fn entry(answer: &Answer) -> Entry {
    let (rule, exactly) = match &answer.about {
        About::Rule(rule) => (Some(rule.to_string()), None),
        About::Exact { kind, command, path } => {
            (None, Some(Exactly { kind: kind.clone(), command: command.clone(), path: path.clone() }))
        }
    };
    Entry { rule, exactly, allowed: answer.allowed, given_ms: answer.given_ms }
}

/// The file with one answer more, which takes the place of an earlier one about the same.
fn added(file: &Path, before: Option<Vec<u8>>, key: &str, more: &Answer) -> Result<Vec<u8>, AnswersError> {
    let mut content = match before {
        Some(bytes) => parse(file, &bytes)?,
        None => Content { format: FORMAT, projects: IndexMap::new() },
    };
    let own = content.projects.entry(key.to_owned()).or_default();
    own.retain(|held| answer(held).is_some_and(|held| held.about != more.about));
    own.push(entry(more));
    let surplus = own.len().saturating_sub(MOST);
    own.drain(..surplus);
    let value: Value = serde_json::to_value(content).unwrap_or_default();
    Ok(format!("{value:#}\n").into_bytes())
}

#[async_trait]
impl AnswerStore for AnswerFile {
    async fn load(&self) -> Result<Vec<Answer>, AnswersError> {
        let (file, key) = (self.file.clone(), self.key());
        let load = move || {
            let content = read(&file)?;
            Ok(content.projects.get(&key).into_iter().flatten().filter_map(answer).collect())
        };
        tokio::task::spawn_blocking(load).await.unwrap_or(Err(AnswersError::Ending))
    }

    async fn add(&self, answer: &Answer) -> Result<(), AnswersError> {
        let (file, key, files, answer) = (self.file.clone(), self.key(), Arc::clone(&self.files), answer.clone());
        let add = move || {
            // Somebody else's file is not added to
            read(&file)?;
            let mut failed = None;
            let result = files.update(&file, Some(0o600), &mut |before| {
                added(&file, before, &key, &answer).map(Some).map_err(|error| {
                    failed = Some(error);
                    io::Error::from(io::ErrorKind::InvalidData).into()
                })
            });
            match (failed, result) {
                (Some(error), _) => Err(error),
                (None, result) => result.map_err(|error: PlatformError| AnswersError::File(error)),
            }
        };
        tokio::task::spawn_blocking(add).await.unwrap_or(Err(AnswersError::Ending))
    }
}

#[cfg(test)]
mod tests;
