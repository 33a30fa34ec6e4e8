//! `audit`: the log of all processes of this user, read from where they write it.

use std::time::Duration;

use async_trait::async_trait;
use mimir_commands::{AuditEntry, AuditPlace, AuditQuery, AuditTrail, AuditVerdict, Since, StoreError, with_causes};
use mimir_shared_platform::{AuditFolder, AuditReader, Clock, PlatformError, SystemClock, verify_audit};
use serde_json::Value;

use super::Store;

/// How many lines are read at once.
const BATCH: usize = 256;
/// How often whoever follows the log looks for more.
const LOOK: Duration = Duration::from_millis(200);

struct Trail {
    reader: AuditReader,
    plugin: Option<String>,
    follow: bool,
    is_over: bool,
}

#[async_trait]
impl AuditTrail for Trail {
    async fn next(&mut self) -> Result<Option<Vec<AuditEntry>>, StoreError> {
        while !self.is_over {
            let mut entries = self.reader.read(BATCH).map_err(|error| unreadable(&error))?;
            let is_at_end = self.reader.is_at_end();
            self.is_over = is_at_end && !self.follow;
            if let Some(plugin) = &self.plugin {
                entries.retain(|entry| entry.plugin.as_ref() == Some(plugin));
            }
            if !entries.is_empty() {
                return Ok(Some(entries.into_iter().map(shown).collect()));
            }
            if is_at_end && self.follow {
                tokio::time::sleep(LOOK).await;
            }
        }
        Ok(None)
    }
}

impl Store {
    pub(super) fn audit_trail(&self, query: &AuditQuery) -> Box<dyn AuditTrail> {
        let since = match query.since {
            Some(Since::Ago(ms)) => SystemClock.now_ms().saturating_sub(ms),
            Some(Since::At(ms)) => ms,
            None => 0,
        };
        let reader = AuditReader::new(&self.audit_folder(), since);
        Box::new(Trail { reader, plugin: query.plugin.clone(), follow: query.follow, is_over: false })
    }

    pub(super) fn audit_verdict(&self) -> Result<AuditVerdict, StoreError> {
        let verdict = verify_audit(&self.audit_folder(), &SystemClock).map_err(|error| unreadable(&error))?;
        let problems = verdict.problems.iter().map(|problem| {
            let message = match problem.line {
                Some(line) => format!("line {line} {}", problem.problem),
                None => format!("it {}", problem.problem),
            };
            AuditPlace { file: problem.file.clone(), line: problem.line, time: None, message }
        });
        let gaps = verdict.gaps.iter().map(|gap| AuditPlace {
            file: gap.file.clone(),
            line: Some(gap.line),
            time: Some(gap.time),
            message: gap.detail.clone(),
        });
        Ok(AuditVerdict {
            intact: verdict.is_intact(),
            segments: verdict.segments,
            open: verdict.open,
            removed: verdict.removed,
            lines: verdict.lines,
            anchors: verdict.anchors,
            problems: problems.collect(),
            gaps: gaps.collect(),
        })
    }

    fn audit_folder(&self) -> AuditFolder {
        AuditFolder::in_home(&self.surroundings.places.home)
    }
}

fn shown(entry: mimir_shared_platform::AuditEntry) -> AuditEntry {
    let mimir_shared_platform::AuditEntry { file, line, time, plugin, kind, detail, text } = entry;
    let detail = serde_json::from_str(&detail).unwrap_or(Value::Null);
    AuditEntry { file, line, time, plugin, kind, detail, text }
}

fn unreadable(error: &PlatformError) -> StoreError {
    let hint = "check who may read and write Mimir's folder, and whether another Mimir has stopped in the middle";
    StoreError::failed(with_causes(error), Some(hint.to_owned()))
}
