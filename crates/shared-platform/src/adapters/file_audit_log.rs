use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender, TryRecvError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use crate::{AuditLog, AuditRecord, ChainHead, Clock, PlatformError};

/// An audit log in a folder: one file a process, one JSON object a line, each with the hash of the line before it.
///
/// The file is created by the first record. A thread writes; it hands everything to the operating system as soon as no
/// more records wait, so that even a killed process loses at most what it recorded in its last moment.
pub struct FileAuditLog {
    segment: PathBuf,
    clock: Arc<dyn Clock>,
    writer: Mutex<Option<Writer>>,
    failure: Arc<Mutex<Option<String>>>,
}

struct Writer {
    sender: SyncSender<Message>,
    thread: JoinHandle<()>,
}

enum Message {
    Record(u64, AuditRecord),
    Flush(SyncSender<()>),
}

/// Whoever records faster than the disk takes it waits from here on, instead of filling the memory.
const QUEUE: usize = 4_096;

static SEGMENTS: AtomicU64 = AtomicU64::new(0);

impl FileAuditLog {
    /// A log in `folder`, which the first record creates.
    pub fn new(folder: &Path, clock: Arc<dyn Clock>) -> Self {
        let number = SEGMENTS.fetch_add(1, Ordering::Relaxed);
        let name = format!("{:013}-{}-{number}.ndjson", clock.now_ms(), std::process::id());
        Self { segment: folder.join(name), clock, writer: Mutex::new(None), failure: Arc::default() }
    }

    /// The file that this process writes, if it has recorded anything.
    pub fn segment(&self) -> &Path {
        &self.segment
    }

    fn sender(&self) -> Option<SyncSender<Message>> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if writer.is_none() {
            match self.start() {
                Ok(started) => *writer = Some(started),
                Err(error) => fail(&self.failure, &error),
            }
        }
        writer.as_ref().map(|writer| writer.sender.clone())
    }

    fn start(&self) -> std::io::Result<Writer> {
        let file = create(&self.segment)?;
        let (sender, receiver) = mpsc::sync_channel(QUEUE);
        let failure = Arc::clone(&self.failure);
        let thread = thread::Builder::new()
            .name("audit".to_owned())
            .spawn(move || write_all(&receiver, BufWriter::new(file), &failure))?;
        Ok(Writer { sender, thread })
    }
}

impl AuditLog for FileAuditLog {
    fn record(&self, record: AuditRecord) {
        let time = self.clock.now_ms();
        if let Some(sender) = self.sender() {
            // The thread only ends with this log, so the receiver is there
            let _ = sender.send(Message::Record(time, record));
        }
    }

    fn flush(&self) -> Result<(), PlatformError> {
        let sender = self.writer.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|w| w.sender.clone());
        if let Some(sender) = sender {
            let (done, is_done) = mpsc::sync_channel(1);
            if sender.send(Message::Flush(done)).is_ok() {
                let _ = is_done.recv();
            }
        }
        match &*self.failure.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(detail) => Err(PlatformError::Audit { path: self.segment.clone(), detail: detail.clone() }),
            None => Ok(()),
        }
    }
}

impl Drop for FileAuditLog {
    fn drop(&mut self) {
        if let Some(Writer { sender, thread }) = self.writer.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            drop(sender);
            let _ = thread.join();
        }
    }
}

fn create(segment: &Path) -> std::io::Result<File> {
    let mut options = fs::OpenOptions::new();
    options.append(true).create_new(true);
    let mut folder = fs::DirBuilder::new();
    folder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
        // What plugins did is for the user alone
        options.mode(0o600);
        folder.mode(0o700);
    }
    if let Some(parent) = segment.parent() {
        folder.create(parent)?;
    }
    options.open(segment)
}

fn write_all(receiver: &Receiver<Message>, mut file: BufWriter<File>, failure: &Mutex<Option<String>>) {
    let mut head = ChainHead::empty();
    let mut waiting = receiver.recv().ok();
    while let Some(message) = waiting {
        match message {
            Message::Record(time, record) => {
                let written = head
                    .append(time, record)
                    .map_err(std::io::Error::from)
                    .and_then(|line| file.write_all(line.as_bytes()).and_then(|()| file.write_all(b"\n")));
                written.unwrap_or_else(|error| fail(failure, &error));
            }
            Message::Flush(done) => {
                file.flush().unwrap_or_else(|error| fail(failure, &error));
                let _ = done.send(());
            }
        }
        waiting = match receiver.try_recv() {
            Ok(message) => Some(message),
            Err(TryRecvError::Disconnected) => None,
            Err(TryRecvError::Empty) => {
                file.flush().unwrap_or_else(|error| fail(failure, &error));
                receiver.recv().ok()
            }
        };
    }
    file.flush().unwrap_or_else(|error| fail(failure, &error));
}

/// Keeps the first failure: what follows is usually its consequence.
fn fail(failure: &Mutex<Option<String>>, error: &std::io::Error) {
    failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| error.to_string());
}
