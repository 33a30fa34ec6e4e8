//! Who a session belongs to: a lock of the system on a file beside the database. The kernel lets go of it when the process
//! dies, however it dies.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

/// A session that is held. It is let go of when this is dropped.
#[derive(Debug)]
pub(super) struct Hold {
    path: PathBuf,
    file: File,
}

/// Why a session could not be taken hold of.
#[derive(Debug)]
pub(super) enum NotHeld {
    /// Somebody else holds it.
    By(Option<u32>),
    /// The file of the lock can't be made or locked.
    Failed(io::Error),
}

impl Hold {
    /// Takes hold of a session, at once or not at all.
    pub(super) fn take(folder: &Path, session: &str) -> Result<Self, NotHeld> {
        let path = folder.join(format!("{session}.lock"));
        loop {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut file = options.open(&path).map_err(NotHeld::Failed)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(NotHeld::By(holder(&mut file))),
                Err(TryLockError::Error(error)) => return Err(NotHeld::Failed(error)),
            }
            // Whoever held it before may have removed the file between the two steps above, and a third may have made a
            // new one: a lock on a file without a name keeps nobody out
            if is_at(&path, &file).map_err(NotHeld::Failed)? {
                let mut hold = Self { path, file };
                hold.sign().map_err(NotHeld::Failed)?;
                return Ok(hold);
            }
        }
    }

    fn sign(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.file.write_all(std::process::id().to_string().as_bytes())
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        // While the lock is still held, so that what is removed is this file and no other. One that can't be removed is an
        // empty file more, and no lock.
        let _ = std::fs::remove_file(&self.path);
    }
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(20).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(unix)]
fn is_at(path: &Path, file: &File) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    let opened = file.metadata()?;
    match std::fs::metadata(path) {
        Ok(there) => Ok((there.dev(), there.ino()) == (opened.dev(), opened.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// An open file keeps its name there.
#[cfg(not(unix))]
fn is_at(_: &Path, _: &File) -> io::Result<bool> {
    Ok(true)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail by a panic")]

    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn one_holds_it_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let hold = Hold::take(folder.path(), "s").unwrap();
        let refused = Hold::take(folder.path(), "s").unwrap_err();
        assert!(matches!(refused, NotHeld::By(Some(pid)) if pid == std::process::id()), "{refused:?}");
        let _other = Hold::take(folder.path(), "t").unwrap();
        drop(hold);
        assert!(!folder.path().join("s.lock").exists());
        drop(Hold::take(folder.path(), "s").unwrap());
        // What a process that was killed leaves keeps nobody out
        std::fs::write(folder.path().join("s.lock"), "4294967296").unwrap();
        Hold::take(folder.path(), "s").unwrap();
    }

    #[test]
    fn never_two_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let (inside, taken) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while taken.load(Ordering::SeqCst) < 2_000 {
                        let Ok(hold) = Hold::take(folder.path(), "s") else { continue };
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        taken.fetch_add(1, Ordering::SeqCst);
                        inside.fetch_sub(1, Ordering::SeqCst);
                        drop(hold);
                    }
                });
            }
        });
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
