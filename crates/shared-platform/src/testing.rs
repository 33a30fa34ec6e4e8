//! Stand-ins for the ports, for the tests of other crates (feature `testing`).

#[cfg(unix)]
mod docker_machine;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::{AuditLog, AuditRecord, Clock, Level, Notice, Notifier, PlatformError};

#[cfg(unix)]
pub use docker_machine::{DockerMachine, Program};

/// An audit log that remembers.
#[derive(Debug, Default)]
pub struct MemoryAuditLog(Mutex<Vec<AuditRecord>>);

impl MemoryAuditLog {
    /// Everything recorded so far.
    pub fn records(&self) -> Vec<AuditRecord> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl AuditLog for MemoryAuditLog {
    fn record(&self, record: AuditRecord) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(record);
    }

    fn flush(&self) -> Result<(), PlatformError> {
        Ok(())
    }
}

/// A notifier that remembers.
#[derive(Debug, Default)]
pub struct MemoryNotifier(Mutex<Vec<(Level, Option<String>, String)>>);

impl MemoryNotifier {
    /// Everything shown so far: level, who said it, what.
    pub fn notices(&self) -> Vec<(Level, Option<String>, String)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Notifier for MemoryNotifier {
    fn notify(&self, notice: &Notice<'_>) {
        let notice = (notice.level, notice.from.map(str::to_owned), notice.message.to_owned());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(notice);
    }
}

/// A clock that stands still until it is moved.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicU64);

impl ManualClock {
    /// A clock that shows `ms` since 1970.
    pub fn at(ms: u64) -> Self {
        Self(AtomicU64::new(ms))
    }

    /// Moves it forward.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(u64::try_from(by.as_millis()).unwrap_or(u64::MAX), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.now_ms())
    }
}
