//! What the port [`PluginStore`](crate::PluginStore) tells about the audit log.

use std::path::PathBuf;

use serde::Serialize;
use serde_json::Value;

use crate::Since;

/// What of the log is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditQuery {
    /// Only what is about this plugin.
    pub plugin: Option<String>,
    /// Only what was recorded since then.
    pub since: Option<Since>,
    /// Go on with what is recorded from now on.
    pub follow: bool,
}

/// A line of the log. All of it may be a plugin's text: print it by [`printable`](crate::printable) alone.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditEntry {
    /// The file that it stands in.
    pub file: String,
    /// The number of the line, from 1.
    pub line: u64,
    /// When it was recorded, in milliseconds since 1970.
    pub time: u64,
    /// The plugin that it is about.
    pub plugin: Option<String>,
    /// What kind of thing it is; nothing if the line is no record.
    pub kind: Option<String>,
    /// The rest.
    pub detail: Value,
    /// The whole line; nothing if it is no record.
    pub text: String,
}

/// Whether the log is as it was written.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditVerdict {
    /// Whether it is.
    pub intact: bool,
    /// How many segments there are.
    pub segments: u64,
    /// How many of them are still written.
    pub open: u64,
    /// How many were removed as too old or too many.
    pub removed: u64,
    /// How many lines there are.
    pub lines: u64,
    /// How many anchors there are.
    pub anchors: u64,
    /// What is not as it was written.
    pub problems: Vec<AuditPlace>,
    /// Where records are missing, or may be, without anybody's doing; the message is JSON as it stands there.
    pub gaps: Vec<AuditPlace>,
}

/// A place in the log, and what is to say about it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditPlace {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1; nothing if it is about the whole file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// When, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<u64>,
    /// What is to say.
    pub message: String,
}
