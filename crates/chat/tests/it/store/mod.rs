//! Sessions on a real disk.

mod child;
mod disk;
mod holding;
mod kill;
mod model;
mod processes;
mod promises;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mimir_chat::{NewSession, Session, SessionStore, SqliteSessions, StoreError, Stored, ToolCall, ToolOutcome};
use mimir_shared_platform::Clock;
use mimir_shared_providers::{Message, Role};
use serde_json::{Map, json};
use tempfile::TempDir;

/// A moment of 2026-01-05, UTC.
pub(super) const START: u64 = 1_767_603_600_000;
const DAY_MS: u64 = 86_400_000;

/// A clock that a test sets.
#[derive(Debug)]
pub(super) struct SetClock(AtomicU64);

impl SetClock {
    fn advance(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for SetClock {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    fn monotonic(&self) -> std::time::Duration {
        std::time::Duration::from_millis(self.now_ms())
    }
}

/// A folder for sessions.
pub(super) struct Place {
    folder: TempDir,
    clock: Arc<SetClock>,
}

impl Place {
    pub(super) fn new() -> Self {
        Self { folder: TempDir::new().unwrap(), clock: clock() }
    }

    pub(super) fn sessions(&self) -> PathBuf {
        self.folder.path().join("home/sessions")
    }

    pub(super) fn database(&self) -> PathBuf {
        self.sessions().join("sessions.db")
    }

    pub(super) async fn store(&self) -> SqliteSessions {
        SqliteSessions::open(&self.sessions(), self.clock.clone()).await.unwrap()
    }

    pub(super) async fn refused(&self) -> StoreError {
        SqliteSessions::open(&self.sessions(), self.clock.clone()).await.unwrap_err()
    }
}

pub(super) fn clock() -> Arc<SetClock> {
    Arc::new(SetClock(AtomicU64::new(START)))
}

pub(super) fn new_session(title: &str) -> NewSession {
    NewSession { project: "/code/app".to_owned(), title: title.to_owned(), model: "scripted/demo".to_owned() }
}

pub(super) async fn begin(store: &SqliteSessions) -> Session {
    store.create(new_session("fix the parser")).await.unwrap()
}

pub(super) fn user(text: impl Into<String>) -> Message {
    Message::text(Role::User, text)
}

pub(super) fn call(id: &str) -> ToolCall {
    ToolCall { id: id.to_owned(), name: "bash".to_owned(), args: json!({"command": "ls", "n": 1.50}) }
}

pub(super) fn outcome() -> ToolOutcome {
    ToolOutcome { result: json!("ok"), is_error: false, args: Map::new(), duration_ms: 3, remarks: Vec::new() }
}

pub(super) fn text(stored: &Stored) -> String {
    stored.message.plain_text()
}

pub(super) fn texts(stored: &[Stored]) -> Vec<String> {
    stored.iter().map(text).collect()
}

pub(super) fn id(stored: &Stored) -> String {
    stored.message.id.clone().unwrap()
}

/// What the database says about itself, past the store.
pub(super) async fn assert_sound(database: &Path) {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(database);
    let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
    let said: String = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&pool).await.unwrap();
    assert_eq!(said, "ok");
    let orphans: Vec<sqlx::sqlite::SqliteRow> = sqlx::query("PRAGMA foreign_key_check").fetch_all(&pool).await.unwrap();
    assert!(orphans.is_empty());
    pool.close().await;
}
