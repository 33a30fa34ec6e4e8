use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

use crate::recording::{RecordedEvent, Recorder, RecorderError};

/// Records to a file that only the user can read, each event as soon as it is complete: what was recorded when the process was
/// killed is there.
pub struct FileRecorder {
    path: PathBuf,
    file: Mutex<File>,
}

impl FileRecorder {
    /// Begins a recording.
    ///
    /// # Errors
    /// If there is a file already, or none can be made.
    pub fn create(path: impl Into<PathBuf>) -> Result<Self, RecorderError> {
        let path = path.into();
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        match options.open(&path) {
            Ok(file) => Ok(Self { path, file: Mutex::new(file) }),
            Err(source) if source.kind() == io::ErrorKind::AlreadyExists => {
                let problem = format!("would overwrite {}", path.display());
                Err(RecorderError { problem, source })
            }
            Err(source) => Err(RecorderError { problem: format!("can't be written to {}", path.display()), source }),
        }
    }
}

impl Recorder for FileRecorder {
    fn event(&self, event: RecordedEvent) -> Result<(), RecorderError> {
        let written = event.lines().map_err(io::Error::from).and_then(|lines| {
            // One write for all of them, and no buffer to lose
            self.file.lock().write_all(lines.as_bytes())
        });
        let failed = |source| RecorderError {
            problem: format!("stopped, since {} can't be written", self.path.display()),
            source,
        };
        written.map_err(failed)
    }

    fn place(&self) -> Option<&Path> {
        Some(&self.path)
    }
}
