use std::path::PathBuf;
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use futures::future::BoxFuture;

use super::AuditFolder;
use super::queue::{Queue, Recorded};
use super::writer::{Status, Writer, run};
use crate::{AuditLog, AuditRecord, Clock, MakeRecord, PlatformError};

/// An audit log in a folder: one JSON object a line, each with the hash of the line before it.
///
/// Files are made by the first record. A thread writes; it hands what it has to the operating system at once, so that even
/// a killed process loses at most what it recorded in its last moment.
pub struct FileAuditLog {
    folder: AuditFolder,
    clock: Arc<dyn Clock>,
    queue: Arc<Queue>,
    status: Arc<Mutex<Status>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl FileAuditLog {
    /// A log in `folder`, which the first record creates.
    pub fn new(folder: AuditFolder, clock: Arc<dyn Clock>) -> Self {
        Self { folder, clock, queue: Arc::default(), status: Arc::default(), thread: Mutex::default() }
    }

    /// The file that is written now, as of the last [`AuditLog::flush`].
    pub fn segment(&self) -> Option<PathBuf> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).segment.clone()
    }

    /// Whether there is a thread, which the first record starts.
    fn is_running(&self, starts: bool) -> bool {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if thread.is_none() && starts {
            let (queue, status) = (Arc::clone(&self.queue), Arc::clone(&self.status));
            let writer = Writer::new(self.folder.clone(), Arc::clone(&self.clock), Arc::clone(&status));
            match thread::Builder::new().name("audit".to_owned()).spawn(move || run(writer, &queue)) {
                Ok(started) => *thread = Some(started),
                Err(error) => status.lock().unwrap_or_else(PoisonError::into_inner).fail(&error),
            }
        }
        thread.is_some()
    }

    fn push(&self, recorded: Recorded) {
        let time = self.clock.now_ms();
        if self.is_running(true) {
            self.queue.push((time, recorded));
        }
    }

    fn wait(&self, is_end: bool) -> Result<(), PlatformError> {
        if self.is_running(false) {
            let (done, is_done) = mpsc::sync_channel(1);
            self.queue.wait_for(done, is_end);
            let _ = is_done.recv();
        }
        match &self.status.lock().unwrap_or_else(PoisonError::into_inner).failure {
            Some(detail) => Err(PlatformError::Audit { path: self.folder.segments.clone(), detail: detail.clone() }),
            None => Ok(()),
        }
    }
}

impl AuditLog for FileAuditLog {
    fn record(&self, record: AuditRecord) {
        self.push(Recorded::Now(record));
    }

    fn record_later(&self, make: MakeRecord) {
        self.push(Recorded::Later(make));
    }

    fn catching_up(&self) -> Option<BoxFuture<'_, ()>> {
        self.queue.catching_up()
    }

    fn flush(&self) -> Result<(), PlatformError> {
        self.wait(false)
    }

    fn close(&self) -> Result<(), PlatformError> {
        self.wait(true)
    }
}

impl Drop for FileAuditLog {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(thread) = self.thread.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = thread.join();
        }
    }
}
